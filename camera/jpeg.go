package camera

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// jpegDecoder decodes baseline JPEG (ITU-T T.81) as cameras send it: Huffman
// coded, 8 bits, sequential, one interleaved scan, grey or YCbCr with chroma
// of half, quarter or full resolution, with or without restart markers,
// Huffman tables and an end marker. It keeps its buffers, so frames of one
// size allocate nothing after the first.
//
// The steps of a decode:
//
//	parse     markers up to the scan: tables and sizes
//	unstuff   entropy-coded bytes without their stuffing, cut at the restarts
//	scan      for every block: Huffman codes, inverse DCT, into the planes
//
// Entropy-coded data has no checksum, and a Huffman decoder that lost its way
// finds codes in anything. So everything that cannot be is an error: codes
// that the table lacks, more than 64 coefficients, coefficients larger than
// eight-bit samples can have, restart markers that are missing or out of turn,
// bytes left over or missing at the end.
type jpegDecoder struct {
	header jpegHeader
	quant  [4]quantTable
	huff   [2][4]huffmanTable // DC, AC
	seen   [2][4]bool         // tables that this picture defines
	have   [4]bool            // quantization tables that this picture defines

	entropy  []byte // unstuffed, with a margin behind it
	segments []int  // end of every restart interval in entropy
	ended    bool   // a marker ends the entropy-coded data

	block  [64]int16 // coefficients in natural order; all zero between blocks
	planes [3][]byte
}

// jpegHeader is what the frame and scan headers say.
type jpegHeader struct {
	width, height int
	components    [3]jpegComponent
	count         int // of components, 1 or 3
	interval      int // MCUs between restart markers, 0 for none
	hMax, vMax    int // largest sampling factors
	mcuX, mcuY    int // MCUs across and down
}

// jpegComponent is one plane of samples.
type jpegComponent struct {
	id     byte
	h, v   int // sampling factors: blocks of one MCU across and down
	tq     int // quantization table
	td, ta int // DC and AC Huffman tables
	stride int // of the plane in bytes
}

// errNotBaseline is the error for JPEGs that are sound but of a kind that no
// camera sends, such as progressive ones.
var errNotBaseline = errors.New("not a baseline JPEG of one scan")

// quantTable is a quantization table in zigzag order.
type quantTable struct {
	step  [64]int32
	limit [64]int32 // of the size of a quantized coefficient
}

// jpegMargin is what one block can read beyond the end of the entropy-coded
// data: 64 codes of 16 bits with 16 more each, and the refill's eight bytes.
const jpegMargin = 64*4 + 8

// leastJPEG is below the size of any JPEG with its tables.
const leastJPEG = 128

// Markers, T.81 table B.1.
const (
	markerSOF0 = 0xc0
	markerSOF1 = 0xc1
	markerSOF2 = 0xc2
	markerDHT  = 0xc4
	markerJPG  = 0xc8
	markerDAC  = 0xcc
	markerSOF  = 0xcf // the last one
	markerRST0 = 0xd0
	markerRST7 = 0xd7
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerDQT  = 0xdb
	markerDRI  = 0xdd
	markerAPPE = 0xee
)

// decode decodes data, whose header must give the size width x height, and
// sets p to the planes at 1/(1<<shift) of the size.
func (d *jpegDecoder) decode(data []byte, width, height int, shift uint, p *planes) error {
	scan, err := d.parse(data, width, height)
	if err != nil {
		return err
	}
	if err := d.unstuff(data[scan:]); err != nil {
		return err
	}
	d.allocate(shift)
	if err := d.scan(shift); err != nil {
		clear(d.block[:])
		return err
	}
	h := &d.header
	p.layout, p.y, p.yStride = layoutGrey, d.planes[0], h.components[0].stride
	if c := h.components[1]; h.count == 3 {
		p.planar(d.planes[1], d.planes[2], c.stride, log2(h.hMax/c.h), log2(h.vMax/c.v), ceilShift(width, shift), ceilShift(height, shift))
	}
	return nil
}

// ceilShift divides by 1<<shift and rounds up.
func ceilShift(n int, shift uint) int { return (n + 1<<shift - 1) >> shift }

// log2 of 1, 2 or 4.
func log2(n int) uint { return uint(n >> 1) }

// segment is one marker with its parameters.
type segment struct {
	marker  byte
	payload []byte // without the length
	next    int    // position after it
}

