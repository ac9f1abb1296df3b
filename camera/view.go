package camera

import "fmt"

// A View is the part of a frame to look at and how to turn it: first the crop,
// then the rotation, then the flips. The zero View is the whole frame as it is.
type View struct {
	Crop  Region
	Turn  int  // degrees clockwise: 0, 90, 180 or 270
	FlipX bool // mirror left and right
	FlipY bool // mirror top and bottom
}

// A Region is a rectangle in fractions of the frame's width and height, so
// that it means the same whatever size the camera grants. The zero Region is
// the whole frame.
type Region struct{ X, Y, Width, Height float64 }

// Validate reports the first value that no frame can satisfy.
func (v View) Validate() error {
	switch v.Turn {
	case 0, 90, 180, 270:
	default:
		return fmt.Errorf("rotation is %d degrees; want 0, 90, 180 or 270", v.Turn)
	}
	c := v.Crop
	if c == (Region{}) {
		return nil
	}
	// Written so that NaN fails.
	if !(c.X >= 0 && c.Y >= 0 && c.Width > 0 && c.Height > 0 && c.X+c.Width <= 1 && c.Y+c.Height <= 1) {
		return fmt.Errorf("crop x=%g y=%g width=%g height=%g is not inside the frame; want fractions from 0 to 1", c.X, c.Y, c.Width, c.Height)
	}
	return nil
}

// pixels is the region in a frame of the given size, at least one pixel.
func (r Region) pixels(width, height int) (x, y, w, h int) {
	if r == (Region{}) {
		return 0, 0, width, height
	}
	x = min(int(r.X*float64(width)+0.5), width-1)
	y = min(int(r.Y*float64(height)+0.5), height-1)
	w = min(max(int(r.Width*float64(width)+0.5), 1), width-x)
	h = min(max(int(r.Height*float64(height)+0.5), 1), height-y)
	return x, y, w, h
}

// corners are the edges of the region's pixels; right and bottom are outside.
func (r Region) corners(width, height int) (left, top, right, bottom int) {
	x, y, w, h := r.pixels(width, height)
	return x, y, x + w, y + h
}

// walk is a view of one frame size: where the pixels of the turned picture are
// in the frame. Pixel (x, y) of the picture is
//
//	frame(x0 + x*xx + y*yx, y0 + x*xy + y*yy)
//
// and the four steps are 0, 1 or -1.
type walk struct {
	width, height  int // of the picture
	x0, y0         int // the picture's top left pixel in the frame
	xx, xy, yx, yy int
}

// walk lays the view over a frame of the given size.
func (v View) walk(width, height int) walk {
	cx, cy, w, h := v.Crop.pixels(width, height)
	var k walk
	switch v.Turn {
	case 90: // the picture's first row is the frame's first column, read upwards
		k = walk{width: h, height: w, x0: cx, y0: cy + h - 1, xy: -1, yx: 1}
	case 180:
		k = walk{width: w, height: h, x0: cx + w - 1, y0: cy + h - 1, xx: -1, yy: -1}
	case 270: // the first row is the last column, read downwards
		k = walk{width: h, height: w, x0: cx + w - 1, y0: cy, xy: 1, yx: -1}
	default:
		k = walk{width: w, height: h, x0: cx, y0: cy, xx: 1, yy: 1}
	}
	if v.FlipX {
		k.x0 += (k.width - 1) * k.xx
		k.y0 += (k.width - 1) * k.xy
		k.xx, k.xy = -k.xx, -k.xy
	}
	if v.FlipY {
		k.x0 += (k.height - 1) * k.yx
		k.y0 += (k.height - 1) * k.yy
		k.yx, k.yy = -k.yx, -k.yy
	}
	return k
}
