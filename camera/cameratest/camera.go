package cameratest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"net"
	"sync"
	"time"
)

// A Config says what the webcam offers. The zero Config is a good one.
type Config struct {
	Product string        // name that the driver shows; "Test Camera" if empty
	Serial  string        // serial number; "0001" if empty
	Sizes   []image.Point // offered in both formats; 640x480, 320x240 and 160x120 if nil. Widths are even.
	FPS     []int         // frame rates offered, first the default; 30, 15 and 5 if nil
	Log     *slog.Logger  // told of everything that happens; nil logs nothing
}

// maxSizes bounds what fits the descriptors.
const maxSizes = 16

// Faults are what is wrong with the webcam. The zero Faults is a good one.
// Frames are broken as a whole: a fault begins and ends between two of them.
type Faults struct {
	// Freeze sends nothing any more and leaves the cable in: the firmware
	// hangs.
	Freeze bool
	// Truncate is the part of each frame that is left out at its end, from 0
	// to 1.
	Truncate float64
	// NoHuffmanTables leaves the tables out of MJPEG that every decoder is
	// meant to know. It is what many good webcams do.
	NoHuffmanTables bool
	// Garbage damages the pixel data of each frame and leaves the headers.
	Garbage bool
	// ErrorBit marks each payload as erroneous (UVC 2.4.3.2.2, bit ERR).
	ErrorBit bool
}

// State is what the webcam does at the moment.
type State struct {
	Plugged    bool
	Streaming  bool // the guest's driver has asked for frames
	Format     Format
	Size       image.Point
	Streams    uint64 // times that the guest's driver has asked for frames, since New
	Frames     uint64 // sent to the last byte, since New
	Brightness int    // 0 to 100, set by the guest
}

// Camera is a webcam. Its methods may be called at any time from any
// goroutine.
type Camera struct {
	config Config
	wake   chan struct{} // holds one token after a change that the stream must look at

	mu         sync.Mutex
	image      image.Image
	encoded    map[mode][]byte // frames of image with faults
	faults     Faults
	fps        float64 // 0: as negotiated
	brightness uint16
	streams    uint64
	frames     uint64
	bus        busState
	stream     stream
	session    *session // nil: unplugged
}

// New makes a webcam that is not plugged in and shows black. It panics if c
// offers what no descriptor can say.
func New(c Config) *Camera {
	c.Product = cmp.Or(c.Product, "Test Camera")
	c.Serial = cmp.Or(c.Serial, "0001")
	if c.Sizes == nil {
		c.Sizes = []image.Point{{X: 640, Y: 480}, {X: 320, Y: 240}, {X: 160, Y: 120}}
	}
	if c.FPS == nil {
		c.FPS = []int{30, 15, 5}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := c.validate(); err != nil {
		panic("cameratest: " + err.Error())
	}
	cam := &Camera{config: c, wake: make(chan struct{}, 1), brightness: defaultBrightness}
	cam.bus.reset(cam)
	cam.SetImage(image.NewGray(image.Rectangle{Max: c.Sizes[0]}))
	return cam
}

func (c Config) validate() error {
	if len(c.Sizes) == 0 || len(c.Sizes) > maxSizes {
		return fmt.Errorf("%d sizes; want 1 to %d", len(c.Sizes), maxSizes)
	}
	for _, s := range c.Sizes {
		if s.X < 2 || s.Y < 2 || s.X > 4096 || s.Y > 4096 || s.X%2 != 0 {
			return fmt.Errorf("size is %v; want 2 to 4096 pixels and an even width", s)
		}
	}
	if len(c.FPS) == 0 || len(c.FPS) > 8 {
		return fmt.Errorf("%d frame rates; want 1 to 8", len(c.FPS))
	}
	for _, r := range c.FPS {
		if r < 1 || r > 240 {
			return fmt.Errorf("frame rate is %d; want 1 to 240", r)
		}
	}
	if len(c.Product) > 60 || len(c.Serial) > 60 {
		return errors.New("product or serial number is longer than 60 characters")
	}
	return nil
}

// Plug plugs the webcam into the QEMU that listens on the unix socket at path.
// It tries until QEMU answers or ctx ends. The guest's driver finds the webcam
// some time after Plug has returned.
func (c *Camera) Plug(ctx context.Context, path string) error {
	conn, err := dial(ctx, path)
	if err != nil {
		return fmt.Errorf("plugging into %s: %w", path, err)
	}
	s := newSession(c, conn)
	c.mu.Lock()
	if c.session != nil {
		c.mu.Unlock()
		conn.Close()
		return fmt.Errorf("plugging into %s: the camera is plugged in already; unplug it first", path)
	}
	c.session = s
	c.bus.reset(c)
	c.mu.Unlock()

	if err := s.greet(ctx); err != nil {
		c.Unplug()
		return fmt.Errorf("plugging into %s: %w", path, err)
	}
	c.config.Log.Debug("plugged in", "path", path)
	go s.serve()
	return nil
}

// dial connects to a socket that may not be there yet.
func dial(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "unix", path)
		if err == nil {
			return conn, nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; the last attempt: %w", ctx.Err(), err)
		}
	}
}

// Unplug pulls the cable. The error says why the connection had broken before,
// if it had. A webcam that is not plugged in stays so.
func (c *Camera) Unplug() error {
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s == nil {
		return nil
	}
	s.end(nil)
	<-s.done
	c.mu.Lock()
	if c.session == s {
		c.session = nil
	}
	c.mu.Unlock()
	c.config.Log.Debug("unplugged", "err", s.err)
	return s.err
}

// SetImage sets the picture that the webcam shows from the next frame on,
// scaled to the size that it sends. img must not change any more.
func (c *Camera) SetImage(img image.Image) {
	c.change(func() { c.image, c.encoded = img, nil })
}

// SetFaults sets what is wrong with the webcam.
func (c *Camera) SetFaults(f Faults) {
	c.change(func() { c.faults, c.encoded = f, nil })
}

// SetFPS sends another number of frames a second than negotiated; 0 sends as
// many as negotiated.
func (c *Camera) SetFPS(rate float64) {
	c.change(func() { c.fps = rate })
}

// State is what the webcam does at the moment.
func (c *Camera) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return State{
		Plugged:   c.session != nil && c.session.alive(),
		Streaming: c.stream.on, Format: c.stream.mode.format, Size: c.stream.mode.size,
		Streams: c.streams, Frames: c.frames, Brightness: int(c.brightness),
	}
}

// change makes a change that the stream must look at.
func (c *Camera) change(f func()) {
	c.mu.Lock()
	f()
	c.mu.Unlock()
	c.changed()
}

func (c *Camera) changed() {
	select {
	case c.wake <- struct{}{}:
	default: // one is on its way
	}
}
