//go:build !purego

package kernels

// The constants of exp and gelu, for softmax_neon_arm64.s and gelu_neon_arm64.s:
// the four lanes of some registers, and the coefficients of the polynomials,
// 16 times each.
var (
	expTable = struct {
		least, factors, rounder [4]float32
		coefficients            [4][lanes]float32
	}{
		least:        [4]float32{expMin, expMin, expMin, expMin},
		factors:      [4]float32{log2E, ln2Hi, ln2Lo, exp5},
		rounder:      [4]float32{3 << 22, 3 << 22, 3 << 22, 3 << 22},
		coefficients: [4][lanes]float32(spread(exp4, exp3, exp2, 1)),
	}
	geluTable = struct {
		factors, clamp, minusClamp, one [4]float32
		coefficients                    [11][lanes]float32
	}{
		factors:    [4]float32{2 / (geluClamp * geluClamp), erfPoly[10], 0.5},
		clamp:      [4]float32{geluClamp, geluClamp, geluClamp, geluClamp},
		minusClamp: [4]float32{-geluClamp, -geluClamp, -geluClamp, -geluClamp},
		one:        [4]float32{1, 1, 1, 1},
		coefficients: [11][lanes]float32(spread(-1, erfPoly[9], erfPoly[8], erfPoly[7], erfPoly[6],
			erfPoly[5], erfPoly[4], erfPoly[3], erfPoly[2], erfPoly[1], erfPoly[0])),
	}
)

// spread repeats each constant for the 16 lanes.
func spread(c ...float32) [][lanes]float32 {
	t := make([][lanes]float32, len(c))
	for i, v := range c {
		for j := range t[i] {
			t[i][j] = v
		}
	}
	return t
}
