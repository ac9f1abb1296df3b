package camera

// The inverse DCT of an 8x8 block (T.81 A.3.3), separated into columns and
// rows. The one-dimensional transform is that of Loeffler, Ligtenberg and
// Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications",
// ICASSP 1989, in the form with 12 multiplications whose products can all be
// taken at once.
//
// The arithmetic is fixed point with 13 fractional bits in the constants and 2
// more bits kept between the passes in an int16, rounded where libjpeg's "islow" transform
// rounds, so that the samples are the very same. Each pass leaves out a factor
// of 1/(2*sqrt(2)); the last shift divides by the 8 that both make.
//
// A picture at 1/2, 1/4 or 1/8 of the size comes from the low 4x4, 2x2 or 1x1
// coefficients and a transform of that size. That is the ideal low-pass
// filter of each block, and cheaper than the whole transform.

const (
	idctBits  = 13 // fractional bits of the constants
	idctExtra = 2  // fractional bits between the passes
)

// Rotations, as round(x * 1<<13).
const (
	fix0298631336 = 2446
	fix0390180644 = 3196
	fix0541196100 = 4433 // sqrt(2) * cos(6*pi/16)
	fix0765366865 = 6270
	fix0899976223 = 7373
	fix1175875602 = 9633
	fix1306562965 = 10703 // sqrt(2) * cos(2*pi/16)
	fix1501321110 = 12299
	fix1847759065 = 15137
	fix1961570560 = 16069
	fix2053119869 = 16819
	fix2562915447 = 20995
	fix3072711026 = 25172
)

// inverse transforms d.block into samples at dst and clears it. last is the
// zigzag index of the last coefficient that is not zero.
func (d *jpegDecoder) inverse(dst []byte, stride, last int, shift uint) {
	b := &d.block
	switch {
	case shift == 3:
		dst[0] = sample(int32(b[0]), 3)
		clear(b[:])
	case last == 0:
		fillBlock(dst, stride, 8>>shift, sample(int32(b[0]), 3))
		b[0] = 0
	case shift == 2:
		idct2(dst, stride, b)
		clear(b[:])
	case shift == 1:
		idct4(dst, stride, b)
		clear(b[:])
	case idctBlock(dst, stride, b):
		clear(b[:])
	case last < 10: // the first four diagonals
		idct8Low(dst, stride, b)
		clear(b[:32])
	default:
		idct8(dst, stride, b)
		clear(b[:])
	}
}

// sample rounds off bits fractional bits and moves the range -128 to 127 to a
// byte.
func sample(v int32, bits uint) byte {
	v = (v+1<<(bits-1))>>bits + 128
	if uint32(v) > 255 {
		v = ^(v >> 31) // 0 for negative v, 255 for the others
	}
	return byte(v)
}

// fillBlock sets size rows of size samples.
func fillBlock(dst []byte, stride, size int, v byte) {
	for y := range size {
		row := dst[y*stride:][:size]
		for x := range row {
			row[x] = v
		}
	}
}

// idct8 is the whole transform.
func idct8(dst []byte, stride int, b *[64]int16) {
	var w [64]int16
	const half = 1 << (idctBits - idctExtra - 1)
	for x := range 8 {
		c0, c1, c2, c3 := int32(b[x]), int32(b[8+x]), int32(b[16+x]), int32(b[24+x])
		c4, c5, c6, c7 := int32(b[32+x]), int32(b[40+x]), int32(b[48+x]), int32(b[56+x])
		if c1|c2|c3|c4|c5|c6|c7 == 0 {
			v := int16(c0 << idctExtra)
			w[x], w[8+x], w[16+x], w[24+x], w[32+x], w[40+x], w[48+x], w[56+x] = v, v, v, v, v, v, v, v
			continue
		}
		e0, e1, e2, e3, o0, o1, o2, o3 := butterflies(c0, c1, c2, c3, c4, c5, c6, c7, half)
		const s = idctBits - idctExtra
		w[x], w[56+x] = int16((e0+o0)>>s), int16((e0-o0)>>s)
		w[8+x], w[48+x] = int16((e1+o1)>>s), int16((e1-o1)>>s)
		w[16+x], w[40+x] = int16((e2+o2)>>s), int16((e2-o2)>>s)
		w[24+x], w[32+x] = int16((e3+o3)>>s), int16((e3-o3)>>s)
	}
	for y := range 8 {
		r := (*[8]int16)(w[8*y:])
		e0, e1, e2, e3, o0, o1, o2, o3 := butterflies(int32(r[0]), int32(r[1]), int32(r[2]), int32(r[3]),
			int32(r[4]), int32(r[5]), int32(r[6]), int32(r[7]), 1<<17)
		storeRow(dst[y*stride:], e0, e1, e2, e3, o0, o1, o2, o3)
	}
}

// idct8Low is idct8 for blocks that are zero outside the low 4x4 coefficients.
func idct8Low(dst []byte, stride int, b *[64]int16) {
	var w [64]int16
	const half = 1 << (idctBits - idctExtra - 1)
	const s = idctBits - idctExtra
	for x := range 4 {
		c0, c1, c2, c3 := int32(b[x]), int32(b[8+x]), int32(b[16+x]), int32(b[24+x])
		if c1|c2|c3 == 0 {
			v := int16(c0 << idctExtra)
			w[x], w[8+x], w[16+x], w[24+x], w[32+x], w[40+x], w[48+x], w[56+x] = v, v, v, v, v, v, v, v
			continue
		}
		e0, e1, e2, e3, o0, o1, o2, o3 := butterfliesLow(c0, c1, c2, c3, half)
		w[x], w[56+x] = int16((e0+o0)>>s), int16((e0-o0)>>s)
		w[8+x], w[48+x] = int16((e1+o1)>>s), int16((e1-o1)>>s)
		w[16+x], w[40+x] = int16((e2+o2)>>s), int16((e2-o2)>>s)
		w[24+x], w[32+x] = int16((e3+o3)>>s), int16((e3-o3)>>s)
	}
	for y := range 8 {
		r := (*[4]int16)(w[8*y:])
		e0, e1, e2, e3, o0, o1, o2, o3 := butterfliesLow(int32(r[0]), int32(r[1]), int32(r[2]), int32(r[3]), 1<<17)
		storeRow(dst[y*stride:], e0, e1, e2, e3, o0, o1, o2, o3)
	}
}

