package kernels

import "math"

// SoftmaxExp replaces the row x by exp(x - max(x)) and returns the sum, so that
// softmax(x) is the row divided by the sum. The division is left to the caller,
// who has fewer elements to divide after the next product. An element 88 or more
// below the maximum gives at most 1.2e-38, never exactly zero.
func SoftmaxExp(x []float32) (sum float32) {
	if len(x) == 0 {
		panic("kernels: SoftmaxExp of an empty row")
	}
	if len(x)%lanes != 0 {
		return genericSoftmax(x)
	}
	return active.softmax(x)
}

// genericSoftmax is SoftmaxExp.
func genericSoftmax(x []float32) (sum float32) {
	m := x[0]
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	var l laneSums
	for i, v := range x {
		e := exp(v - m)
		x[i] = e
		l[i%lanes] += e
	}
	return l.fold()
}

// The constants of exp. ln2 is split in two so that n·ln2Hi is exact
// (Cody and Waite, "Software Manual for the Elementary Functions", 1980).
const (
	expMin = -87 // exp(-87) = 1.6e-38 is the least that is not subnormal
	log2E  = 1.44269504088896340736
	ln2Hi  = 0.693359375
	ln2Lo  = -2.12194440e-4
	// exp(r) = 1 + r + r²(exp2 + exp3·r + exp4·r² + exp5·r³) for |r| <= ln2/2,
	// with a relative error of 1.0e-7: a minimax fit by Lawson's algorithm.
	exp2 = 0.4999923
	exp3 = 0.16667114
	exp4 = 0.041890156
	exp5 = 0.008312521
)

// exp returns e to the x for x <= 0, with a relative error below 1.8e-7. x below
// expMin counts as expMin.
func exp(x float32) float32 {
	if x < expMin {
		x = expMin
	}
	n := float32(math.RoundToEven(float64(float32(x * log2E))))
	r := fma(n, -ln2Hi, x)
	r = fma(n, -ln2Lo, r)
	p := fma(exp5, r, exp4)
	p = fma(p, r, exp3)
	p = fma(p, r, exp2)
	p = fma(p, r, 1)
	p = fma(p, r, 1)
	// 2ⁿ·p: n is added to the exponent.
	return math.Float32frombits(math.Float32bits(p) + uint32(int32(n))<<23)
}
