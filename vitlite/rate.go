package vitlite

import (
	"time"

	"vitedge/kernels"
)

// Kernels returns the names of the kernels that this CPU can run, fastest first.
func Kernels() []string { return kernels.Names() }

// GemmRate measures the int8 GEMM of the named kernels on one thread: the most
// multiply-accumulates a second of the calls that fit in d, at least one, for m
// tokens and a linear layer of k inputs and n outputs. No model may run meanwhile.
func GemmRate(kernel string, m, n, k int, d time.Duration) (float64, error) {
	return kernels.GemmRate(kernel, m, n, k, d)
}

// FloatGemmRate is GemmRate for the float32 GEMM.
func FloatGemmRate(kernel string, m, n, k int, d time.Duration) (float64, error) {
	return kernels.FloatGemmRate(kernel, m, n, k, d)
}
