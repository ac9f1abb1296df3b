package kernels

import "math"

// fma returns x*y + z rounded once to float32, as the FMA instructions of ARMv8
// and FMA3 do.
//
// The product of two float32 is exact in float64. Rounding the sum to float64
// and again to float32 would round twice; so the float64 sum is rounded to odd
// (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved
// algorithms using rounding to odd", 2008): where the sum is inexact, its last
// bit is made odd, in the direction of the error. 53 bits rounded to odd then
// round to 24 bits as the exact value would.
func fma(x, y, z float32) float32 {
	p := float64(x) * float64(y)
	c := float64(z)
	s := p + c
	// Knuth's TwoSum: p + c = s + e exactly.
	t := s - p
	e := (p - (s - t)) + (c - t)
	if e != 0 && !math.IsInf(s, 0) && s == s {
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
