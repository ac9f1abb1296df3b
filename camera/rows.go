package camera

// The row conversions. Each has a vector version for amd64 and arm64, which
// does whole blocks from the start of the row and reports how many pixels that
// were; the loops here do the rest, and are the specification.

// yuyvRow converts whole pairs of pixels, as many as dst has room for.
func yuyvRow(dst, src []byte, t *colorTable) {
	n := yuyvBlocks(dst, src, t)
	dst, src = dst[3*n:], src[2*n:]
	for len(dst) >= 6 && len(src) >= 4 {
		cb, cr := src[1], src[3]
		rv, g, bu := t.rv[cr], t.gu[cb]+t.gv[cr], t.bu[cb]
		y := t.y[src[0]]
		dst[0], dst[1], dst[2] = clamp8(y+rv), clamp8(y+g), clamp8(y+bu)
		y = t.y[src[2]]
		dst[3], dst[4], dst[5] = clamp8(y+rv), clamp8(y+g), clamp8(y+bu)
		dst, src = dst[6:], src[4:]
	}
}

// yccRow converts len(y) pixels whose chroma has full resolution.
func yccRow(dst, y, cb, cr []byte, t *colorTable) {
	dst, cb, cr = dst[:3*len(y)], cb[:len(y)], cr[:len(y)]
	n := yccBlocks(dst, y, cb, cr, t)
	dst, y, cb, cr = dst[3*n:], y[n:], cb[n:], cr[n:]
	for i, l := range y {
		d := dst[3*i:][:3]
		d[0], d[1], d[2] = t.rgb(l, cb[i], cr[i])
	}
}

// greyRow repeats every byte of src three times.
func greyRow(dst, src []byte) {
	for i, v := range src {
		d := dst[3*i:][:3]
		d[0], d[1], d[2] = v, v, v
	}
}

// triangleRow doubles a row: each sample becomes two, 3/4 of itself and 1/4 of
// its neighbor on that side.
//
//	dst[2*i]   = (3*src[i] + src[i-1] + 1) / 4
//	dst[2*i+1] = (3*src[i] + src[i+1] + 2) / 4
func triangleRow(dst, src []byte) {
	n := len(src)
	dst = dst[:2*n]
	dst[0], dst[2*n-1] = src[0], src[n-1] // beyond the edges the sample repeats
	if n == 1 {
		return
	}
	dst[1], dst[2*n-2] = quarter(src[0], src[1], 2), quarter(src[n-1], src[n-2], 1)
	i := 1 + triangleBlocks(dst[2:], src)
	for ; i < n-1; i++ {
		dst[2*i], dst[2*i+1] = quarter(src[i], src[i-1], 1), quarter(src[i], src[i+1], 2)
	}
}

func quarter(own, other byte, round uint32) byte {
	return byte((3*uint32(own) + uint32(other) + round) >> 2)
}

// triangleRows is triangleRow of the samples 3*own + other, which have two
// more bits:
//
//	dst[2*i]   = (3*s[i] + s[i-1] + 8) / 16
//	dst[2*i+1] = (3*s[i] + s[i+1] + 7) / 16
func triangleRows(dst, own, other []byte) {
	n := len(own)
	dst, other = dst[:2*n], other[:n]
	at := func(i int) uint32 {
		i = min(max(i, 0), n-1)
		return 3*uint32(own[i]) + uint32(other[i])
	}
	put := func(i int) {
		dst[2*i], dst[2*i+1] = byte((3*at(i)+at(i-1)+8)>>4), byte((3*at(i)+at(i+1)+7)>>4)
	}
	put(0)
	put(n - 1)
	i := 1
	if n > 2 {
		i += triangleRowsBlocks(dst[2:], own, other)
	}
	if i >= n-1 {
		return
	}
	last, this := at(i-1), at(i)
	for ; i < n-1; i++ {
		next := 3*uint32(own[i+1]) + uint32(other[i+1])
		dst[2*i], dst[2*i+1] = byte((3*this+last+8)>>4), byte((3*this+next+7)>>4)
		last, this = this, next
	}
}
