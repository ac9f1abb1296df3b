package camera

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// natural is the position in the block of each coefficient in zigzag order
// (T.81 figure A.6).
var natural = [64]byte{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// unstuff copies the entropy-coded data up to the first marker that is no
// restart: FF 00 becomes FF, and restart markers cut it into segments. The bit
// reader then has neither to look for.
func (d *jpegDecoder) unstuff(data []byte) error {
	h := &d.header
	d.entropy, d.segments, d.ended = d.entropy[:0], d.segments[:0], false
	for !d.ended {
		i := bytes.IndexByte(data, 0xff)
		if i < 0 || i+1 == len(data) { // an FF at the very end is half a marker
			if i < 0 {
				i = len(data)
			}
			d.entropy = append(d.entropy, data[:i]...)
			break
		}
		d.entropy = append(d.entropy, data[:i]...)
		switch marker := data[i+1]; {
		case marker == 0:
			d.entropy = append(d.entropy, 0xff)
		case marker == 0xff: // a fill byte; what follows may be a marker
			i--
		case marker >= markerRST0 && marker <= markerRST7:
			if due := markerRST0 + byte(len(d.segments)&7); h.interval == 0 || marker != due {
				return fmt.Errorf("%w: restart marker %#02x after %d restart intervals of the JPEG", ErrCorrupt, marker, len(d.segments))
			}
			d.segments = append(d.segments, len(d.entropy))
		default:
			d.ended = true
		}
		data = data[i+2:]
	}
	d.segments = append(d.segments, len(d.entropy))
	d.entropy = append(d.entropy, make([]byte, jpegMargin)...)

	want := 1
	if h.interval > 0 {
		want = (h.mcuX*h.mcuY + h.interval - 1) / h.interval
	}
	switch got := len(d.segments); {
	case got < want && !d.ended:
		return fmt.Errorf("%w: JPEG has %d of %d restart intervals", ErrTruncated, got, want)
	case got != want:
		return fmt.Errorf("%w: JPEG has %d restart intervals; want %d", ErrCorrupt, got, want)
	}
	return nil
}

// scan decodes the MCUs (T.81 A.2.3) into the planes.
func (d *jpegDecoder) scan(shift uint) error {
	h := &d.header
	r := bitReader{data: d.entropy}
	var dc [3]int32 // predictions
	left := h.interval
	part := 0 // index of the segment
	for my := range h.mcuY {
		for mx := range h.mcuX {
			if left == 0 && h.interval > 0 {
				if err := d.finish(&r, part); err != nil {
					return err
				}
				r = bitReader{data: d.entropy, pos: d.segments[part]}
				dc, left = [3]int32{}, h.interval
				part++
			}
			left--
			for i := range h.count {
				c := &h.components[i]
				for v := range c.v {
					row := (my*c.v + v) * 8 >> shift * c.stride
					for u := range c.h {
						last := d.decodeBlock(&r, c, &dc[i])
						if last < 0 || r.consumed() > 8*d.segments[part] {
							return d.broken(&r, part, my*h.mcuX+mx)
						}
						d.inverse(d.planes[i][row+(mx*c.h+u)*8>>shift:], c.stride, last, shift)
					}
				}
			}
		}
	}
	return d.finish(&r, part)
}

// broken says why a block could not be decoded: because the data ends, or
// because it is wrong.
func (d *jpegDecoder) broken(r *bitReader, part, mcu int) error {
	kind, all := ErrCorrupt, d.header.mcuX*d.header.mcuY
	// The code that failed may have begun before the end.
	if part == len(d.segments)-1 && !d.ended && r.consumed()+32 > 8*d.segments[part] {
		kind = ErrTruncated
	}
	return fmt.Errorf("%w: JPEG decodes to unit %d of %d", kind, mcu, all)
}

// finish looks at what is left of a segment: less than a byte, or padding.
// Anything else means that codes were lost before.
func (d *jpegDecoder) finish(r *bitReader, part int) error {
	rest := d.entropy[min((r.consumed()+7)/8, d.segments[part]):d.segments[part]]
	for _, b := range rest {
		if b != 0 && b != 0xff {
			return fmt.Errorf("%w: %d bytes of JPEG data are left over", ErrCorrupt, len(rest))
		}
	}
	return nil
}

// bitReader reads bits from unstuffed data, the first bit of a byte first. The
// next bits are the highest of acc.
type bitReader struct {
	data []byte
	pos  int    // of the next byte that is not in acc
	acc  uint64 // valid in its n highest bits; below them bits that come again
	n    int
}

// consumed is the number of bits that were used, from the start of data.
func (r *bitReader) consumed() int { return 8*r.pos - r.n }

// decodeBlock decodes one block into d.block, dequantized and in natural
// order. It returns the zigzag index of the last coefficient that is not zero,
// and -1 for data that no encoder writes. It may read beyond the end of the
// data, by less than jpegMargin; the caller looks.
func (d *jpegDecoder) decodeBlock(r *bitReader, c *jpegComponent, prediction *int32) (last int) {
	block, quant := &d.block, &d.quant[c.tq]
	acc, n, pos := r.acc, r.n, r.pos

	// A refill leaves at least 56 bits. A code and its extra bits are at most
	// 27, so there is a refill when fewer than 32 are left.
	if n < 32 {
		acc |= binary.BigEndian.Uint64(r.data[pos:]) >> uint(n&63)
		pos += (63 - n) >> 3
		n |= 56
	}
	table := &d.huff[0][c.td]
	e := table.look[acc>>(64-lookBits)]
	if e == 0 {
		e = table.long(acc)
	}
	length, size, value := int(e&0xff), e>>8&0xff, e>>16
	acc <<= uint(length & 63)
	n -= length
	known := length > 0 && size <= 11
	if value == 0 && size > 0 && known {
		value = extend(int32(acc>>(64-uint(size))), size)
		acc <<= uint(size)
		n -= int(size)
	}
	*prediction += value
	if !known || uint32(*prediction+quant.limit[0]) > uint32(2*quant.limit[0]) {
		r.acc, r.n, r.pos = acc, n, pos
		return -1
	}
	block[0] = int16(*prediction * quant.step[0])

	table = &d.huff[1][c.ta]
coefficients:
	for k := 1; k < 64; k++ {
		if n < 32 {
			acc |= binary.BigEndian.Uint64(r.data[pos:]) >> uint(n&63)
			pos += (63 - n) >> 3
			n |= 56
		}
		e := table.look[acc>>(64-lookBits)]
		if e == 0 {
			e = table.long(acc)
		}
		length, value := int(e&0xff), e>>16
		acc <<= uint(length & 63)
		n -= length
		if value == 0 {
			size := e >> 8 & 15
			switch {
			case length == 0 || size > 10: // no code, or more than 8-bit samples give
				last = -1
				break coefficients
			case size > 0:
				value = extend(int32(acc>>(64-uint(size))), size)
				acc <<= uint(size)
				n -= int(size)
			case e>>12 == 0: // the rest is zero
				break coefficients
			case e>>12 == 15 && k < 48: // 16 zeros, and a coefficient must follow
				k += 15
				continue
			default:
				last = -1
				break coefficients
			}
		}
		k += int(e >> 12 & 15)
		if k > 63 || uint32(value+quant.limit[k]) > uint32(2*quant.limit[k]) {
			last = -1
			break
		}
		block[natural[k]&63] = int16(value * quant.step[k])
		last = k
	}
	r.acc, r.n, r.pos = acc, n, pos
	return last
}

// long finds a code that is longer than lookBits. Its entry is as those of
// look without the coefficient; 0 is no code at all.
func (t *huffmanTable) long(acc uint64) int32 {
	for length := int32(lookBits + 1); length <= 16; length++ {
		if code := int32(acc >> (64 - uint(length))); code <= t.last[length] {
			return length | int32(t.values[(code+t.offset[length])&0xff])<<8
		}
	}
	return 0
}
