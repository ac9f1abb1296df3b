package vitlite

import (
	"image"
	"image/color"
)

// Picture is an 8-bit RGB picture that is read row by row, so that a camera's
// frame can be converted while it is resized.
type Picture interface {
	// Size is in pixels.
	Size() (width, height int)
	// RowRGB fills the 3*width bytes of dst with row y, interleaved RGB.
	RowRGB(dst []byte, y int)
}

// spans are pictures that give parts of rows, too: a crop needs no more.
type spans interface {
	// SpanRGB fills dst with the len(dst)/3 pixels of row y that start at x.
	SpanRGB(dst []byte, x, y int)
}

// PictureOf adapts a decoded image, without a copy. Alpha is dropped, not
// blended, as Pillow's convert("RGB") does. The image must not change while
// the Picture is used.
func PictureOf(img image.Image) Picture {
	switch m := img.(type) {
	case *image.YCbCr:
		return newYCbCr(m)
	case *image.RGBA:
		return rgba{m}
	case *image.NRGBA:
		return nrgba{m}
	case *image.Gray:
		return gray{m}
	case *image.Paletted:
		p := &paletted{m: m}
		for i, c := range m.Palette[:min(len(m.Palette), len(p.colors))] {
			n := color.NRGBAModel.Convert(c).(color.NRGBA)
			p.colors[i] = [3]byte{n.R, n.G, n.B}
		}
		return p
	case image.RGBA64Image:
		return deep{m}
	}
	return anyImage{img}
}

func sizeOf(img image.Image) (width, height int) {
	s := img.Bounds().Size()
	return s.X, s.Y
}

type rgba struct{ m *image.RGBA }

func (p rgba) Size() (int, int) { return sizeOf(p.m) }

func (p rgba) RowRGB(dst []byte, y int) {
	src := p.m.Pix[y*p.m.Stride:][:4*p.m.Rect.Dx()]
	for x := range len(src) / 4 {
		s := (*[4]byte)(src[4*x:])
		d := (*[3]byte)(dst[3*x:])
		if s[3] == 255 {
			d[0], d[1], d[2] = s[0], s[1], s[2]
			continue
		}
		d[0], d[1], d[2] = straight(color.RGBA{s[0], s[1], s[2], s[3]}.RGBA())
	}
}

type nrgba struct{ m *image.NRGBA }

func (p nrgba) Size() (int, int) { return sizeOf(p.m) }

func (p nrgba) RowRGB(dst []byte, y int) {
	src := p.m.Pix[y*p.m.Stride:][:4*p.m.Rect.Dx()]
	for x := range len(src) / 4 {
		s := (*[4]byte)(src[4*x:])
		d := (*[3]byte)(dst[3*x:])
		d[0], d[1], d[2] = s[0], s[1], s[2]
	}
}

type gray struct{ m *image.Gray }

func (p gray) Size() (int, int) { return sizeOf(p.m) }

func (p gray) RowRGB(dst []byte, y int) {
	for x, v := range p.m.Pix[y*p.m.Stride:][:p.m.Rect.Dx()] {
		d := (*[3]byte)(dst[3*x:])
		d[0], d[1], d[2] = v, v, v
	}
}

type paletted struct {
	m      *image.Paletted
	colors [256][3]byte
}

func (p *paletted) Size() (int, int) { return sizeOf(p.m) }

func (p *paletted) RowRGB(dst []byte, y int) {
	for x, v := range p.m.Pix[y*p.m.Stride:][:p.m.Rect.Dx()] {
		*(*[3]byte)(dst[3*x:]) = p.colors[v]
	}
}

// deep is any other image of the standard library, 16 bits a channel: the
// upper 8 are used.
type deep struct{ m image.RGBA64Image }

func (p deep) Size() (int, int) { return sizeOf(p.m) }

func (p deep) RowRGB(dst []byte, y int) {
	r := p.m.Bounds()
	for x := range r.Dx() {
		d := (*[3]byte)(dst[3*x:])
		d[0], d[1], d[2] = straight(p.m.RGBA64At(r.Min.X+x, r.Min.Y+y).RGBA())
	}
}

type anyImage struct{ m image.Image }

func (p anyImage) Size() (int, int) { return sizeOf(p.m) }

func (p anyImage) RowRGB(dst []byte, y int) {
	r := p.m.Bounds()
	for x := range r.Dx() {
		d := (*[3]byte)(dst[3*x:])
		d[0], d[1], d[2] = straight(p.m.At(r.Min.X+x, r.Min.Y+y).RGBA())
	}
}

// straight undoes the multiplication by alpha, as color.NRGBAModel does. A
// transparent pixel is black: its color is lost.
func straight(r, g, b, a uint32) (byte, byte, byte) {
	if a == 0 {
		return 0, 0, 0
	}
	return byte(r * 0xffff / a >> 8), byte(g * 0xffff / a >> 8), byte(b * 0xffff / a >> 8)
}
