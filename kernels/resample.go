package kernels

import "fmt"

// Resampling of 8-bit pictures with a separable filter, in the fixed point of
// Pillow's ImagingResample for 8-bit pictures (src/libImaging/Resample.c): a
// coefficient has ResampleBits fractional bits, a sum of products is an int32
// that wraps, and
//
//	clip(v) = min(max((v + half) >> ResampleBits, 0), 255)
//
// The int32 is exact for coefficients whose absolute values sum to less than 2.

// ResampleBits is the precision of a coefficient: 32 bits less 8 for the pixel
// and 2 for filters whose coefficients go below 0 and above 1.
const ResampleBits = 32 - 8 - 2

// resampleHalf rounds the shift of clip to nearest.
const resampleHalf = 1 << (ResampleBits - 1)

const (
	// tapAlign is what the coefficients of a position are padded to: four RGB
	// pixels are what a vector takes at once.
	tapAlign = 4
	// resampleSlack is how many bytes are read behind the last pixel: four
	// pixels have 12 bytes, a vector 16.
	resampleSlack = 4
	// resampleBudget is the products in one call of assembly, some 100 µs on a
	// Cortex-A53 at 1 GHz.
	resampleBudget = 1 << 16
)

// A Resampling is a filter along a row: position i is the sum of some pixels of
// the source, from the i-th first on, times its coefficients.
type Resampling struct {
	first  []int32 // [n]
	coeffs []int32 // [n][taps]
	taps   int     // a multiple of tapAlign
	reach  int     // bytes of a source row that are read
}

// NewResampling makes a filter of len(first) positions, each with taps
// coefficients. It panics for a first below 0.
func NewResampling(first, coeffs []int32, taps int) *Resampling {
	n := len(first)
	if n == 0 || taps <= 0 || len(coeffs) != n*taps {
		panic(fmt.Sprintf("kernels: NewResampling of %d positions with %d coefficients of %d taps", n, len(coeffs), taps))
	}
	r := &Resampling{first: first, taps: roundUp(taps, tapAlign)}
	r.coeffs = make([]int32, n*r.taps)
	last := int32(0)
	for i, f := range first {
		if f < 0 {
			panic(fmt.Sprintf("kernels: NewResampling with position %d from pixel %d", i, f))
		}
		last = max(last, f)
		copy(r.coeffs[i*r.taps:], coeffs[i*taps:][:taps])
	}
	r.reach = 3*(int(last)+r.taps) + resampleSlack
	return r
}

// Reach is how many bytes of a source row are read, some more than have a
// coefficient other than 0.
func (r *Resampling) Reach() int { return r.reach }

// ResampleRGB filters a row of interleaved 8-bit RGB:
//
//	dst[3i+c] = clip(Σ_t coeffs[i][t] · src[3(first[i]+t)+c])
//
// dst has three bytes for each position, src at least Reach.
func ResampleRGB(dst, src []byte, r *Resampling) {
	n := len(r.first)
	if len(dst) != 3*n || len(src) < r.reach {
		panic(fmt.Sprintf("kernels: ResampleRGB from %d bytes into %d; want %d and %d", len(src), len(dst), r.reach, 3*n))
	}
	impl := active
	step := max(resampleBudget/r.taps, 1)
	for i := 0; i < n; i += step {
		end := min(i+step, n)
		impl.resample(dst[3*i:3*end], src, r.first[i:end], r.coeffs[i*r.taps:end*r.taps], r.taps)
	}
}

// BlendRows filters vertically, rows being len(coeffs) rows of len(dst) bytes:
//
//	dst[x] = clip(Σ_t coeffs[t] · rows[t*len(dst)+x])
func BlendRows(dst, rows []byte, coeffs []int32) {
	n := len(dst)
	if n == 0 || len(coeffs) == 0 || len(rows) != n*len(coeffs) {
		panic(fmt.Sprintf("kernels: BlendRows of %d bytes into %d with %d coefficients", len(rows), n, len(coeffs)))
	}
	impl := active
	step := max(3*resampleBudget/len(coeffs)&^(lanes-1), lanes)
	x := 0
	for ; n-x >= lanes; x += step {
		end := min(x+step, n&^(lanes-1))
		impl.blend(dst[x:end], rows[x:], n, coeffs)
	}
	x = n &^ (lanes - 1)
	genericBlend(dst[x:], rows[x:], n, coeffs)
}

// genericResample filters a row. The taps are a multiple of tapAlign.
func genericResample(dst, src []byte, first, coeffs []int32, taps int) {
	for i, f := range first {
		k := coeffs[i*taps:][:taps]
		s := src[3*int(f):][:3*taps]
		r, g, b := int32(resampleHalf), int32(resampleHalf), int32(resampleHalf)
		// Conditions on both lengths leave no bounds check inside.
		for len(k) >= 4 && len(s) >= 12 {
			k0, k1, k2, k3 := k[0], k[1], k[2], k[3]
			r += k0*int32(s[0]) + k1*int32(s[3]) + k2*int32(s[6]) + k3*int32(s[9])
			g += k0*int32(s[1]) + k1*int32(s[4]) + k2*int32(s[7]) + k3*int32(s[10])
			b += k0*int32(s[2]) + k1*int32(s[5]) + k2*int32(s[8]) + k3*int32(s[11])
			k, s = k[4:], s[12:]
		}
		d := (*[3]byte)(dst[3*i:])
		d[0], d[1], d[2] = clip(r), clip(g), clip(b)
	}
}

// genericBlend filters rows that start stride bytes apart.
func genericBlend(dst, rows []byte, stride int, coeffs []int32) {
	n := len(dst)
	x := 0
	for ; x+8 <= n; x += 8 {
		s0, s1, s2, s3 := int32(resampleHalf), int32(resampleHalf), int32(resampleHalf), int32(resampleHalf)
		s4, s5, s6, s7 := s0, s1, s2, s3
		at := x
		for _, k := range coeffs {
			r := (*[8]byte)(rows[at:])
			s0 += k * int32(r[0])
			s1 += k * int32(r[1])
			s2 += k * int32(r[2])
			s3 += k * int32(r[3])
			s4 += k * int32(r[4])
			s5 += k * int32(r[5])
			s6 += k * int32(r[6])
			s7 += k * int32(r[7])
			at += stride
		}
		*(*[8]byte)(dst[x:]) = [8]byte{clip(s0), clip(s1), clip(s2), clip(s3), clip(s4), clip(s5), clip(s6), clip(s7)}
	}
	for ; x < n; x++ {
		s := int32(resampleHalf)
		for t, k := range coeffs {
			s += k * int32(rows[t*stride+x])
		}
		dst[x] = clip(s)
	}
}

// clip brings a sum of products, with the half in it, back to 8 bits.
func clip(v int32) byte {
	return byte(min(max(v>>ResampleBits, 0), 255))
}
