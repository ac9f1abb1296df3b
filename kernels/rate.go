package kernels

import (
	"fmt"
	"time"
)

// GemmRate measures the int8 GEMM of the implementation called name, one of
// [Names], on one thread: the most multiply-accumulates a second of the calls
// that fit in d, at least one call, for m×k activations and n×k weights. It
// changes the implementation in use meanwhile, so nothing else of the package
// may run at the same time.
func GemmRate(name string, m, n, k int, d time.Duration) (float64, error) {
	return rate(name, m, n, k, d, func() func(*Worker) {
		w, scale := make([]int8, n*k), make([]float32, n)
		for i := range w {
			w[i] = int8(i*97%255 - 127) // 97 and 255 have no common factor: every value, in a mixed order
		}
		x := make([]float32, k)
		for i := range x {
			x[i] = float32(i*89%256) - 100
		}
		a := NewActivations(m, k)
		a.Reset(m, k)
		for i := range m {
			a.QuantizeRow(i, x)
		}
		weights, dst := PackWeights(w, scale, nil, n, k), make([]float32, m*n)
		return func(w *Worker) { w.Gemm(dst, n, a, weights, false) }
	})
}

// FloatGemmRate is GemmRate for the float32 GEMM.
func FloatGemmRate(name string, m, n, k int, d time.Duration) (float64, error) {
	return rate(name, m, n, k, d, func() func(*Worker) {
		a, w, dst := make([]float32, m*k), make([]float32, n*k), make([]float32, m*n)
		for i := range a {
			a[i] = float32(i*89%256)/64 - 2
		}
		for i := range w {
			w[i] = float32(i*97%255)/64 - 2
		}
		panels := PackFloatWeights(w, nil, n, k)
		return func(w *Worker) { w.Mul(dst, n, a, k, m, panels, nil, false) }
	})
}

// rate makes a product with the implementation called name in use and times it.
func rate(name string, m, n, k int, d time.Duration, prepare func() func(*Worker)) (float64, error) {
	if m <= 0 || n <= 0 || k <= 0 || k > MaxK {
		panic(fmt.Sprintf("kernels: rate of %d×%d×%d", m, n, k))
	}
	if name == "" {
		return 0, fmt.Errorf("no implementation is named")
	}
	impl, err := choose(name)
	if err != nil {
		return 0, err
	}
	defer func(was *implementation) { active = was }(active)
	active = impl
	product, worker := prepare(), new(Worker)
	var best time.Duration
	for began := time.Now(); best == 0 || time.Since(began) < d; {
		start := time.Now()
		product(worker)
		if t := time.Since(start); best == 0 || t < best {
			best = max(t, 1)
		}
	}
	return float64(m) * float64(n) * float64(k) / best.Seconds(), nil
}
