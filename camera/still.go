package camera

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"slices"
)

// maxPixels bounds pictures that no camera negotiated: files, and what is
// fetched over HTTP. It is above every phone's photographs and keeps a forged
// header from taking the machine's memory.
const maxPixels = 64 << 20

// maxScans bounds the passes over all pixels that a progressive JPEG may ask
// for. Encoders make some ten; a few bytes are enough for one.
const maxScans = 64

// decodeJPEG decodes f.Data into the picture's planes, at 1/(1<<shift) of the
// size.
func (p *Picture) decodeJPEG(f *Frame) (shift uint, err error) {
	shift = p.reduction(f)
	err = p.jpeg.decode(f.Data, f.Width, f.Height, shift, &p.planes)
	if err != errNotBaseline {
		return shift, err
	}
	// Progressive and other kinds come from files and servers, where time and
	// garbage matter little, within limits.
	if n := bytes.Count(f.Data, []byte{0xff, markerSOS}); n > maxScans {
		return 0, fmt.Errorf("%w: progressive JPEG of %d scans; want at most %d", ErrCorrupt, n, maxScans)
	}
	if width, height, err := jpegSize(f.Data); err != nil || width != f.Width || height != f.Height {
		return 0, fmt.Errorf("%w: JPEG of %dx%d pixels in a frame of %dx%d", ErrCorrupt, width, height, f.Width, f.Height)
	}
	m, err := jpeg.Decode(bytes.NewReader(f.Data))
	if err != nil {
		return 0, corrupt(err)
	}
	p.setImage(m)
	return 0, nil
}

// reduction is the largest shift that leaves p.Target pixels on both sides of
// the view.
func (p *Picture) reduction(f *Frame) uint {
	if p.Target <= 0 {
		return 0
	}
	_, _, w, h := f.View.Crop.pixels(f.Width, f.Height)
	shift := uint(0)
	for shift < 3 && min(w, h)>>(shift+1) >= p.Target {
		shift++
	}
	return shift
}

// decodePNG decodes f.Data into RGB. Transparency is dropped, as Pillow's
// convert("RGB") does.
func (p *Picture) decodePNG(f *Frame) error {
	m, err := png.Decode(bytes.NewReader(f.Data))
	if err != nil {
		return corrupt(err)
	}
	if b := m.Bounds(); b.Dx() != f.Width || b.Dy() != f.Height {
		return fmt.Errorf("%w: PNG of %dx%d pixels in a frame of %dx%d", ErrCorrupt, b.Dx(), b.Dy(), f.Width, f.Height)
	}
	p.setImage(m)
	return nil
}

// setImage makes the picture read m: in place where m is planar YCbCr or grey,
// else through the RGB buffer.
func (p *Picture) setImage(m image.Image) {
	b := m.Bounds()
	switch m := m.(type) {
	case *image.YCbCr:
		hs, vs, ok := subsampling(m.SubsampleRatio)
		if !ok {
			break
		}
		p.planes.y, p.planes.yStride = m.Y, m.YStride
		p.planes.planar(m.Cb, m.Cr, m.CStride, hs, vs, b.Dx(), b.Dy())
		return
	case *image.Gray:
		p.planes.layout, p.planes.y, p.planes.yStride = layoutGrey, m.Pix, m.Stride
		return
	}
	n := 3 * b.Dx() * b.Dy()
	p.rgb = slices.Grow(p.rgb[:0], n)[:n]
	i := 0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
			p.rgb[i], p.rgb[i+1], p.rgb[i+2] = c.R, c.G, c.B
			i += 3
		}
	}
	p.planes.layout, p.planes.y, p.planes.yStride = layoutRGB, p.rgb, 3*b.Dx()
}

// subsampling gives the chroma shifts of image's ratios that are powers of two.
func subsampling(r image.YCbCrSubsampleRatio) (hs, vs uint, ok bool) {
	switch r {
	case image.YCbCrSubsampleRatio444:
		return 0, 0, true
	case image.YCbCrSubsampleRatio422:
		return 1, 0, true
	case image.YCbCrSubsampleRatio420:
		return 1, 1, true
	case image.YCbCrSubsampleRatio440:
		return 0, 1, true
	case image.YCbCrSubsampleRatio411:
		return 2, 0, true
	case image.YCbCrSubsampleRatio410:
		return 2, 1, true
	}
	return 0, 0, false
}

// still reads the header of a JPEG or PNG file and makes it a frame. The
// dimensions are checked before anything is decoded.
func still(data []byte) (*Frame, error) {
	f := &Frame{Data: data}
	var c image.Config
	var err error
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xd8}):
		f.Format = JPEG
		c.Width, c.Height, err = jpegSize(data)
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		f.Format = PNG
		c, err = png.DecodeConfig(bytes.NewReader(data))
	case len(data) == 0:
		return nil, fmt.Errorf("%w: no bytes", ErrTruncated)
	default:
		return nil, fmt.Errorf("%w: neither JPEG nor PNG; it starts with % x", ErrCorrupt, data[:min(len(data), 8)])
	}
	if err != nil && !errors.Is(err, ErrCorrupt) {
		err = corrupt(err)
	}
	if err != nil {
		return nil, err
	}
	f.Width, f.Height = c.Width, c.Height
	if c.Width <= 0 || c.Height <= 0 || c.Width > maxPixels/c.Height {
		return nil, fmt.Errorf("%w: %dx%d pixels; want at most %d in all", ErrCorrupt, c.Width, c.Height, maxPixels)
	}
	return f, nil
}

// corrupt makes a decoder's error one of ours.
func corrupt(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %v", ErrTruncated, err)
	}
	return fmt.Errorf("%w: %v", ErrCorrupt, err)
}
