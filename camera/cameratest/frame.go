package cameratest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
)

// Format is a pixel format of the webcam.
type Format int

// The formats that the webcam offers, in this order.
const (
	MJPEG Format = iota // JFIF in full range, 4:2:0
	YUYV                // packed 4:2:2, BT.601 in limited range
	formats
)

// String is the format's name in capitals.
func (f Format) String() string {
	switch f {
	case MJPEG:
		return "MJPEG"
	case YUYV:
		return "YUYV"
	}
	return fmt.Sprintf("Format(%d)", int(f))
}

// mode is what a stream is made of.
type mode struct {
	format Format
	size   image.Point
}

// jpegQuality is the usual one of webcams.
const jpegQuality = 85

// Encode makes the bytes of the frame that a good webcam sends of img: the
// nearest pixels of img at the size, in the format. It panics on a format that
// does not exist.
func Encode(img image.Image, f Format, size image.Point) []byte {
	scaled := scale(img, size)
	switch f {
	case MJPEG:
		var b bytes.Buffer
		if err := jpeg.Encode(&b, scaled, &jpeg.Options{Quality: jpegQuality}); err != nil {
			panic("cameratest: " + err.Error()) // only sizes over 65535 fail
		}
		return b.Bytes()
	case YUYV:
		return yuyv(scaled)
	}
	panic("cameratest: no such format: " + f.String())
}

// Break makes of a good frame what a webcam with these faults sends. Freeze
// and ErrorBit are not about the bytes of a frame.
func (f Faults) Break(frame []byte, format Format) []byte {
	frame = bytes.Clone(frame)
	if format == MJPEG && f.NoHuffmanTables {
		frame = withoutHuffmanTables(frame)
	}
	if f.Garbage {
		damage(frame[pixelData(frame, format):])
	}
	return frame[:int(float64(len(frame))*(1-min(max(f.Truncate, 0), 1)))]
}

// scale takes the nearest pixels.
func scale(img image.Image, size image.Point) *image.RGBA {
	out := image.NewRGBA(image.Rectangle{Max: size})
	b := img.Bounds()
	for y := range size.Y {
		for x := range size.X {
			out.Set(x, y, img.At(b.Min.X+x*b.Dx()/size.X, b.Min.Y+y*b.Dy()/size.Y))
		}
	}
	return out
}

// yuyv converts pairs of pixels, which share the mean of their chroma.
func yuyv(img *image.RGBA) []byte {
	b := img.Bounds()
	out := make([]byte, 0, 2*b.Dx()*b.Dy())
	for y := range b.Dy() {
		for x := 0; x < b.Dx(); x += 2 {
			y0, u0, v0 := limited(img.RGBAAt(x, y))
			y1, u1, v1 := limited(img.RGBAAt(x+1, y))
			out = append(out, y0, byte((int(u0)+int(u1))/2), y1, byte((int(v0)+int(v1))/2))
		}
	}
	return out
}

// limited converts to BT.601 in limited range, in the integer form that is
// usual in drivers: luma 16 to 235, chroma 16 to 240.
func limited(c color.RGBA) (y, cb, cr byte) {
	r, g, b := int(c.R), int(c.G), int(c.B)
	return byte((66*r+129*g+25*b+128)>>8 + 16),
		byte((-38*r-74*g+112*b+128)>>8 + 128),
		byte((112*r-94*g-18*b+128)>>8 + 128)
}

// JPEG markers (ITU-T T.81 table B.1).
const (
	markerDHT = 0xc4 // Huffman tables
	markerSOS = 0xda // start of scan
)

// segments calls f with each segment of a JPEG that Encode made, from its
// marker to its end, up to and including the start of the scan.
func segments(frame []byte, f func(marker byte, start, end int)) {
	for i := 2; i+4 <= len(frame); {
		end := i + 2 + int(binary.BigEndian.Uint16(frame[i+2:]))
		f(frame[i+1], i, end)
		if frame[i+1] == markerSOS {
			return
		}
		i = end
	}
}

func withoutHuffmanTables(frame []byte) []byte {
	out := bytes.Clone(frame[:2])
	last := 2
	segments(frame, func(marker byte, start, end int) {
		if marker != markerDHT {
			out = append(out, frame[start:end]...)
		}
		last = end
	})
	return append(out, frame[last:]...)
}

// pixelData is where the headers end.
func pixelData(frame []byte, f Format) int {
	if f != MJPEG {
		return 0
	}
	end := 0
	segments(frame, func(_ byte, _, e int) { end = e })
	return end
}

// damage flips bits of some bytes.
func damage(b []byte) {
	for i := 0; i < len(b); i += 7 {
		b[i] ^= 0x55
	}
}
