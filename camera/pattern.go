package camera

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
)

// patternCamera draws test frames. The pixels of a frame depend on the name of
// the pattern, the size and the sequence number alone.
type patternCamera struct {
	draw     func(x, y, width, height int, n uint64) color.RGBA
	frame    Frame
	clock    Clock
	pace     pace
	sequence uint64
	closed   bool
}

// patterns by the name after "test:".
var patterns = map[string]func(x, y, width, height int, n uint64) color.RGBA{
	"":      bars,
	"bars":  bars,
	"black": func(int, int, int, int, uint64) color.RGBA { return color.RGBA{A: 255} },
	"noise": noise,
}

func openPattern(name string, c Config) (Camera, error) {
	draw, ok := patterns[name]
	if !ok {
		return nil, fmt.Errorf("test pattern %q is not known; want bars, black or noise", name)
	}
	p := &patternCamera{draw: draw, clock: c.Clock, pace: newPace(c.Clock, c.FPS)}
	p.frame = Frame{Width: c.Width, Height: c.Height, Format: c.Format, View: c.View}
	if c.Width == 0 {
		p.frame.Width, p.frame.Height = 640, 480
	}
	switch c.Format {
	case 0:
		p.frame.Format = YUYV
	case MJPG:
		return p, nil
	case JPEG, PNG:
		return nil, fmt.Errorf("test pattern in pixel format %q is not supported", c.Format)
	}
	p.frame.Stride = p.frame.Format.minStride(p.frame.Width)
	p.frame.Data = make([]byte, p.frame.Format.size(p.frame.Stride, p.frame.Height))
	return p, nil
}

func (p *patternCamera) Next(ctx context.Context) (*Frame, error) {
	if p.closed {
		return nil, ErrClosed
	}
	if err := p.pace.wait(ctx); err != nil {
		return nil, err
	}
	if err := p.render(); err != nil {
		return nil, err
	}
	p.frame.Sequence, p.frame.Time = p.sequence, p.clock.Now()
	p.sequence++
	return &p.frame, nil
}

func (p *patternCamera) Close() error {
	p.closed = true
	return nil
}

// render draws frame p.sequence in the camera's format.
func (p *patternCamera) render() error {
	f := &p.frame
	if f.Format == MJPG {
		m := image.NewRGBA(image.Rect(0, 0, f.Width, f.Height))
		for y := range f.Height {
			for x := range f.Width {
				m.SetRGBA(x, y, p.draw(x, y, f.Width, f.Height, p.sequence))
			}
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 90}); err != nil {
			return fmt.Errorf("test pattern: %w", err)
		}
		f.Data = b.Bytes()
		return nil
	}
	for y := range f.Height {
		for x := range f.Width {
			p.put(x, y, p.draw(x, y, f.Width, f.Height, p.sequence))
		}
	}
	return nil
}

// put writes one pixel of a raw format. Chroma is that of the last pixel that
// shares the sample.
func (p *patternCamera) put(x, y int, c color.RGBA) {
	f := &p.frame
	line := f.Data[y*f.Stride:]
	switch f.Format {
	case RGB24:
		line[3*x], line[3*x+1], line[3*x+2] = c.R, c.G, c.B
	case BGR24:
		line[3*x], line[3*x+1], line[3*x+2] = c.B, c.G, c.R
	case Grey:
		line[x], _, _ = color.RGBToYCbCr(c.R, c.G, c.B)
	case YUYV:
		luma, cb, cr := limited(c)
		line[2*x] = luma
		line[x&^1*2+1], line[x&^1*2+3] = cb, cr
	case NV12:
		luma, cb, cr := limited(c)
		line[x] = luma
		pair := f.Data[f.Stride*f.Height+y>>1*f.Stride+x&^1:]
		pair[0], pair[1] = cb, cr
	}
}

// limited converts to BT.601 in limited range, in fixed point with 16
// fractional bits.
func limited(c color.RGBA) (y, cb, cr byte) {
	r, g, b := int(c.R), int(c.G), int(c.B)
	const half = 1 << 15
	y = byte(16 + (16829*r+33039*g+6416*b+half)>>16)
	cb = byte(128 + (-9714*r-19071*g+28784*b+half)>>16)
	cr = byte(128 + (28784*r-24103*g-4681*b+half)>>16)
	return y, cb, cr
}

// bars are eight vertical color bars under a white square that moves one
// sixteenth of the width a frame.
func bars(x, y, width, height int, n uint64) color.RGBA {
	side := max(min(width, height)/8, 1)
	left := int(n%16) * width / 16
	if y >= height/2-side/2 && y < height/2-side/2+side && x >= left && x < left+side {
		return color.RGBA{255, 255, 255, 255}
	}
	bar := 7 - 8*x/width // white, yellow, cyan, green, magenta, red, blue, black
	level := func(bit int) byte { return byte(191 * (bar >> bit & 1)) }
	return color.RGBA{level(1), level(2), level(0), 255}
}

// noise is another picture every frame: a hash of position and number.
func noise(x, y, width, _ int, n uint64) color.RGBA {
	h := (n<<32 + uint64(y*width+x)) * 0x9e3779b97f4a7c15
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 32
	return color.RGBA{byte(h), byte(h >> 8), byte(h >> 16), 255}
}
