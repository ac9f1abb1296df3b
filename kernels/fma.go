package kernels

import "math"

// fma returns x*y + z rounded once to float32, as the FMA instructions of ARMv8
// and FMA3 do.
//
// The product of two float32 is exact in float64. Rounding the sum to float64 and
// again to float32 differs from rounding once only where the float64 sum is half
// way between two float32 and inexact, which its lower 29 bits tell, or where the
// result is subnormal.
func fma(x, y, z float32) float32 {
	p := float64(x) * float64(y)
	s := p + float64(z)
	b := math.Float64bits(s)
	if b&(1<<29-1) != 1<<28 && b<<1 >= (1023-126)<<53 {
		return float32(s)
	}
	return sumRoundedOnce(p, float64(z), s)
}

// sumRoundedOnce returns p + c rounded once to float32; s is the sum rounded to
// float64. It rounds that sum to odd (Boldo and Melquiond, "Emulation of FMA and
// correctly rounded sums: proved algorithms using rounding to odd", 2008): where
// the sum is inexact, its last bit is made odd, in the direction of the error. 53
// bits rounded to odd then round to 24 bits as the exact value would.
func sumRoundedOnce(p, c, s float64) float32 {
	// Knuth's TwoSum: p + c = s + e exactly.
	t := s - p
	e := (p - (s - t)) + (c - t)
	if e != 0 {
		if b := math.Float64bits(s); b&1 == 0 {
			// The exact value lies between s and its neighbor on the side
			// of e, and the neighbor is odd.
			if (e > 0) == (s > 0) {
				b++
			} else {
				b--
			}
			s = math.Float64frombits(b)
		}
	}
	return float32(s)
}
