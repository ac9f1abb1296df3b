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

// PictureOf adapts a decoded image, without a copy. Alpha is dropped, not
// blended, as Pillow's convert("RGB") does. The image must not change while
// the Picture is used.
func PictureOf(img image.Image) Picture {
	switch m := img.(type) {
	case *image.YCbCr:
		return ycbcr{m}
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

// ycbcr is what JPEG decodes to. The conversion is color.YCbCrToRGB's, JFIF's
// full-range BT.601 in 16.16 fixed point.
type ycbcr struct{ m *image.YCbCr }

func (p ycbcr) Size() (int, int) { return sizeOf(p.m) }

func (p ycbcr) RowRGB(dst []byte, y int) {
	r := p.m.Rect
	y += r.Min.Y
	luma := p.m.Y[p.m.YOffset(r.Min.X, y):][:r.Dx()]
	cb, cr := p.m.Cb[p.m.COffset(r.Min.X, y):], p.m.Cr[p.m.COffset(r.Min.X, y):]
	dst = dst[:3*len(luma)]
	ratio := p.m.SubsampleRatio
	switch {
	case ratio == image.YCbCrSubsampleRatio444 || ratio == image.YCbCrSubsampleRatio440:
		rowYCbCr(dst, luma, cb, cr)
	case (ratio == image.YCbCrSubsampleRatio422 || ratio == image.YCbCrSubsampleRatio420) && r.Min.X >= 0 && r.Min.X&1 == 0:
		rowYCbCrHalf(dst, luma, cb, cr)
	default: // 4:1:1, 4:1:0 and subimages that start inside a pair
		for x := range luma {
			c := p.m.YCbCrAt(r.Min.X+x, y)
			dst[3*x], dst[3*x+1], dst[3*x+2] = color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
		}
	}
}

// rowYCbCr converts a row with one chroma sample a pixel.
func rowYCbCr(dst, luma, cb, cr []byte) {
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for x, l := range luma {
		r, g, b := chroma(cb[x], cr[x])
		d := (*[3]byte)(dst[3*x:])
		d[0], d[1], d[2] = shade(l, r), shade(l, g), shade(l, b)
	}
}

// rowYCbCrHalf converts a row with one chroma sample for two pixels.
func rowYCbCrHalf(dst, luma, cb, cr []byte) {
	pairs := len(luma) / 2
	us, vs := cb[:pairs], cr[:pairs]
	for x, u := range us {
		r, g, b := chroma(u, vs[x])
		l := (*[2]byte)(luma[2*x:])
		d := (*[6]byte)(dst[6*x:])
		d[0], d[1], d[2] = shade(l[0], r), shade(l[0], g), shade(l[0], b)
		d[3], d[4], d[5] = shade(l[1], r), shade(l[1], g), shade(l[1], b)
	}
	if len(luma)&1 != 0 {
		rowYCbCr(dst[6*pairs:], luma[2*pairs:], cb[pairs:], cr[pairs:])
	}
}

// chroma is what a chroma sample adds to R, G and B, times 65536.
func chroma(cb, cr byte) (r, g, b int32) {
	u, v := int32(cb)-128, int32(cr)-128
	return 91881 * v, -22554*u - 46802*v, 116130 * u
}

// shade adds luma to a chroma contribution. image/color rounds by 0x10101 in
// place of 0x10000.
func shade(luma byte, chroma int32) byte {
	return byte(min(max((int32(luma)*0x10101+chroma)>>16, 0), 255))
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
