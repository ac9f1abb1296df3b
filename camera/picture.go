package camera

import (
	"fmt"
	"slices"
)

// A Picture is a decoded frame, read row by row as RGB. It keeps its buffers
// from one Decode to the next, so one Picture an owner is enough and decoding
// frames of one size allocates nothing after the first.
//
// Raw formats are not copied: the picture is valid as long as the frame that
// it was decoded from.
type Picture struct {
	// Target lets Decode of JPEG make a smaller picture, at 1/2, 1/4 or 1/8 of
	// the size, as long as both sides of the view stay at least Target pixels.
	// 0 decodes at full size.
	Target int

	walk   walk
	planes planes
	band   band
	rgb    []byte // pixels of formats that are converted as a whole
	jpeg   jpegDecoder
}

// Size is the width and height in pixels, after cropping and turning.
func (p *Picture) Size() (width, height int) { return p.walk.width, p.walk.height }

// RowRGB writes row y as 8-bit R, G, B into the first 3*width bytes of dst. It
// panics if dst is shorter or y is outside the picture.
func (p *Picture) RowRGB(dst []byte, y int) { p.SpanRGB(dst[:3*p.walk.width], 0, y) }

// SpanRGB writes the len(dst)/3 pixels of row y that start at x, for callers
// that need a part of the row. It panics if they are not all in the picture.
func (p *Picture) SpanRGB(dst []byte, x, y int) {
	k := &p.walk
	n := len(dst) / 3
	if x < 0 || n > k.width-x || uint(y) >= uint(k.height) {
		panic(fmt.Sprintf("camera: %d pixels at (%d, %d) of a picture of %dx%d", n, x, y, k.width, k.height))
	}
	dst = dst[:3*n]
	x0, y0 := k.x0+x*k.xx+y*k.yx, k.y0+x*k.xy+y*k.yy
	switch {
	case k.xx == 1:
		p.planes.row(dst, x0, y0)
	case k.xx == -1:
		p.planes.row(dst, x0-(n-1), y0)
		for i, j := 0, len(dst)-3; i < j; i, j = i+3, j-3 {
			dst[i], dst[i+1], dst[i+2], dst[j], dst[j+1], dst[j+2] = dst[j], dst[j+1], dst[j+2], dst[i], dst[i+1], dst[i+2]
		}
	default:
		p.band.column(dst, &p.planes, x0, y0, k.xy)
	}
}

// Decode makes the frame readable as RGB. An error that wraps [ErrCorrupt]
// names what is wrong with the frame, and the picture is then empty.
func (f *Frame) Decode(into *Picture) error {
	err := f.decode(into)
	if err != nil {
		into.walk = walk{}
		if f.Name != "" {
			err = fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return err
}

func (f *Frame) decode(into *Picture) error {
	// By division: products overflow where int has 32 bits.
	if f.Width <= 0 || f.Height <= 0 || f.Width > maxPixels/f.Height {
		return fmt.Errorf("%w: size %dx%d; want at most %d pixels", ErrCorrupt, f.Width, f.Height, maxPixels)
	}
	if err := f.View.Validate(); err != nil {
		return err
	}
	width, height := f.Width, f.Height
	switch f.Format {
	case MJPG, JPEG:
		shift, err := into.decodeJPEG(f)
		if err != nil {
			return err
		}
		width, height = ceilShift(width, shift), ceilShift(height, shift)
	case PNG:
		if err := into.decodePNG(f); err != nil {
			return err
		}
	default:
		if err := f.checkRaw(); err != nil {
			return err
		}
		into.planes.raw(f)
	}
	into.walk = f.View.walk(width, height)
	b := &into.band
	b.left, b.top, b.right, b.bottom = f.View.Crop.corners(width, height)
	b.width = 0
	return nil
}

// bandWidth is the columns of a band: few enough that it stays in the cache, and
// a whole number of vectors.
const bandWidth = 64

// band is some columns of a frame as RGB. A picture on its side is read by
// columns, and conversions are cheap only along rows.
type band struct {
	left, top, right, bottom int // of the crop in the frame
	x, width                 int // columns that are in rgb; width 0 if none are
	rgb                      []byte
}

// column converts the len(dst)/3 pixels of frame column x from y in steps of
// dy, which is 1 or -1.
func (b *band) column(dst []byte, p *planes, x, y, dy int) {
	if x < b.x || x >= b.x+b.width {
		b.x = b.left + (x-b.left)/bandWidth*bandWidth
		b.width = min(bandWidth, b.right-b.x)
		n := 3 * b.width * (b.bottom - b.top)
		b.rgb = slices.Grow(b.rgb[:0], n)[:n]
		for i := range b.bottom - b.top {
			p.row(b.rgb[3*b.width*i:][:3*b.width], b.x, b.top+i)
		}
	}
	at, step := 3*(b.width*(y-b.top)+x-b.x), 3*b.width*dy
	for i := 0; i+2 < len(dst); i += 3 {
		pixel := b.rgb[at:][:3]
		dst[i], dst[i+1], dst[i+2] = pixel[0], pixel[1], pixel[2]
		at += step
	}
}

// maxRawBytes bounds the first plane of a raw frame.
const maxRawBytes = 1 << 29

// checkRaw refuses a raw frame whose bytes cannot be what its size says. A
// wrong stride shows as a sheared green picture, so no length is guessed.
func (f *Frame) checkRaw() error {
	if f.Format.minStride(1) == 0 {
		return fmt.Errorf("pixel format %q is not supported", f.Format)
	}
	if least := f.Format.minStride(f.Width); f.Stride < least || f.Stride > maxRawBytes/f.Height {
		return fmt.Errorf("%w: stride of %d bytes; %d pixels of %s take %d", ErrCorrupt, f.Stride, f.Width, f.Format, least)
	}
	if want := f.Format.size(f.Stride, f.Height); len(f.Data) < want {
		return fmt.Errorf("%w: %d bytes; %dx%d of %s take %d", ErrTruncated, len(f.Data), f.Width, f.Height, f.Format, want)
	}
	return nil
}
