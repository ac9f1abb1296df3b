package vitlite

import "image"

// ycbcr is what JPEG decodes to. Chroma is upsampled and converted as in
// libjpeg, which decodes for Pillow: a chroma sample sits in the middle of the
// pixels that share it, and a pixel takes 3/4 of the nearest sample of an axis
// and 1/4 of the next nearest ("fancy upsampling" in its jdsample.c). Repeating
// samples instead, as image.YCbCr.At does, changes the answer of a ViT-Tiny on
// one photograph in 40.
type ycbcr struct {
	m    *image.YCbCr
	h, v int // pixels that share a chroma sample, horizontally and vertically
}

func newYCbCr(m *image.YCbCr) ycbcr {
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		return ycbcr{m, 2, 1}
	case image.YCbCrSubsampleRatio420:
		return ycbcr{m, 2, 2}
	case image.YCbCrSubsampleRatio440:
		return ycbcr{m, 1, 2}
	case image.YCbCrSubsampleRatio411:
		return ycbcr{m, 4, 1}
	case image.YCbCrSubsampleRatio410:
		return ycbcr{m, 4, 2}
	}
	return ycbcr{m, 1, 1}
}

func (p ycbcr) Size() (int, int) { return sizeOf(p.m) }

func (p ycbcr) RowRGB(dst []byte, y int) {
	r := p.m.Rect
	y += r.Min.Y
	luma := p.m.Y[p.m.YOffset(r.Min.X, y):][:r.Dx()]
	n := (len(luma) + p.h - 1) / p.h

	// libjpeg repeats samples where four pixels share one and in pictures too
	// narrow to interpolate. A part of a picture may start inside a sample.
	whole := r.Min.X >= 0 && r.Min.Y >= 0 && r.Min.X%p.h == 0 && r.Min.Y%p.v == 0
	if p.h > 2 || p.h == 2 && n <= 2 || !whole {
		for x, l := range luma {
			c := p.m.COffset(r.Min.X+x, y)
			d := (*[3]byte)(dst[3*x:])
			d[0], d[1], d[2] = toRGB(l, int32(p.m.Cb[c]), int32(p.m.Cr[c]))
		}
		return
	}

	// The chroma row nearest to y, and the next nearest: above even rows,
	// below odd ones, none outside the picture.
	near := p.m.COffset(r.Min.X, y)
	far := near
	if p.v == 2 {
		far = p.m.COffset(r.Min.X, min(max(y+y%2*2-1, r.Min.Y), r.Max.Y-1))
	}
	cb := [2][]byte{p.m.Cb[near:][:n], p.m.Cb[far:][:n]}
	cr := [2][]byte{p.m.Cr[near:][:n], p.m.Cr[far:][:n]}
	// Rounding is up and down in turn, so that chroma does not drift.
	switch {
	case p.h == 1:
		rowOfSamples(dst, luma, cb, cr, int32(1+y%2))
	case p.v == 1:
		rowOfPairs(dst, luma, cb, cr, 4, 8)
	default:
		rowOfPairs(dst, luma, cb, cr, 8, 7)
	}
}

// rowOfSamples converts a row with a chroma sample for each pixel. cb and cr
// hold the nearest and the next nearest row of samples; bias rounds quarters.
func rowOfSamples(dst, luma []byte, cb, cr [2][]byte, bias int32) {
	cb0, cb1, cr0, cr1 := cb[0][:len(luma)], cb[1][:len(luma)], cr[0][:len(luma)], cr[1][:len(luma)]
	for x, l := range luma {
		u, v := quarters(cb0[x], cb1[x]), quarters(cr0[x], cr1[x])
		d := (*[3]byte)(dst[3*x:])
		d[0], d[1], d[2] = toRGB(l, (u+bias)>>2, (v+bias)>>2)
	}
}

// rowOfPairs converts a row with a chroma sample for every two pixels; left
// and right round sixteenths.
func rowOfPairs(dst, luma []byte, cb, cr [2][]byte, left, right int32) {
	n := len(cb[0])
	cb0, cb1, cr0, cr1 := cb[0], cb[1][:n], cr[0][:n], cr[1][:n]
	u, v := quarters(cb0[0], cb1[0]), quarters(cr0[0], cr1[0])
	lastU, lastV := u, v
	for i := range n - 1 {
		nextU, nextV := quarters(cb0[i+1], cb1[i+1]), quarters(cr0[i+1], cr1[i+1])
		l := (*[2]byte)(luma[2*i:])
		d := (*[6]byte)(dst[6*i:])
		d[0], d[1], d[2] = toRGB(l[0], (3*u+lastU+left)>>4, (3*v+lastV+left)>>4)
		d[3], d[4], d[5] = toRGB(l[1], (3*u+nextU+right)>>4, (3*v+nextV+right)>>4)
		lastU, lastV, u, v = u, v, nextU, nextV
	}
	end := 2 * (n - 1) // the last pair, of which a picture may have one pixel
	d := dst[3*end:]
	d[0], d[1], d[2] = toRGB(luma[end], (3*u+lastU+left)>>4, (3*v+lastV+left)>>4)
	if end+1 < len(luma) {
		d[3], d[4], d[5] = toRGB(luma[end+1], (4*u+right)>>4, (4*v+right)>>4)
	}
}

// quarters is four times the chroma between two rows.
func quarters(near, far byte) int32 { return 3*int32(near) + int32(far) }

// toRGB is JFIF's full-range BT.601 in the 16.16 fixed point of libjpeg.
func toRGB(luma byte, cb, cr int32) (r, g, b byte) {
	y := int32(luma)<<16 + 1<<15 // rounds to nearest
	cb -= 128
	cr -= 128
	return clamp8((y + 91881*cr) >> 16), clamp8((y - 22554*cb - 46802*cr) >> 16), clamp8((y + 116130*cb) >> 16)
}

func clamp8(v int32) byte { return byte(min(max(v, 0), 255)) }
