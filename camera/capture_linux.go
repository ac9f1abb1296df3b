package camera

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// captureBuffers are asked of the driver: one that it fills, one that we
	// copy, and two that keep frames while the owner is late. More would only
	// hold older frames.
	captureBuffers = 4
	// pollSlice is how long one poll waits, and so how late a cancelled
	// context is seen.
	pollSlice = 50 * time.Millisecond
)

// capture streams from one node until the first error that is not about a
// single frame. After that it is only good for Close.
type capture struct {
	node    node
	name    string // for messages
	timeout time.Duration
	clock   Clock
	granted pixFormat
	buffers int // that the driver gave
	before  []bufferStatus

	waiting  time.Time // since when nothing came; calls that were cancelled count
	frame    Frame
	started  bool   // a frame has come
	numbered bool   // and one whose number is known
	sequence uint32 // of the last frame, by the driver's count
}

// newCapture negotiates with the node and starts it. It owns the node, also
// when it fails.
func newCapture(n node, name string, c Config) (*capture, error) {
	s := &capture{node: n, name: name, timeout: c.Timeout, clock: c.Clock}
	if err := s.negotiate(c); err != nil {
		n.close()
		return nil, fmt.Errorf("camera %s: %w", name, err)
	}
	var err error
	if s.buffers, err = n.start(captureBuffers); err != nil {
		n.close()
		return nil, fmt.Errorf("camera %s: starting: %w", name, err)
	}
	s.before = make([]bufferStatus, s.buffers)
	g := s.granted
	s.frame = Frame{
		Width: g.width, Height: g.height, Stride: g.stride, Format: g.format, Color: g.color, View: c.View,
		Data: make([]byte, 0, g.size),
	}
	return s, nil
}

// negotiate brings the node to the format, rate and controls of c.
func (s *capture) negotiate(c Config) error {
	mode, err := chooseMode(s.node.modes(), c)
	if err != nil {
		return err
	}
	if err := s.node.setFormat(mode.Format, mode.Width, mode.Height); err != nil {
		return fmt.Errorf("setting %v: %w", mode, err)
	}
	if s.granted, err = s.node.format(); err != nil {
		return fmt.Errorf("asking for the granted format: %w", err)
	}
	if err := s.granted.check(mode, c); err != nil {
		return err
	}
	if c.FPS > 0 {
		// The rate is a wish: many drivers round it or ignore it.
		if err := s.node.setFrameRate(c.FPS); errors.Is(err, ErrGone) {
			return fmt.Errorf("setting the frame rate: %w", err)
		}
	}
	return setControls(s.node, c.Controls)
}

// check holds what the driver granted against what was asked and against
// itself. It fills in a stride that the driver left out.
func (g *pixFormat) check(asked Mode, c Config) error {
	if g.format != asked.Format && (c.Format != 0 || g.format.rank(g.width, g.height) == unusable) {
		return fmt.Errorf("asked for pixel format %v, the camera grants %v", asked.Format, g.format)
	}
	if c.Width != 0 && (g.width != c.Width || g.height != c.Height) {
		return fmt.Errorf("asked for %dx%d, the camera grants %dx%d", c.Width, c.Height, g.width, g.height)
	}
	if g.width <= 0 || g.height <= 0 || g.width > maxSide || g.height > maxSide || g.width > maxPixels/g.height {
		return fmt.Errorf("the camera grants the impossible size %dx%d", g.width, g.height)
	}
	if g.format.Compressed() {
		g.stride = 0
		g.size = min(max(g.size, g.width*g.height), 4*g.width*g.height)
		return nil
	}
	least := g.format.minStride(g.width)
	g.stride = cmp.Or(g.stride, least)
	if g.stride < least || g.stride > maxRawBytes/g.height {
		return fmt.Errorf("the camera grants %v %dx%d with %d bytes a line; want at least %d", g.format, g.width, g.height, g.stride, least)
	}
	g.size = max(g.format.size(g.stride, g.height), min(g.size, 2*g.stride*g.height))
	return nil
}

// setControls sets the controls by name. Switches go before numbers: an
// exposure can be set only once automatic exposure is off.
func setControls(n node, want map[string]int) error {
	if len(want) == 0 {
		return nil
	}
	have := n.controls()
	var set []Control
	for name, value := range want {
		i := slices.IndexFunc(have, func(c Control) bool { return c.Name == controlName(name) })
		if i < 0 {
			var names []string
			for _, c := range have {
				names = append(names, c.Name)
			}
			return fmt.Errorf("the camera has no control %q; it has %s", name, cmp.Or(strings.Join(names, ", "), "none"))
		}
		c := have[i]
		if value < c.Min || value > c.Max || c.Step > 1 && (value-c.Min)%c.Step != 0 {
			return fmt.Errorf("control %s is %d; want %d to %d in steps of %d", c.Name, value, c.Min, c.Max, max(c.Step, 1))
		}
		c.Value = value
		set = append(set, c)
	}
	slices.SortFunc(set, func(a, b Control) int {
		return cmp.Or(trueFirst(a.kind != 0, b.kind != 0), strings.Compare(a.Name, b.Name))
	})
	for _, c := range set {
		if err := n.setControl(c.id, int32(c.Value)); err != nil {
			return fmt.Errorf("setting control %s to %d: %w", c.Name, c.Value, err)
		}
	}
	return nil
}