// nextSegment reads the marker at or after pos. Fill bytes before it are
// skipped (T.81 B.1.1.2).
func nextSegment(data []byte, pos int) (segment, error) {
	if pos >= len(data) {
		return segment{}, fmt.Errorf("%w: JPEG of %d bytes has no scan", ErrTruncated, len(data))
	}
	if data[pos] != 0xff {
		return segment{}, fmt.Errorf("%w: byte %#02x at %d of the JPEG where a marker is due", ErrCorrupt, data[pos], pos)
	}
	for pos < len(data) && data[pos] == 0xff {
		pos++
	}
	if pos+3 > len(data) {
		return segment{}, fmt.Errorf("%w: JPEG of %d bytes has no scan", ErrTruncated, len(data))
	}
	s := segment{marker: data[pos], next: pos + 1}
	if s.marker == markerSOI || s.marker >= markerRST0 && s.marker <= markerRST7 || s.marker == 1 {
		return s, nil // no parameters
	}
	length := int(binary.BigEndian.Uint16(data[pos+1:]))
	if length < 2 || s.marker == 0 {
		return segment{}, fmt.Errorf("%w: JPEG marker %#02x with length %d", ErrCorrupt, s.marker, length)
	}
	s.next = pos + 1 + length
	if s.next > len(data) {
		return segment{}, fmt.Errorf("%w: JPEG segment %#02x of %d bytes ends after the %d of the picture", ErrTruncated, s.marker, length, len(data))
	}
	s.payload = data[pos+3 : s.next]
	return s, nil
}

// isFrame reports whether a marker starts a frame of any kind.
func isFrame(marker byte) bool {
	return marker >= markerSOF0 && marker <= markerSOF && marker != markerDHT && marker != markerJPG && marker != markerDAC
}

// jpegSize finds the size of a JPEG of any kind without decoding it.
func jpegSize(data []byte) (width, height int, err error) {
	if len(data) < 2 || data[0] != 0xff || data[1] != markerSOI {
		return 0, 0, fmt.Errorf("%w: no JPEG: it starts with % x", ErrCorrupt, data[:min(len(data), 4)])
	}
	for pos := 2; ; {
		s, err := nextSegment(data, pos)
		if err != nil {
			return 0, 0, err
		}
		if isFrame(s.marker) {
			if len(s.payload) < 6 {
				return 0, 0, fmt.Errorf("%w: JPEG frame header of %d bytes", ErrCorrupt, len(s.payload))
			}
			return int(binary.BigEndian.Uint16(s.payload[3:])), int(binary.BigEndian.Uint16(s.payload[1:])), nil
		}
		if s.marker == markerSOS || s.marker == markerEOI {
			return 0, 0, fmt.Errorf("%w: JPEG without a frame header", ErrCorrupt)
		}
		pos = s.next
	}
}

// parse reads everything up to the entropy-coded data and returns where that
// starts. The size is held against the expected one before anything of the
// size is allocated.
func (d *jpegDecoder) parse(data []byte, width, height int) (scan int, err error) {
	d.header = jpegHeader{}
	d.seen, d.have = [2][4]bool{}, [4]bool{}
	if len(data) < 2 || data[0] != 0xff || data[1] != markerSOI {
		return 0, fmt.Errorf("%w: no JPEG: it starts with % x", ErrCorrupt, data[:min(len(data), 4)])
	}
	for pos := 2; ; {
		s, err := nextSegment(data, pos)
		if err != nil {
			return 0, err
		}
		switch {
		case s.marker == markerSOF0 || s.marker == markerSOF1:
			err = d.frame(s.payload, width, height)
		case isFrame(s.marker):
			err = errNotBaseline
		case s.marker == markerDQT:
			err = d.quantization(s.payload)
		case s.marker == markerDHT:
			err = d.huffman(s.payload)
		case s.marker == markerDRI:
			if len(s.payload) != 2 {
				return 0, fmt.Errorf("%w: JPEG restart interval of %d bytes", ErrCorrupt, len(s.payload))
			}
			d.header.interval = int(binary.BigEndian.Uint16(s.payload))
		case s.marker == markerAPPE && len(s.payload) >= 12 && string(s.payload[:5]) == "Adobe":
			if s.payload[11] != 1 {
				err = errNotBaseline // RGB or CMYK
			}
		case s.marker == markerSOS:
			return s.next, d.scanHeader(s.payload)
		case s.marker == markerEOI, s.marker == markerSOI:
			err = fmt.Errorf("%w: JPEG marker %#02x before the scan", ErrCorrupt, s.marker)
		}
		if err != nil {
			return 0, err
		}
		pos = s.next
	}
}

