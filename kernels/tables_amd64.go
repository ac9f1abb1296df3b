//go:build !purego

package kernels

// spread repeats each constant eight times, as a memory operand of AVX2.
func spread(c ...float32) (t [16][8]float32) {
	for i, v := range c {
		for j := range t[i] {
			t[i][j] = v
		}
	}
	return t
}

// The constants of exp and gelu, for rows_avx2_amd64.s.
var (
	expTable  = spread(expMin, log2E, -ln2Hi, -ln2Lo, exp5, exp4, exp3, exp2, 1)
	geluTable = spread(erfPoly[10], erfPoly[0], erfPoly[1], erfPoly[2], erfPoly[3], erfPoly[4], erfPoly[5], erfPoly[6],
		erfPoly[7], erfPoly[8], erfPoly[9], geluClamp, -geluClamp, 0.5, 2/(geluClamp*geluClamp), -1)
)
