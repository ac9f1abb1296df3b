package vitlite

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/kernels"
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
					require.InDelta(t, 1<<kernels.ResampleBits, sum, float64(a.count[i]), "%s %d to %d at %d", filter, in, out, i)
				}
			}
		}
	}
}