// frame reads a frame header (T.81 B.2.2).
func (d *jpegDecoder) frame(b []byte, width, height int) error {
	h := &d.header
	if h.count != 0 {
		return fmt.Errorf("%w: JPEG with two frame headers", ErrCorrupt)
	}
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return fmt.Errorf("%w: JPEG frame header of %d bytes", ErrCorrupt, len(b))
	}
	h.height, h.width = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	if h.width != width || h.height != height {
		return fmt.Errorf("%w: JPEG of %dx%d pixels in a frame of %dx%d", ErrCorrupt, h.width, h.height, width, height)
	}
	if b[0] != 8 || b[5] != 1 && b[5] != 3 {
		return errNotBaseline
	}
	h.count = int(b[5])
	h.hMax, h.vMax = 1, 1
	for i := range h.count {
		c := &h.components[i]
		*c = jpegComponent{id: b[6+3*i], h: int(b[7+3*i] >> 4), v: int(b[7+3*i] & 15), tq: int(b[8+3*i])}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.tq > 3 {
			return fmt.Errorf("%w: JPEG component %d has sampling %dx%d and quantization table %d", ErrCorrupt, c.id, c.h, c.v, c.tq)
		}
		if h.count == 1 {
			c.h, c.v = 1, 1 // a single component is never interleaved (A.2.2)
		}
		h.hMax, h.vMax = max(h.hMax, c.h), max(h.vMax, c.v)
	}
	if h.count == 3 {
		y, cb, cr := h.components[0], h.components[1], h.components[2]
		rgb := y.id == 'R' && cb.id == 'G' && cr.id == 'B'
		if rgb || y.h != h.hMax || y.v != h.vMax || cb.h != cr.h || cb.v != cr.v || !halves(y.h, cb.h) || !halves(y.v, cb.v) {
			return errNotBaseline
		}
	}
	h.mcuX = (h.width + 8*h.hMax - 1) / (8 * h.hMax)
	h.mcuY = (h.height + 8*h.vMax - 1) / (8 * h.vMax)
	return nil
}

// halves reports whether chroma of sampling c has 1/1, 1/2 or 1/4 of the
// samples of luma.
func halves(luma, c int) bool { return luma == c || luma == 2*c || luma == 4*c }

// quantization reads quantization tables (T.81 B.2.4.1).
func (d *jpegDecoder) quantization(b []byte) error {
	for len(b) > 0 {
		wide, id := int(b[0]>>4), int(b[0]&15)
		size := 64 << min(wide, 1)
		if wide > 1 || id > 3 || len(b) < 1+size {
			return fmt.Errorf("%w: JPEG quantization table %#02x of %d bytes", ErrCorrupt, b[0], len(b)-1)
		}
		t := &d.quant[id]
		for i := range 64 {
			step := int32(b[1+i<<wide])
			if wide == 1 {
				step = step<<8 | int32(b[2+2*i])
			}
			if step == 0 {
				return fmt.Errorf("%w: JPEG quantization table %d has a step of 0", ErrCorrupt, id)
			}
			// No DCT coefficient of 64 samples from -128 to 127 is beyond 1024.
			// Encoders that overshoot white on purpose add up to a quarter.
			t.step[i], t.limit[i] = step, 1280/step+1
		}
		d.have[id] = true
		b = b[1+size:]
	}
	return nil
}

// scanHeader reads a scan header (T.81 B.2.3) and completes the Huffman
// tables.
func (d *jpegDecoder) scanHeader(b []byte) error {
	h := &d.header
	if h.count == 0 {
		return fmt.Errorf("%w: JPEG without a frame header", ErrCorrupt)
	}
	if len(b) < 1 || len(b) != 4+2*int(b[0]) {
		return fmt.Errorf("%w: JPEG scan header of %d bytes", ErrCorrupt, len(b))
	}
	if int(b[0]) != h.count {
		return errNotBaseline
	}
	for i := range h.count {
		c := &h.components[i]
		c.td, c.ta = int(b[2+2*i]>>4), int(b[2+2*i]&15)
		if b[1+2*i] != c.id || c.td > 3 || c.ta > 3 {
			return fmt.Errorf("%w: JPEG scan of component %d with tables %d and %d", ErrCorrupt, b[1+2*i], c.td, c.ta)
		}
		if !d.have[c.tq] {
			return fmt.Errorf("%w: JPEG lacks quantization table %d", ErrCorrupt, c.tq)
		}
		if err := d.standardTable(0, c.td); err != nil {
			return err
		}
		if err := d.standardTable(1, c.ta); err != nil {
			return err
		}
	}
	return nil
}

// allocate makes room for the planes at 1/(1<<shift) of the size, in whole
// blocks.
func (d *jpegDecoder) allocate(shift uint) {
	h := &d.header
	for i := range h.count {
		c := &h.components[i]
		c.stride = h.mcuX * c.h * 8 >> shift
		n := c.stride * (h.mcuY * c.v * 8 >> shift)
		d.planes[i] = slices.Grow(d.planes[i][:0], n)[:n]
	}
}
