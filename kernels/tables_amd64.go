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

// byElements undoes what VPACKSSDW and VPACKSSWB do to the order of four registers:
// the group of four bytes that each place takes.
var byElements = [16]uint32{0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15}

// scaleTable are the constants of rowScale.
var scaleTable = [4]float32{255, -128, leastRange, 1}
