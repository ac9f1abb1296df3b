package kernels

import (
	"fmt"
	"os"
	"strings"
)

// implementation is one way to run every operation of the package on this
// architecture. The functions of the row operations get rows whose length is a
// multiple of lanes, and not 0 but for minMax. Of other rows the exported functions
// compute the rest with the specification, or all where a sum runs over the row.
type implementation struct {
	name string

	// The int8 GEMM (gemm.go).
	tile      int             // rows of C that panel computes together
	a, b      blocking        // layouts of packed activations and weights; b.rows columns are a panel
	aType     elementType     // how an activation is stored
	quantize  quantizeFunc    // one row of activations into layout a
	round     roundFunc       // a row of weights, row-major
	expand    expandFunc      // a panel of b into what panel reads; nil where it reads b itself
	panel     func(*gemmArgs) // one panel of columns
	panelStep int             // k is a multiple of it
	budget    int             // multiply-accumulates in one call of panel, about 100 µs at most

	// The float32 GEMM (floatgemm.go).
	floatRows   int              // rows of one tile
	floatPanel  func(*floatArgs) // one panel
	floatPair   func(*floatArgs) // two panels; nil where that gains nothing
	floatBudget int
	toFloats    func(dst []float32, ldd int, src []byte, lds, m, n int) // n a multiple of lanes
	transpose   func(dst []float32, ldd int, src []float32, lds, k int) // 16 rows to columns

	// The row operations.
	minMax    func(x []float32, lo, hi float32) (least, greatest float32)
	moments   func(x []float32, eps float32) (mean, rstd float32)
	normalize func(dst, x, gamma, beta []float32, mean, rstd float32) (least, greatest float32)
	gelu      func(x []float32) (least, greatest float32)
	softmax   func(x []float32) (sum float32)
	dots      func(dst, q, x []float32, ld int) // len(dst) a multiple of dotRows

	// Resampling (resample.go).
	resample func(dst, src []byte, first, coeffs []int32, taps int)
	blend    func(dst, rows []byte, stride int, coeffs []int32) // a multiple of lanes bytes
}

// active is the implementation in use, chosen once.
var active = mustSelect(os.Getenv("VITEDGE_KERNEL"))

// Name returns the name of the implementation in use, for logs and reports.
func Name() string { return active.name }

// Names returns the implementations that this CPU can run, fastest first.
func Names() []string {
	var names []string
	for _, i := range implementations() {
		names = append(names, i.name)
	}
	return names
}

// Check reports whether VITEDGE_KERNEL, as the environment has it, names an
// implementation of this CPU. A program calls it at its start, to end with a
// message; where it does not, generic stands in.
func Check() error {
	_, err := choose(os.Getenv("VITEDGE_KERNEL"))
	return err
}

func mustSelect(name string) *implementation {
	i, err := choose(name)
	if err != nil {
		return &generic
	}
	return i
}

// choose returns the implementation called name, or the fastest for "".
func choose(name string) (*implementation, error) {
	all := implementations()
	if name == "" {
		return all[0], nil
	}
	for _, i := range all {
		if i.name == name {
			return i, nil
		}
	}
	return nil, fmt.Errorf("VITEDGE_KERNEL: %q is not an implementation of this CPU; it has %s", name, strings.Join(Names(), ", "))
}
