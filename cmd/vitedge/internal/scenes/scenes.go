// Package scenes is the camera of the demo: emoji on cards and phones that
// somebody holds up in front of it, one after another, with nothing in between.
// The scenes are in the spirit of testdata/demo/render.py, which drew what the
// demo's model was trained on, and use its geometry; they move.
//
//	scenes.go   the camera: when which frame is due
//	plot.go     the plot: which card is shown when, and how it moves
//	room.go     the background, its light and the card's shadow
//	card.go     a card as a texture
//	draw.go     all of it in a frame
//	lanes.go    arithmetic on pixels
//
// Lengths are in half heights of the frame: y runs from -1 to 1, x from
// -width/height to width/height. The model looks at the square in the middle.
//
// A frame is a function of the seed, the size and its number alone, whatever
// frames were drawn before. Drawing allocates nothing.
package scenes

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"time"

	"vitedge/camera"
)

// Source is the name of these scenes where other cameras have a device or an
// address.
const Source = "demo:"

// The defaults of a Config.
const (
	defaultWidth, defaultHeight = 640, 480
	defaultFPS                  = 12
)

// sides bounds the width and the height of a frame, in pixels.
var sides = struct{ least, most int }{64, 1920}

// Camera shows the scenes, as YUYV.
type Camera struct {
	stage    stage
	frame    camera.Frame
	period   time.Duration // between two frames
	start    time.Time     // of frame 0; zero before the first
	next     uint64        // number of the next frame
	closed   bool
	now      func() time.Time
	waitTill func(context.Context, time.Time) error
}

var _ camera.Camera = (*Camera)(nil)

// Open makes a camera of the size, rate and view of c; 640x480 at 12 frames a
// second where c says nothing. sprites has the emoji, in squares of Sprite
// pixels, Columns a row; the first empty square ends them.
func Open(c camera.Config, sprites image.Image, seed uint64) (*Camera, error) {
	if c.Format != 0 && c.Format != camera.YUYV {
		return nil, fmt.Errorf("the demo's scenes are not to be had in pixel format %q; want YUYV", c.Format)
	}
	if (c.Width == 0) != (c.Height == 0) {
		return nil, fmt.Errorf("camera size is %dx%d; set both sides or neither", c.Width, c.Height)
	}
	width, height := cmp.Or(c.Width, defaultWidth), cmp.Or(c.Height, defaultHeight)
	for _, side := range []int{width, height} {
		if side < sides.least || side > sides.most || side%2 != 0 {
			return nil, fmt.Errorf("the demo's scenes are not to be had at %dx%d; want even numbers from %d to %d", width, height, sides.least, sides.most)
		}
	}
	if !(c.FPS >= 0 && c.FPS <= 1000) {
		return nil, fmt.Errorf("camera frame rate is %g; want 0 to 1000 frames a second", c.FPS)
	}
	if err := c.View.Validate(); err != nil {
		return nil, fmt.Errorf("camera view: %w", err)
	}
	glyphs, err := cut(sprites)
	if err != nil {
		return nil, err
	}
	cam := &Camera{
		period: time.Duration(float64(time.Second) / cmp.Or(c.FPS, defaultFPS)),
		now:    time.Now, waitTill: sleepTill,
		frame: camera.Frame{
			Width: width, Height: height, Stride: 2 * width, Format: camera.YUYV,
			Data: make([]byte, 2*width*height), View: c.View,
		},
	}
	if c.Clock != nil {
		cam.now, cam.waitTill = c.Clock.Now, c.Clock.WaitUntil
	}
	cam.stage.build(width, height, glyphs, seed)
	return cam, nil
}

// Next draws the frame that is due. Frames that nobody took are left out, as a
// camera leaves them out, and the scene goes on meanwhile.
func (c *Camera) Next(ctx context.Context) (*camera.Frame, error) {
	if c.closed {
		return nil, camera.ErrClosed
	}
	now := c.now()
	if c.start.IsZero() {
		c.start = now
	}
	if newest := uint64(max(now.Sub(c.start), 0) / c.period); newest > c.next {
		c.next = newest
	}
	if err := c.waitTill(ctx, c.start.Add(time.Duration(c.next)*c.period)); err != nil {
		return nil, err
	}
	c.stage.draw(c.frame.Data, c.next, c.period)
	c.frame.Sequence, c.frame.Time = c.next, c.now()
	c.next++
	return &c.frame, nil
}

// Close ends the show.
func (c *Camera) Close() error {
	c.closed = true
	return nil
}

// sleepTill returns nil at t, or the error of ctx if that comes first.
func sleepTill(ctx context.Context, t time.Time) error {
	wait := time.Until(t)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