// disconnectTime is how long Next holds back that the camera is gone. The kernel wakes
// who waits for a frame in the middle of its disconnect, and the owner closes the camera
// at once: on Linux 6.1 the last close has then taken apart what the disconnect was
// using, an oops in media_device_unregister_entity, with the thread that closed stuck
// for ever.
const disconnectTime = 200 * time.Millisecond

// Next gives the newest frame.
func (s *capture) Next(ctx context.Context) (*Frame, error) {
	f, err := s.next(ctx)
	if errors.Is(err, ErrGone) {
		s.clock.WaitUntil(ctx, s.clock.Now().Add(disconnectTime)) // or until the owner ends
	}
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("camera %s: %w", s.name, err)
	}
	return f, err
}

// next waits for a full buffer, takes everything that is full and copies the
// newest.
//
// If every buffer was full, the driver has had nothing to fill and has thrown
// frames away for an unknown time. All of them are then given back, and the
// first one that is filled afterwards counts.
func (s *capture) next(ctx context.Context) (*Frame, error) {
	flushed := false
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		newest, taken, err := s.drain()
		if err != nil {
			return nil, err
		}
		switch {
		case taken == 0:
		case taken >= s.buffers && !flushed:
			flushed = true
			if err := s.node.requeue(newest.index); err != nil {
				return nil, fmt.Errorf("giving a buffer back: %w", err)
			}
			continue
		default:
			s.waiting = time.Time{}
			return s.take(newest)
		}
		now := s.clock.Now()
		if s.waiting.IsZero() {
			s.waiting = now
		}
		if now.Sub(s.waiting) >= s.timeout {
			return nil, fmt.Errorf("%w: no frame for %v", ErrTimeout, s.timeout)
		}
		if _, err := s.node.poll(pollSlice); err != nil {
			return nil, fmt.Errorf("waiting for a frame: %w", err)
		}
	}
}

// filled is a buffer that was dequeued.
type filled struct {
	index  int
	data   []byte // the driver's
	status bufferStatus
	known  bool // status is the driver's word
}

// drain dequeues what is full, at most as many as there are buffers, and gives
// back all but the newest.
func (s *capture) drain() (newest filled, taken int, err error) {
	for taken < s.buffers {
		b, err := s.dequeue()
		if err == unix.EAGAIN {
			break
		}
		if err != nil {
			return filled{}, 0, fmt.Errorf("taking a frame: %w", err)
		}
		if taken > 0 {
			if err := s.node.requeue(newest.index); err != nil {
				return filled{}, 0, fmt.Errorf("giving a buffer back: %w", err)
			}
		}
		newest = b
		taken++
	}
	return newest, taken, nil
}

// dequeue takes the oldest full buffer together with the driver's word on it.
// A buffer loses its error flag when it is dequeued and the library does not
// hand it on, so the flags are read before. Buffers leave in the order they
// were filled: the one that comes was full when the flags were read, unless
// none was.
func (s *capture) dequeue() (filled, error) {
	for i := range s.before {
		s.before[i], _ = s.node.status(i) // the zero status is "not known"
	}
	index, data, err := s.node.dequeue()
	if err != nil {
		return filled{}, err
	}
	b := filled{index: index, data: data}
	if uint(index) < uint(len(s.before)) && s.before[index].full {
		b.status, b.known = s.before[index], true
	}
	return b, nil
}

// take copies the buffer, gives it back to the driver, and then looks whether
// the copy can be a frame.
func (s *capture) take(b filled) (*Frame, error) {
	f := &s.frame
	f.Data = append(f.Data[:0], b.data...)
	if err := s.node.requeue(b.index); err != nil {
		return nil, fmt.Errorf("giving a buffer back: %w", err)
	}
	step := uint32(1) // where the driver's numbers are not known
	if b.known && s.numbered {
		step = b.status.sequence - s.sequence
	}
	if s.started {
		f.Sequence += uint64(step)
	}
	s.started, s.sequence = true, s.sequence+step
	if b.known {
		s.numbered, s.sequence = true, b.status.sequence
	}
	f.Time = b.status.time
	if f.Time.IsZero() {
		f.Time = s.clock.Now()
	}
	if b.status.broken {
		return nil, fmt.Errorf("%w: the driver marks it as broken", ErrCorrupt)
	}
	if err := s.granted.checkFrame(f.Data); err != nil {
		return nil, err
	}
	return f, nil
}

// checkFrame refuses bytes that cannot be a frame of the format.
func (g *pixFormat) checkFrame(data []byte) error {
	if g.format.Compressed() {
		if len(data) < leastJPEG {
			return fmt.Errorf("%w: %d bytes of JPEG", ErrTruncated, len(data))
		}
		if !bytes.HasPrefix(data, []byte{0xff, 0xd8}) {
			return fmt.Errorf("%w: a JPEG that starts with % x", ErrCorrupt, data[:4])
		}
		return nil
	}
	want := g.format.size(g.stride, g.height)
	if len(data) < want {
		return fmt.Errorf("%w: %d bytes; %dx%d of %v take %d", ErrTruncated, len(data), g.width, g.height, g.format, want)
	}
	if len(data) > g.size {
		return fmt.Errorf("%w: %d bytes; %dx%d of %v take %d", ErrCorrupt, len(data), g.width, g.height, g.format, want)
	}
	return nil
}

func (s *capture) Close() error { return s.node.close() }

// String is the format for logs.
func (s *capture) String() string {
	return fmt.Sprintf("%v %dx%d", s.granted.format, s.granted.width, s.granted.height)
}
