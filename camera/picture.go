package camera

import "fmt"

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
	rgb    []byte // pixels of formats that are converted as a whole
	jpeg   jpegDecoder
}

// Size is the width and height in pixels, after cropping and turning.
func (p *Picture) Size() (width, height int) { return p.walk.width, p.walk.height }

// RowRGB writes row y as 8-bit R, G, B into the first 3*width bytes of dst. It
// panics if dst is shorter or y is outside the picture.
func (p *Picture) RowRGB(dst []byte, y int) {
	k := &p.walk
	if uint(y) >= uint(k.height) {
		panic(fmt.Sprintf("camera: row %d of a picture with %d rows", y, k.height))
	}
	dst = dst[:3*k.width]
	x0, y0 := k.x0+y*k.yx, k.y0+y*k.yy
	switch {
	case k.xx == 1:
		p.planes.row(dst, x0, y0)
	case k.xx == -1:
		p.planes.row(dst, x0-(k.width-1), y0)
		for i, j := 0, len(dst)-3; i < j; i, j = i+3, j-3 {
			dst[i], dst[i+1], dst[i+2], dst[j], dst[j+1], dst[j+2] = dst[j], dst[j+1], dst[j+2], dst[i], dst[i+1], dst[i+2]
		}
	default:
		p.planes.column(dst, x0, y0, k.xy)
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
	if f.Width <= 0 || f.Height <= 0 {
		return fmt.Errorf("%w: size %dx%d", ErrCorrupt, f.Width, f.Height)
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
		width, height = (width+1<<shift-1)>>shift, (height+1<<shift-1)>>shift
	case PNG:
		if err := into.decodePNG(f); err != nil {
			return err
		}
	default:
		if err := f.checkRaw(); err != nil {
			return err
		}
		into.planes = rawPlanes(f)
	}
	into.walk = f.View.walk(width, height)
	return nil
}

// checkRaw refuses a raw frame whose bytes cannot be what its size says. A
// wrong stride shows as a sheared green picture, so no length is guessed.
func (f *Frame) checkRaw() error {
	if f.Format.minStride(1) == 0 {
		return fmt.Errorf("pixel format %q is not supported", f.Format)
	}
	if least := f.Format.minStride(f.Width); f.Stride < least {
		return fmt.Errorf("%w: stride of %d bytes; %d pixels of %s take %d", ErrCorrupt, f.Stride, f.Width, f.Format, least)
	}
	if want := f.Format.size(f.Stride, f.Height); len(f.Data) < want {
		return fmt.Errorf("%w: %d bytes; %dx%d of %s take %d", ErrTruncated, len(f.Data), f.Width, f.Height, f.Format, want)
	}
	return nil
}
