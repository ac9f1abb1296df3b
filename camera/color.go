package camera

import "math"

// Color is the matrix and the range of a YCbCr frame.
type Color uint8

// The zero Color is what V4L2 means when a driver says nothing about a YCbCr
// format; JPEG is BT601Full by JFIF. Limited range puts black at luma 16 and
// white at 235 and chroma into 16 to 240; full range uses 0 to 255.
const (
	BT601 Color = iota
	BT601Full
	BT709
	BT709Full
)

// colorTable holds the five products of the conversion
//
//	R = y(Y)          + rv(Cr)
//	G = y(Y) + gu(Cb) + gv(Cr)
//	B = y(Y) + bu(Cb)
//
// in fixed point with 16 fractional bits. y carries the half that rounds the
// sums. See ITU-R BT.601-7 sections 2.5.1 and 3.5, BT.709-6 sections 3 and 4.
type colorTable struct {
	y, rv, gu, gv, bu [256]int32
	factors           colorFactors
}

// colorFactors are the same products for vector code, as factors of Y - zero,
// Cb - 128 and Cr - 128. Products of 16-bit numbers are the fast ones, so a
// factor of 17 bits is split into a whole number and a fraction from -1/2 to
// 1/2:
//
//	R = Y + whole(rv)*Cr + (fraction(y)*Y + fraction(rv)*Cr + 1/2) >> 16
//
// and so on, which equals the sums of the table. The whole part of y is 1.
// Every entry fills a vector of 32 bytes; pairs are two int16 factors.
type colorFactors struct {
	r   [8]uint32 // pair: fraction of y, fraction of rv
	g   [8]uint32 // pair: fraction of y, fraction of gu
	gv  [8]uint32 // pair: fraction of gv, and 1<<14 to go with a 2: the half
	b   [8]uint32 // pair: fraction of y, fraction of bu
	rv  [16]int16 // whole numbers
	gu  [16]int16
	gvw [16]int16
	bu  [16]int16
	y0  [16]int16 // the luma of black

	// NEON multiplies by a lane: fractions of y, rv, gu, gv and bu, whole
	// numbers of rv, gv and bu. That of gu is 0.
	lanes [8]int16
	black [8]byte
}

var colorTables = [...]*colorTable{
	BT601:     newColorTable(0.299, 0.114, false),
	BT601Full: newColorTable(0.299, 0.114, true),
	BT709:     newColorTable(0.2126, 0.0722, false),
	BT709Full: newColorTable(0.2126, 0.0722, true),
}

// newColorTable makes the table of the matrix whose luma is
// kr*R + (1-kr-kb)*G + kb*B.
func newColorTable(kr, kb float64, full bool) *colorTable {
	lumaScale, lumaZero, chromaScale := 255.0/219, int32(16), 255.0/224
	if full {
		lumaScale, lumaZero, chromaScale = 1, 0, 1
	}
	kg := 1 - kr - kb
	// The factors are rounded and not the products, as libjpeg does it.
	fix := func(v float64) int32 { return int32(math.Round(v * (1 << 16))) }
	// JFIF prints five digits of these, 0.34414 and 0.71414, and libjpeg has
	// them from there.
	five := func(v float64) float64 { return math.Round(v*1e5) / 1e5 }
	y, rv, bu := fix(lumaScale), fix(2*(1-kr)*chromaScale), fix(2*(1-kb)*chromaScale)
	gu, gv := fix(-five(2*(1-kb)*kb/kg)*chromaScale), fix(-five(2*(1-kr)*kr/kg)*chromaScale)

	t := new(colorTable)
	for i := range int32(256) {
		t.y[i] = y*(i-lumaZero) + 1<<15
		t.rv[i], t.gu[i], t.gv[i], t.bu[i] = rv*(i-128), gu*(i-128), gv*(i-128), bu*(i-128)
	}

	whole := func(k int32) int16 { return int16((k + 1<<15) >> 16) }
	pair := func(k, l int32) uint32 { return uint32(uint16(k)) | uint32(l)<<16 }
	f := &t.factors
	for i := range 8 {
		f.r[i], f.g[i], f.gv[i], f.b[i] = pair(y, rv), pair(y, gu), pair(gv, 1<<14), pair(y, bu)
	}
	for i := range 16 {
		f.rv[i], f.gu[i], f.gvw[i], f.bu[i], f.y0[i] = whole(rv), whole(gu), whole(gv), whole(bu), int16(lumaZero)
	}
	f.lanes = [8]int16{int16(y), int16(rv), int16(gu), int16(gv), int16(bu), whole(rv), whole(gv), whole(bu)}
	for i := range f.black {
		f.black[i] = byte(lumaZero)
	}
	return t
}

// clamp8 drops the 16 fractional bits of v and limits it to a byte.
func clamp8(v int32) byte {
	if uint32(v) < 1<<24 {
		return byte(v >> 16)
	}
	return byte(^(v >> 31)) // 0 for negative v, 255 for the others
}

// rgb converts one pixel.
func (t *colorTable) rgb(y, cb, cr byte) (r, g, b byte) {
	l := t.y[y]
	return clamp8(l + t.rv[cr]), clamp8(l + t.gu[cb] + t.gv[cr]), clamp8(l + t.bu[cb])
}
