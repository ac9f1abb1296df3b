package vitlite

import (
	"math"

	"vitedge/kernels"
	"vitedge/quant"
)

// Resampling as in Pillow's ImagingResample for 8-bit pictures
// (src/libImaging/Resample.c), to the bit. Models are trained on pictures that
// Pillow resized, and a different antialiasing costs more accuracy than int8.
// The reference is Pillow up to 12.1: later versions run the vertical pass
// first on some tall pictures.
//
// Output position i of an axis that goes from in to out pixels has its center
// at c = (i + 0.5) * s in the source, s = in/out. The filter is stretched by
// max(s, 1), which is the antialiasing, and sampled at the centers of the
// source pixels within its support around c. The samples are normalized to sum
// to 1 and rounded to fixed point with kernels.ResampleBits. Pixels are clipped
// to 8 bits after the horizontal pass and again after the vertical one.

// filter is an interpolation kernel: zero outside (-support, support).
type filter struct {
	support float64
	at      func(x float64) float64
}

var filters = map[quant.Interpolation]filter{
	quant.Bilinear: {1, triangle},
	quant.Bicubic:  {2, cubic},
	quant.Lanczos:  {3, lanczos},
}

// A product that is added to something is written float64(x*y) here: Go may
// otherwise fuse the two operations on some architectures, and the
// coefficients would depend on the CPU.

func triangle(x float64) float64 {
	return max(0, 1-math.Abs(x))
}

// cubic is the convolution kernel of Keys, "Cubic Convolution Interpolation for
// Digital Image Processing", 1981, with a = -0.5.
func cubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64((float64((a+2)*x)-(a+3))*x*x) + 1
	case x < 2:
		return (float64((float64((x-5)*x)+8)*x) - 4) * a
	}
	return 0
}

func lanczos(x float64) float64 {
	if x < -3 || x >= 3 {
		return 0
	}
	return sinc(x) * sinc(x/3)
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return sinPi(x) / (x * math.Pi)
}

// sinPi is sin(πx) for |x| <= 3 to about 1e-15. math.Sin has other last bits on
// other architectures.
func sinPi(x float64) float64 {
	n := math.RoundToEven(x)
	r := (x - n) * math.Pi // [-π/2, π/2]; x - n is exact
	r2 := r * r
	sum, term := r, r
	for i := 2.0; i < 24; i += 2 { // Taylor; r²⁵/25! is below 1e-20
		term = -(term * r2 / (i * (i + 1)))
		sum += term
	}
	if int(n)&1 != 0 {
		return -sum
	}
	return sum
}

// axis is one dimension of a resampling followed by a crop or a border:
// destination positions lo to hi come from the source, the others are border.
type axis struct {
	lo, hi int
	taps   int     // coefficients of a position
	first  []int32 // [hi-lo] first source pixel of each position
	count  []int32 // [hi-lo] source pixels of each position, at most taps
	coeffs []int32 // [hi-lo][taps] fixed point; zero from count on
}

// newAxis resizes in source pixels to out and centers them in crop.
func newAxis(interpolation quant.Interpolation, in, out, crop int) axis {
	offset, lo := 0, 0
	if d := out - crop; d > 0 {
		offset = (d + d>>1&1) >> 1 // d/2, half to even, as torchvision's center_crop
	} else {
		lo = -d / 2
	}
	n := min(out, crop)
	a := axis{lo: lo, hi: lo + n, first: make([]int32, n), count: make([]int32, n)}
	if interpolation == quant.Nearest {
		a.nearest(in, out, offset)
	} else {
		a.antialiased(filters[interpolation], in, out, offset)
	}
	return a
}

func (a *axis) antialiased(f filter, in, out, offset int) {
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	support := float64(f.support * stretch)
	inverse := 1 / stretch

	center := func(i int) float64 { return float64((float64(offset+i) + 0.5) * scale) }
	most := 0
	for i := range a.first {
		c := center(i)
		first := max(0, int(c-support+0.5))
		end := min(in, int(c+support+0.5))
		a.first[i], a.count[i] = int32(first), int32(end-first)
		most = max(most, end-first)
	}

	a.taps = most
	a.coeffs = make([]int32, len(a.first)*a.taps)
	weights := make([]float64, most)
	for i, first := range a.first {
		c := center(i)
		w := weights[:a.count[i]]
		sum := 0.0
		for j := range w {
			w[j] = f.at((float64(int(first)+j) - c + 0.5) * inverse)
			sum += w[j]
		}
		for j, v := range w {
			fixed := float64(v/sum) * (1 << kernels.ResampleBits)
			a.coeffs[i*a.taps+j] = int32(fixed + math.Copysign(0.5, fixed))
		}
	}
}

// nearest takes the source pixel that holds the center. Pillow steps to the
// center by repeated addition, whose rounding decides ties.
func (a *axis) nearest(in, out, offset int) {
	a.taps = 1
	a.coeffs = make([]int32, len(a.first)*a.taps)
	scale := float64(in) / float64(out)
	c := scale * 0.5
	for range offset {
		c += scale
	}
	for i := range a.first {
		a.first[i], a.count[i] = int32(min(c, float64(in-1))), 1
		a.coeffs[i*a.taps] = 1 << kernels.ResampleBits
		c += scale
	}
}
