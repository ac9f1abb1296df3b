package camera

import "slices"

// Chroma of half the resolution is interpolated with the triangle filter that
// libjpeg calls fancy upsampling, with its rounding, so that rows are those of
// the decoders that models were trained behind. A full-resolution sample lies
// a quarter of the way from the center of its own chroma sample to that of the
// nearest other one, so it is 3/4 of the first and 1/4 of the second, in each
// halved direction. Beyond the edges the last sample repeats. Chroma of other
// resolutions, and of planes two samples wide or less, is repeated.

// triangle reports in which directions chroma is interpolated.
func (p *planes) triangle() (horizontal, vertical bool) {
	if p.hs > 1 || p.vs > 1 || p.hs == 1 && p.cw <= 2 {
		return false, false
	}
	return p.hs == 1, p.vs == 1
}

// neighbor is the chroma row or column that shares in sample i of the full
// resolution, beside i/2 itself.
func neighbor(i, n int) int {
	if i&1 == 0 {
		return max(i/2-1, 0)
	}
	return min(i/2+1, n-1)
}

// chroma is one sample at full resolution. It is
//
//	horizontal only    (3*own + left + 1) / 4 at even x, (3*own + right + 2) / 4 at odd x
//	vertical only      (3*own + above + 1) / 4 at even y, (3*own + below + 2) / 4 at odd y
//	both               (3*own' + left' + 8) / 16 at even x, (3*own' + right' + 7) / 16 at odd x
//
// where ' stands for 3 times the sample of the own row plus that of the
// nearest other one.
func (p *planes) chroma(plane []byte, x, y int) byte {
	horizontal, vertical := p.triangle()
	own := plane[y>>p.vs*p.cStride:]
	if !horizontal && !vertical {
		return own[x>>p.hs]
	}
	if !horizontal {
		other := plane[neighbor(y, p.ch)*p.cStride:]
		return byte((3*int(own[x]) + int(other[x]) + 1 + y&1) >> 2)
	}
	i, j := x/2, neighbor(x, p.cw)
	if !vertical {
		return byte((3*int(own[i]) + int(own[j]) + 1 + x&1) >> 2)
	}
	other := plane[neighbor(y, p.ch)*p.cStride:]
	return byte((3*(3*int(own[i])+int(other[i])) + 3*int(own[j]) + int(other[j]) + 8 - x&1) >> 4)
}

// chromaRow is a part of a row of chroma at full resolution.
type chromaRow []byte

// upsample returns chroma(plane, x+i, y) for i below n.
//
// It filters the samples that these need, and one more on either side. The
// filter takes both ends for edges of the plane; what it makes of an end that
// is none is left out.
func (r *chromaRow) upsample(p *planes, plane []byte, x, y, n int) []byte {
	horizontal, vertical := p.triangle()
	from, to := x>>p.hs, (x+n-1)>>p.hs+1
	if horizontal {
		from, to = max(from-1, 0), min(to+1, p.cw)
	}
	dst := slices.Grow((*r)[:0], (to-from)<<p.hs)[:(to-from)<<p.hs]
	*r = dst
	own := plane[y>>p.vs*p.cStride:][from:to]
	other := plane[neighbor(y, p.ch)*p.cStride:][from:to]
	switch {
	case !horizontal && !vertical:
		for i := range dst {
			dst[i] = own[i>>p.hs]
		}
	case !horizontal:
		for i, v := range own {
			dst[i] = byte((3*uint32(v) + uint32(other[i]) + 1 + uint32(y&1)) >> 2)
		}
	case !vertical:
		triangleRow(dst, own)
	default:
		triangleRows(dst, own, other)
	}
	return dst[x-from<<p.hs:][:n]
}

// repeat fills the row with the first of every pair of bytes, twice.
func (r *chromaRow) repeat(pairs []byte, n int) {
	dst := slices.Grow((*r)[:0], n+1)[:n+1]
	for x := 0; x+1 < len(dst); x += 2 {
		dst[x], dst[x+1] = pairs[x], pairs[x]
	}
	*r = dst
}
