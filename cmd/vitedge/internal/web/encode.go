package web

import (
	"bytes"
	"image"
	"image/jpeg"
	"slices"
	"sync"

	"vitedge/camera"
)

const (
	// maxWidth bounds a picture that is encoded here, which takes time. One
	// that the camera has encoded may be larger, up to maxPassed bytes.
	maxWidth  = 640
	maxPassed = 256 << 10
	quality   = 75
)

// encoder makes JPEG of frames and keeps its buffers. It belongs to one
// goroutine at a time.
type encoder struct {
	picture camera.Picture
	row     []byte  // one of the picture, RGB
	sum     []int32 // of the squares that become a pixel, RGB
	ycc     *image.YCbCr
	out     bytes.Buffer
}

// encode returns JPEG that is the caller's. Frames of cameras that send JPEG
// are passed on as they are, unless they are to be cropped or turned.
func (e *encoder) encode(f *camera.Frame) ([]byte, error) {
	if (f.Format == camera.MJPG || f.Format == camera.JPEG) && f.View == (camera.View{}) && len(f.Data) <= maxPassed {
		if data, ok := withTables(f.Data); ok {
			return data, nil
		}
	}
	e.picture.Target = maxWidth / 2
	if err := f.Decode(&e.picture); err != nil {
		return nil, err
	}
	e.convert()
	e.out.Reset()
	if err := jpeg.Encode(&e.out, e.ycc, &jpeg.Options{Quality: quality}); err != nil {
		return nil, err
	}
	return bytes.Clone(e.out.Bytes()), nil
}

// convert makes YCbCr 4:2:0 of the picture, in full range as JFIF has it, which
// image/jpeg encodes without a conversion of its own. Pictures wider than
// maxWidth become smaller by a whole factor: each pixel is the mean of a square.
func (e *encoder) convert() {
	width, height := e.picture.Size()
	step := min((width+maxWidth-1)/maxWidth, height)
	w, h := width/step, height/step
	if e.ycc == nil || e.ycc.Rect != image.Rect(0, 0, w, h) {
		e.ycc = image.NewYCbCr(image.Rect(0, 0, w, h), image.YCbCrSubsampleRatio420)
		e.sum = make([]int32, 3*w)
	}
	e.row = slices.Grow(e.row[:0], 3*width)[:3*width]
	for y := range h {
		e.shrink(y*step, step, w)
		luma := e.ycc.Y[y*e.ycc.YStride:][:w]
		for x := range luma {
			r, g, b := int32(e.row[3*x]), int32(e.row[3*x+1]), int32(e.row[3*x+2])
			luma[x] = uint8((19595*r + 38470*g + 7471*b + 1<<15) >> 16)
		}
		if y%2 == 0 { // chroma of even rows: half of the work, and no eye sees it
			e.chroma(y/2*e.ycc.CStride, w)
		}
	}
}

// shrink puts the means of step rows from y on, step columns each, into the
// first w pixels of row.
func (e *encoder) shrink(y, step, w int) {
	e.picture.RowRGB(e.row, y)
	if step == 1 {
		return
	}
	clear(e.sum)
	for i := range step {
		if i > 0 {
			e.picture.RowRGB(e.row, y+i)
		}
		for x := range w {
			pixels := e.row[3*x*step : 3*(x+1)*step]
			for j := 0; j < len(pixels); j += 3 {
				e.sum[3*x] += int32(pixels[j])
				e.sum[3*x+1] += int32(pixels[j+1])
				e.sum[3*x+2] += int32(pixels[j+2])
			}
		}
	}
	area := int32(step * step)
	for i, sum := range e.sum {
		e.row[i] = uint8((sum + area/2) / area)
	}
}

// chroma writes one row of Cb and Cr at offset, each of the mean of two pixels
// of row; a last one without neighbor counts twice.
func (e *encoder) chroma(offset, w int) {
	for x := range (w + 1) / 2 {
		a, b := 6*x, 6*x+3
		if b >= 3*w {
			b = a
		}
		red := int32(e.row[a]) + int32(e.row[b])
		green := int32(e.row[a+1]) + int32(e.row[b+1])
		blue := int32(e.row[a+2]) + int32(e.row[b+2])
		e.ycc.Cb[offset+x] = uint8((-11056*red - 21712*green + 32768*blue + 257<<16 - 1) >> 17)
		e.ycc.Cr[offset+x] = uint8((32768*red - 27440*green - 5328*blue + 257<<16 - 1) >> 17)
	}
}

// tables is the DHT segment of the tables in annex K.3 of ITU-T T.81. Cameras
// leave them out, as AVI's MJPEG did, and browsers want them.
var tables = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewYCbCr(image.Rect(0, 0, 1, 1), image.YCbCrSubsampleRatio420), nil); err != nil {
		panic("web: " + err.Error()) // a buffer takes everything
	}
	segment, _ := find(b.Bytes(), dht)
	return segment
})

// Markers of JPEG (ITU-T T.81, table B.1).
const (
	soi = 0xd8
	dht = 0xc4
	sos = 0xda
)

// find returns the first segment with this marker before the first scan, and
// whether the headers up to that scan are whole.
func find(data []byte, marker byte) (segment []byte, whole bool) {
	if len(data) < 4 || data[0] != 0xff || data[1] != soi {
		return nil, false
	}
	for rest := data[2:]; len(rest) >= 4 && rest[0] == 0xff; {
		n := 2 + (int(rest[2])<<8 | int(rest[3]))
		if n < 4 || n > len(rest) {
			return nil, false
		}
		switch rest[1] {
		case marker:
			return rest[:n], true
		case sos:
			return nil, true
		}
		rest = rest[n:]
	}
	return nil, false
}

// withTables copies a JPEG, with the tables that everybody knows put in where
// it has none. It reports whether the headers are whole.
func withTables(data []byte) ([]byte, bool) {
	own, whole := find(data, dht)
	if !whole {
		return nil, false
	}
	if own != nil {
		return bytes.Clone(data), true
	}
	return slices.Concat(data[:2], tables(), data[2:]), true
}
