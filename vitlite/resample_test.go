package vitlite

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
)

func TestSinPi(t *testing.T) {
	for x := -3.0; x <= 3; x += 1.0 / 1024 {
		require.InDelta(t, math.Sin(x*math.Pi), sinPi(x), 2e-15, "x = %g", x)
	}
}

// TestCoefficients: the coefficients of a position sum to 1 within rounding,
// windows stay inside the source and move forward.
func TestCoefficients(t *testing.T) {
	for _, filter := range []quant.Interpolation{quant.Nearest, quant.Bilinear, quant.Bicubic, quant.Lanczos} {
		for _, size := range [][2]int{{1, 1}, {1, 300}, {300, 1}, {2, 3}, {640, 248}, {480, 248}, {65535, 17}, {99, 700}} {
			in, out := size[0], size[1]
			for _, crop := range []int{1, 16, 17, 224} {
				a := newAxis(filter, in, out, crop)
				require.Equal(t, min(out, crop), a.hi-a.lo)
				require.LessOrEqual(t, a.hi, crop)
				last := int32(0)
				for i, first := range a.first {
					require.GreaterOrEqual(t, first, last)
					last = first
					require.Positive(t, a.count[i])
					require.LessOrEqual(t, int(first+a.count[i]), in)
					sum := int32(0)
					for _, c := range a.coeffs[i*a.taps:][:a.taps] {
						sum += c
					}
					require.InDelta(t, 1<<coefficientBits, sum, float64(a.count[i]), "%s %d to %d at %d", filter, in, out, i)
				}
			}
		}
	}
}

// TestResampleRow and TestBlendRows compare the unrolled loops with the sums
// in their comments, for every number of taps and columns around the unrolling.
func TestResampleRow(t *testing.T) {
	for taps := 2; taps <= 14; taps += 2 {
		for n := 1; n <= 5; n++ {
			a := axis{hi: n, taps: taps, first: make([]int32, n), coeffs: make([]int32, n*taps)}
			for i := range a.first {
				a.first[i] = int32(2 * i)
			}
			for i := range a.coeffs {
				a.coeffs[i] = int32(i*7919%(1<<21)) - 1<<19
			}
			src := make([]byte, 3*(2*n+taps))
			for i := range src {
				src[i] = byte(i * 89)
			}
			want, got := make([]byte, 3*n), make([]byte, 3*n)
			for i := range want {
				sum := int32(half)
				for j := range taps {
					sum += a.coeffs[i/3*taps+j] * int32(src[3*(int(a.first[i/3])+j)+i%3])
				}
				want[i] = clip(sum)
			}
			resampleRow(got, src, &a)
			require.Equal(t, want, got, "%d taps, %d pixels", taps, n)
		}
	}
}

func TestBlendRows(t *testing.T) {
	for taps := 1; taps <= 9; taps++ {
		for n := 1; n <= 27; n++ {
			coeffs := make([]int32, taps)
			for i := range coeffs {
				coeffs[i] = int32(i*1048583%(1<<21)) - 1<<19
			}
			rows := make([]byte, taps*n)
			for i := range rows {
				rows[i] = byte(i * 89)
			}
			want, got := make([]byte, n), make([]byte, n)
			for x := range want {
				sum := int32(half)
				for j, k := range coeffs {
					sum += k * int32(rows[j*n+x])
				}
				want[x] = clip(sum)
			}
			blendRows(got, rows, coeffs)
			require.Equal(t, want, got, "%d taps, %d bytes", taps, n)
		}
	}
}

func TestClip(t *testing.T) {
	for v, want := range map[int32]byte{math.MinInt32: 0, -1: 0, 0: 0, 1<<22 - 1: 0, 1 << 22: 1, 255 << 22: 255, 256 << 22: 255, math.MaxInt32: 255} {
		require.Equal(t, want, clip(v), "%d", v)
	}
}
