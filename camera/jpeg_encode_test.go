package camera

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// jpegSpec writes JPEGs of any sampling from coefficients, which image/jpeg
// does not. The zero values are a whole file with one component.
type jpegSpec struct {
	width, height int
	sampling      [][2]int // of every component
	interval      int
	step          byte // quantization of all coefficients
	noTables      bool // leave the Huffman tables out, as Motion JPEG does
	noEnd         bool // leave the end marker out
	wide          bool // 16-bit quantization tables
	comment       []byte
	frame         byte // start of frame marker, SOF0 if 0
}

// jpegBits writes entropy-coded data.
type jpegBits struct {
	out  []byte
	acc  uint64
	n    int
	code [2][2][256]struct{ code, length int } // class, id, symbol
}

func newJPEGBits() *jpegBits {
	w := &jpegBits{}
	for class := range 2 {
		for id := range 2 {
			def := standardTables[class][id]
			code, i := 0, 16
			for length, count := range def[:16] {
				for range count {
					w.code[class][id][def[i]] = struct{ code, length int }{code, length + 1}
					code++
					i++
				}
				code <<= 1
			}
		}
	}
	return w
}

func (w *jpegBits) put(v, n int) {
	w.acc = w.acc<<n | uint64(v)&(1<<n-1)
	for w.n += n; w.n >= 8; w.n -= 8 {
		b := byte(w.acc >> (w.n - 8))
		w.out = append(w.out, b)
		if b == 0xff {
			w.out = append(w.out, 0)
		}
	}
}

// flush pads with ones.
func (w *jpegBits) flush() {
	if w.n > 0 {
		w.put(1<<(8-w.n)-1, 8-w.n)
	}
}

// value writes a code and its extra bits.
func (w *jpegBits) value(class, id, run, v int) {
	size := bits.Len(uint(max(v, -v)))
	c := w.code[class][id][run<<4|size]
	w.put(c.code, c.length)
	if v < 0 {
		v--
	}
	w.put(v, size)
}

// block writes 64 coefficients in zigzag order.
func (w *jpegBits) block(id int, c *[64]int, prediction *int) {
	w.value(0, id, 0, c[0]-*prediction)
	*prediction = c[0]
	run := 0
	for _, v := range c[1:] {
		if v == 0 {
			run++
			continue
		}
		for ; run > 15; run -= 16 {
			w.value(1, id, 15, 0)
		}
		w.value(1, id, run, v)
		run = 0
	}
	if run > 0 {
		w.value(1, id, 0, 0)
	}
}

// encode writes a file whose coefficients are drawn by next, block by block.
func (s jpegSpec) encode(next func(component int) [64]int) []byte {
	out := []byte{0xff, markerSOI}
	segment := func(marker byte, payload []byte) {
		out = append(out, 0xff, marker)
		out = binary.BigEndian.AppendUint16(out, uint16(len(payload)+2))
		out = append(out, payload...)
	}
	if s.comment != nil {
		segment(0xfe, s.comment)
	}
	quant := []byte{0}
	for range 64 {
		if s.wide {
			quant[0] = 0x10
			quant = append(quant, 0)
		}
		quant = append(quant, s.step)
	}
	segment(markerDQT, quant)
	if !s.noTables {
		for class := range 2 {
			for id := range 2 {
				segment(markerDHT, append([]byte{byte(class<<4 | id)}, standardTables[class][id]...))
			}
		}
	}
	if s.interval > 0 {
		segment(markerDRI, binary.BigEndian.AppendUint16(nil, uint16(s.interval)))
	}
	frame := []byte{8, byte(s.height >> 8), byte(s.height), byte(s.width >> 8), byte(s.width), byte(len(s.sampling))}
	scan := []byte{byte(len(s.sampling))}
	hMax, vMax := 1, 1
	for i, hv := range s.sampling {
		if len(s.sampling) == 1 {
			hv = [2]int{1, 1} // a single component is not interleaved
		}
		frame = append(frame, byte(i+1), byte(s.sampling[i][0]<<4|s.sampling[i][1]), 0)
		scan = append(scan, byte(i+1), byte(0x11*min(i, 1)))
		hMax, vMax = max(hMax, hv[0]), max(vMax, hv[1])
	}
	segment(max(s.frame, markerSOF0), frame)
	segment(markerSOS, append(scan, 0, 63, 0))

	w := newJPEGBits()
	predictions := make([]int, len(s.sampling))
	mcus := ((s.width + 8*hMax - 1) / (8 * hMax)) * ((s.height + 8*vMax - 1) / (8 * vMax))
	for mcu := range mcus {
		if s.interval > 0 && mcu > 0 && mcu%s.interval == 0 {
			w.flush()
			w.out = append(w.out, 0xff, byte(markerRST0+(mcu/s.interval-1)%8))
			clear(predictions)
		}
		for i, hv := range s.sampling {
			for range max(hv[0]*hv[1]*min(len(s.sampling)-1, 1), 1) {
				c := next(i)
				w.block(min(i, 1), &c, &predictions[i])
			}
		}
	}
	w.flush()
	out = append(out, w.out...)
	if !s.noEnd {
		out = append(out, 0xff, markerEOI)
	}
	return out
}

// drawn gives sparse random blocks, as of photographs of all qualities.
func drawn(rng *rand.Rand, step byte) func(int) [64]int {
	return func(int) [64]int {
		var c [64]int
		c[0] = (rng.IntN(1600) - 800) / int(step)
		size := 1 + rng.IntN(600)/int(step)
		for n := rng.IntN(64) * rng.IntN(2); n > 0; n-- {
			k := 1 + rng.IntN(1+rng.IntN(63))
			c[k] = (rng.IntN(2*size+1) - size) / (1 + k/4)
		}
		return c
	}
}

// samplings are those that cameras use, and the odd ones.
var samplings = map[string][][2]int{
	"grey":  {{1, 1}},
	"grey2": {{2, 2}},
	"444":   {{1, 1}, {1, 1}, {1, 1}},
	"422":   {{2, 1}, {1, 1}, {1, 1}},
	"420":   {{2, 2}, {1, 1}, {1, 1}},
	"440":   {{1, 2}, {1, 1}, {1, 1}},
	"411":   {{4, 1}, {1, 1}, {1, 1}},
	"410":   {{4, 2}, {1, 1}, {1, 1}},
}

// photo is a picture with smooth and sharp parts.
func photo(width, height int, seed uint64) *image.RGBA {
	rng := rand.New(rand.NewPCG(seed, 1))
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetRGBA(x, y, color.RGBA{byte(255 * x / width), byte(255 * y / height), byte(x * y / 64), 255})
		}
	}
	for range 30 {
		c := color.RGBA{byte(rng.Uint32()), byte(rng.Uint32()), byte(rng.Uint32()), 255}
		x0, y0 := rng.IntN(width), rng.IntN(height)
		for y := y0; y < min(y0+height/8+1, height); y++ {
			for x := x0; x < min(x0+width/8+1, width); x++ {
				v := m.RGBAAt(x, y)
				noise := byte(rng.UintN(24))
				m.SetRGBA(x, y, color.RGBA{v.R/2 + c.R/2 ^ noise, v.G/2 + c.G/2 ^ noise, v.B/2 + c.B/2, 255})
			}
		}
	}
	return m
}

func photoJPEG(t testing.TB, width, height, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, photo(width, height, 1), &jpeg.Options{Quality: quality}))
	return b.Bytes()
}