// butterflies is the one-dimensional transform up to its last additions:
// output i is e[i]+o[i] and output 7-i is e[i]-o[i], with idctBits more
// fractional bits than the input. round is added to all of them.
func butterflies(c0, c1, c2, c3, c4, c5, c6, c7, round int32) (e0, e1, e2, e3, o0, o1, o2, o3 int32) {
	z := (c2 + c6) * fix0541196100
	t2 := z - c6*fix1847759065
	t3 := z + c2*fix0765366865
	t0 := (c0+c4)<<idctBits + round
	t1 := (c0-c4)<<idctBits + round
	e0, e3, e1, e2 = t0+t3, t0-t3, t1+t2, t1-t2

	z1, z2, z3, z4 := c7+c1, c5+c3, c7+c3, c5+c1
	z5 := (z3 + z4) * fix1175875602
	z1 *= -fix0899976223
	z2 *= -fix2562915447
	z3 = z5 - z3*fix1961570560
	z4 = z5 - z4*fix0390180644
	o0 = c1*fix1501321110 + z1 + z4
	o1 = c3*fix3072711026 + z2 + z3
	o2 = c5*fix2053119869 + z2 + z4
	o3 = c7*fix0298631336 + z1 + z3
	return
}

// butterfliesLow is butterflies with c4 to c7 zero. The products are those of
// butterflies, so the results are the same.
func butterfliesLow(c0, c1, c2, c3, round int32) (e0, e1, e2, e3, o0, o1, o2, o3 int32) {
	t2 := c2 * fix0541196100
	t3 := c2 * (fix0541196100 + fix0765366865)
	t0 := c0<<idctBits + round
	e0, e3, e1, e2 = t0+t3, t0-t3, t0+t2, t0-t2

	o0 = c1*(fix1501321110-fix0899976223+fix1175875602-fix0390180644) + c3*fix1175875602
	o1 = c3*(fix3072711026-fix2562915447+fix1175875602-fix1961570560) + c1*fix1175875602
	o2 = c1*(fix1175875602-fix0390180644) + c3*(fix1175875602-fix2562915447)
	o3 = c1*(fix1175875602-fix0899976223) + c3*(fix1175875602-fix1961570560)
	return
}

// storeRow finishes a row of samples.
func storeRow(dst []byte, e0, e1, e2, e3, o0, o1, o2, o3 int32) {
	const s = idctBits + idctExtra + 3
	row := (*[8]byte)(dst)
	row[0], row[7] = level((e0+o0)>>s), level((e0-o0)>>s)
	row[1], row[6] = level((e1+o1)>>s), level((e1-o1)>>s)
	row[2], row[5] = level((e2+o2)>>s), level((e2-o2)>>s)
	row[3], row[4] = level((e3+o3)>>s), level((e3-o3)>>s)
}

// level moves -128 to 127 to a byte and limits what is outside.
func level(v int32) byte {
	v += 128
	if uint32(v) > 255 {
		v = ^(v >> 31)
	}
	return byte(v)
}

// idct4 makes 4x4 samples.
func idct4(dst []byte, stride int, b *[64]int16) {
	var w [16]int32
	for x := range 4 {
		c0, c1, c2, c3 := int32(b[x]), int32(b[8+x]), int32(b[16+x]), int32(b[24+x])
		w[x], w[4+x], w[8+x], w[12+x] = four(c0, c1, c2, c3, 1<<(idctBits-idctExtra-1), idctBits-idctExtra)
	}
	for y := range 4 {
		r := w[4*y:][:4]
		row := dst[y*stride:][:4]
		const s = idctBits + idctExtra + 3
		v0, v1, v2, v3 := four(r[0], r[1], r[2], r[3], 1<<(s-1), s)
		row[0], row[1], row[2], row[3] = level(v0), level(v1), level(v2), level(v3)
	}
}

// four is the one-dimensional transform of four coefficients.
func four(c0, c1, c2, c3, round int32, shift uint) (v0, v1, v2, v3 int32) {
	e0 := (c0+c2)<<idctBits + round
	e1 := (c0-c2)<<idctBits + round
	o0 := c1*fix1306562965 + c3*fix0541196100
	o1 := c1*fix0541196100 - c3*fix1306562965
	return (e0 + o0) >> shift, (e1 + o1) >> shift, (e1 - o1) >> shift, (e0 - o0) >> shift
}

// idct2 makes 2x2 samples.
func idct2(dst []byte, stride int, b *[64]int16) {
	c0, c1, c2, c3 := int32(b[0]), int32(b[1]), int32(b[8]), int32(b[9])
	top, bottom := dst[:2], dst[stride:][:2]
	top[0], top[1] = sample(c0+c1+c2+c3, 3), sample(c0-c1+c2-c3, 3)
	bottom[0], bottom[1] = sample(c0+c1-c2-c3, 3), sample(c0-c1-c2+c3, 3)
}
