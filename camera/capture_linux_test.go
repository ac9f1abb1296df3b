package camera

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// fakeNode behaves like a driver with a queue of buffers. Its Func fields
// replace single operations.
type fakeNode struct {
	Modes        []Mode
	Controls     []Control
	ControlFunc  func(id uint32, value int32) error
	FormatFunc   func(FourCC, int, int) (pixFormat, error) // what is granted of what was asked
	StartErr     error
	PollFunc     func(time.Duration) (bool, error)
	DequeueFunc  func() error
	RequeueFunc  func() error
	StatusErr    error // of a driver that cannot tell
	CloseFunc    func()
	Granted      pixFormat
	asked        Mode
	set          []string
	buffers      [captureBuffers][]byte
	empty, full  []int
	statuses     [captureBuffers]bufferStatus
	sequence     uint32
	polls, opens int
	closed       bool
}

func newFakeNode(modes ...Mode) *fakeNode {
	n := &fakeNode{Modes: modes}
	for i := range captureBuffers {
		n.empty = append(n.empty, i)
	}
	return n
}

func (n *fakeNode) driver() (string, string) { return "fake", "usb-1" }
func (n *fakeNode) modes() []Mode            { return n.Modes }
func (n *fakeNode) controls() []Control      { return n.Controls }

func (n *fakeNode) setControl(id uint32, value int32) error {
	n.set = append(n.set, fmt.Sprint(id, "=", value))
	if n.ControlFunc != nil {
		return n.ControlFunc(id, value)
	}
	return nil
}

func (n *fakeNode) setFormat(f FourCC, width, height int) error {
	n.asked = Mode{Format: f, Width: width, Height: height}
	n.Granted = pixFormat{format: f, width: width, height: height, stride: f.minStride(width), size: f.size(f.minStride(width), height)}
	if f.Compressed() {
		n.Granted.size = 2 * width * height
	}
	if n.FormatFunc != nil {
		var err error
		n.Granted, err = n.FormatFunc(f, width, height)
		return err
	}
	return nil
}

func (n *fakeNode) format() (pixFormat, error)         { return n.Granted, nil }
func (n *fakeNode) setFrameRate(float64) error         { return nil }
func (n *fakeNode) start(buffers int) (int, error)     { return min(buffers, captureBuffers), n.StartErr }
func (n *fakeNode) status(i int) (bufferStatus, error) { return n.statuses[i], n.StatusErr }

// deliver fills the next buffer; without one the frame is lost, as in a driver.
func (n *fakeNode) deliver(data []byte, broken bool) {
	sequence := n.sequence
	n.sequence++
	if len(n.empty) == 0 {
		return
	}
	i := n.empty[0]
	n.empty = append(n.empty[:0], n.empty[1:]...)
	n.buffers[i] = append(n.buffers[i][:0], data...)
	n.statuses[i] = bufferStatus{full: true, broken: broken, sequence: sequence, time: time.Unix(int64(sequence), 0)}
	n.full = append(n.full, i)
}

func (n *fakeNode) poll(timeout time.Duration) (bool, error) {
	n.polls++
	if n.PollFunc != nil {
		return n.PollFunc(timeout)
	}
	return len(n.full) > 0, nil
}

func (n *fakeNode) dequeue() (int, []byte, error) {
	if n.DequeueFunc != nil {
		if err := n.DequeueFunc(); err != nil {
			return 0, nil, err
		}
	}
	if len(n.full) == 0 {
		return 0, nil, unix.EAGAIN
	}
	i := n.full[0]
	n.full = append(n.full[:0], n.full[1:]...)
	n.statuses[i] = bufferStatus{}
	return i, n.buffers[i], nil
}

// requeue lets the driver write into the buffer at once.
func (n *fakeNode) requeue(i int) error {
	if n.RequeueFunc != nil {
		if err := n.RequeueFunc(); err != nil {
			return err
		}
	}
	for j := range n.buffers[i] {
		n.buffers[i][j] = 0xee
	}
	n.empty = append(n.empty, i)
	return nil
}

func (n *fakeNode) close() error {
	n.closed = true
	if n.CloseFunc != nil {
		n.CloseFunc()
	}
	return nil
}

var small = Mode{Format: YUYV, Width: 4, Height: 2}

// capturing is a started capture of n and its configuration's clock.
func capturing(t *testing.T, n *fakeNode, c Config) (*capture, *fakeClock) {
	t.Helper()
	clock := newFakeClock()
	c.Clock = clock
	require.NoError(t, c.normalize())
	s, err := newCapture(n, "fake", c)
	require.NoError(t, err)
	return s, clock
}

// content is a whole YUYV frame of the small mode.
func content(b byte) []byte { return bytes.Repeat([]byte{b}, 16) }

// lateNode fills a buffer after the driver was asked for what is full.
type lateNode struct {
	*fakeNode
	late []byte
}

func (n *lateNode) dequeue() (int, []byte, error) {
	if n.late != nil {
		n.deliver(n.late, false)
		n.late = nil
	}
	return n.fakeNode.dequeue()
}

// TestUnknownNumbers: a frame whose number the driver was not asked for counts as
// one, be it the first or another.
func TestUnknownNumbers(t *testing.T) {
	n := &lateNode{fakeNode: newFakeNode(small)}
	s, _ := capturing(t, n.fakeNode, Config{})
	s.node = n
	n.sequence = 1000
	for i, late := range []bool{true, false, false, true, false} {
		if late {
			n.late = content(byte(i))
		} else {
			n.deliver(content(byte(i)), false)
		}
		f, err := s.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, uint64(i), f.Sequence)
	}
}

func TestNewestFrameWins(t *testing.T) {
	n := newFakeNode(small)
	s, _ := capturing(t, n, Config{})
	n.deliver(content(1), false)
	f, err := s.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, content(1), f.Data, "copied before the driver writes again")
	require.Equal(t, time.Unix(0, 0), f.Time, "the driver's time")

	n.deliver(content(2), false)
	n.deliver(content(3), false)
	n.deliver(content(4), false)
	f, err = s.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, content(4), f.Data)
	require.Equal(t, uint64(3), f.Sequence)
	require.Equal(t, time.Unix(3, 0), f.Time)
	require.Len(t, n.empty, captureBuffers, "all buffers are the driver's again")
}

// TestFullQueueIsStale has an owner that is away so long that the driver runs
// out of buffers. What is in them may be of any age.
func TestFullQueueIsStale(t *testing.T) {
	n := newFakeNode(small)
	s, _ := capturing(t, n, Config{})
	for i := range 20 {
		n.deliver(content(byte(i)), false)
	}
	n.PollFunc = func(time.Duration) (bool, error) {
		n.deliver(content(99), false)
		return true, nil
	}
	f, err := s.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, content(99), f.Data)
	require.Len(t, n.empty, captureBuffers)

	// A driver that always has its queue full still gives frames.
	n.RequeueFunc = func() error { return nil }
	s.node = alwaysFull{n}
	_, err = s.Next(t.Context())
	require.NoError(t, err)
}

type alwaysFull struct{ *fakeNode }

func (n alwaysFull) dequeue() (int, []byte, error) { return 1, content(7), nil }

func TestDriverWithoutStatus(t *testing.T) {
	n := newFakeNode(small)
	n.StatusErr = unix.EINVAL
	s, clock := capturing(t, n, Config{})
	for i := range 3 {
		n.deliver(content(byte(i)), false)
		n.statuses = [captureBuffers]bufferStatus{}
		f, err := s.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, content(byte(i)), f.Data)
		require.Equal(t, uint64(i), f.Sequence)
		require.Equal(t, clock.now, f.Time)
	}
}

func TestBadFrames(t *testing.T) {
	jpeg := append([]byte{0xff, 0xd8}, make([]byte, 200)...)
	for _, tt := range []struct {
		name   string
		mode   Mode
		data   []byte
		broken bool
		is     error
		want   string
	}{
		{"marked broken", small, content(1), true, ErrCorrupt, "the driver marks it as broken"},
		{"short", small, content(1)[:15], false, ErrTruncated, "15 bytes; 4x2 of YUYV take 16"},
		{"empty", small, nil, false, ErrTruncated, "0 bytes"},
		{"long", small, append(content(1), 0), false, ErrCorrupt, "17 bytes"},
		{"no JPEG", Mode{Format: MJPG, Width: 64, Height: 48}, make([]byte, 200), false, ErrCorrupt, "starts with 00 00"},
		{"short JPEG", Mode{Format: MJPG, Width: 64, Height: 48}, jpeg[:100], false, ErrTruncated, "100 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newFakeNode(tt.mode)
			s, _ := capturing(t, n, Config{})
			n.deliver(tt.data, tt.broken)
			f, err := s.Next(t.Context())
			require.Nil(t, f)
			require.ErrorIs(t, err, tt.is)
			require.ErrorContains(t, err, "camera fake: ")
			require.ErrorContains(t, err, tt.want)
			require.Len(t, n.empty, captureBuffers, "a bad frame's buffer goes back too")

			good := content(5)
			if tt.mode.Format == MJPG {
				good = jpeg
			}
			n.deliver(good, false)
			f, err = s.Next(t.Context())
			require.NoError(t, err)
			require.Equal(t, good, f.Data)
			require.Equal(t, uint64(1), f.Sequence)
		})
	}
}

func TestSilence(t *testing.T) {
	n := newFakeNode(small)
	s, clock := capturing(t, n, Config{Timeout: 3 * time.Second})
	n.PollFunc = func(d time.Duration) (bool, error) {
		require.Positive(t, d)
		clock.now = clock.now.Add(d)
		return false, nil
	}
	start := clock.now
	_, err := s.Next(t.Context())
	require.ErrorIs(t, err, ErrTimeout)
	require.ErrorContains(t, err, "no frame for 3s")
	require.Equal(t, 3*time.Second, clock.now.Sub(start))
	require.LessOrEqual(t, n.polls, 60, "it waits in the kernel and does not spin")
}

// TestSilenceOverCalls has an owner that gives up on every call before the
// camera is taken for hung.
func TestSilenceOverCalls(t *testing.T) {
	n := newFakeNode(small)
	s, clock := capturing(t, n, Config{Timeout: 3 * time.Second})
	for i := range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		n.PollFunc = func(time.Duration) (bool, error) {
			clock.now = clock.now.Add(time.Second)
			cancel()
			return false, nil
		}
		_, err := s.Next(ctx)
		if i < 3 {
			require.Equal(t, context.Canceled, err)
			continue
		}
		require.ErrorIs(t, err, ErrTimeout)
		break
	}
	n.deliver(content(1), false)
	_, err := s.Next(t.Context())
	require.NoError(t, err, "a frame that came meanwhile still counts")
	n.PollFunc = func(d time.Duration) (bool, error) {
		clock.now = clock.now.Add(time.Second)
		n.deliver(content(2), false)
		return true, nil
	}
	clock.now = clock.now.Add(time.Hour) // the owner was away
	_, err = s.Next(t.Context())
	require.NoError(t, err)
}

func TestUnplug(t *testing.T) {
	gone := func() error { return classify(unix.ENODEV) }
	for name, unplug := range map[string]func(*fakeNode){
		"dequeue": func(n *fakeNode) { n.DequeueFunc = gone },
		"requeue": func(n *fakeNode) { n.deliver(content(1), false); n.RequeueFunc = gone },
		"poll":    func(n *fakeNode) { n.PollFunc = func(time.Duration) (bool, error) { return false, gone() } },
		"flush": func(n *fakeNode) {
			for range captureBuffers {
				n.deliver(content(1), false)
			}
			n.RequeueFunc = gone
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newFakeNode(small)
			s, clock := capturing(t, n, Config{})
			unplug(n)
			before := clock.now
			_, err := s.Next(t.Context())
			require.ErrorIs(t, err, ErrGone)
			require.Equal(t, disconnectTime, clock.now.Sub(before), "the kernel's disconnect has time to end")
			require.ErrorIs(t, err, unix.ENODEV)
			require.LessOrEqual(t, n.polls, 1)
		})
	}
}

func TestContextEndsWaiting(t *testing.T) {
	n := newFakeNode(small)
	s, _ := capturing(t, n, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	n.PollFunc = func(time.Duration) (bool, error) { cancel(); return false, nil }
	_, err := s.Next(ctx)
	require.Equal(t, context.Canceled, err)
	require.Equal(t, 1, n.polls)
}

func TestNegotiation(t *testing.T) {
	grant := func(g pixFormat) func(FourCC, int, int) (pixFormat, error) {
		return func(FourCC, int, int) (pixFormat, error) { return g, nil }
	}
	vga := Mode{Format: YUYV, Width: 640, Height: 480}
	for _, tt := range []struct {
		name  string
		c     Config
		grant func(FourCC, int, int) (pixFormat, error)
		want  string // error
	}{
		{name: "as asked"},
		{name: "another size by rule", grant: grant(pixFormat{format: YUYV, width: 320, height: 240, stride: 640})},
		{name: "another format by rule", grant: grant(pixFormat{format: NV12, width: 640, height: 480, stride: 640})},
		{name: "no stride", grant: grant(pixFormat{format: YUYV, width: 640, height: 480})},
		{name: "fixed size refused", c: Config{Width: 640, Height: 480}, grant: grant(pixFormat{format: YUYV, width: 320, height: 240, stride: 640}),
			want: "camera fake: asked for 640x480, the camera grants 320x240"},
		{name: "fixed format refused", c: Config{Format: YUYV}, grant: grant(pixFormat{format: NV12, width: 640, height: 480, stride: 640}),
			want: "asked for pixel format YUYV, the camera grants NV12"},
		{name: "unknown format", grant: grant(pixFormat{format: 'H' | '2'<<8 | '6'<<16 | '4'<<24, width: 640, height: 480}),
			want: "the camera grants H264"},
		{name: "short stride", grant: grant(pixFormat{format: YUYV, width: 640, height: 480, stride: 640}),
			want: "640x480 with 640 bytes a line; want at least 1280"},
		{name: "absurd size", grant: grant(pixFormat{format: MJPG, width: 1 << 30, height: 1 << 30}),
			want: "impossible size"},
		{name: "absurd stride", grant: grant(pixFormat{format: YUYV, width: 640, height: 480, stride: 1 << 30}),
			want: "640x480 with 1073741824 bytes a line"},
		{name: "busy", grant: func(FourCC, int, int) (pixFormat, error) { return pixFormat{}, classify(unix.EBUSY) },
			want: "camera is busy"},
		{name: "not offered", c: Config{Width: 800, Height: 600}, want: "does not offer 800x600"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newFakeNode(vga)
			n.FormatFunc = tt.grant
			require.NoError(t, tt.c.normalize())
			s, err := newCapture(n, "fake", tt.c)
			if tt.want != "" {
				require.ErrorContains(t, err, tt.want)
				require.True(t, n.closed, "a node that cannot be used is closed")
				return
			}
			require.NoError(t, err)
			require.Equal(t, n.Granted.width, s.frame.Width)
			require.Equal(t, n.Granted.height, s.frame.Height)
			require.Equal(t, n.Granted.format, s.frame.Format)
			require.GreaterOrEqual(t, s.frame.Stride, s.frame.Format.minStride(s.frame.Width))
		})
	}
}

func TestStartFails(t *testing.T) {
	n := newFakeNode(small)
	// The library turns the error of the kernel into text.
	n.StartErr = classify(errors.New("Failed to map request buffers: device or resource busy"))
	c := Config{}
	require.NoError(t, c.normalize())
	_, err := newCapture(n, "fake", c)
	require.ErrorIs(t, err, ErrBusy)
	require.True(t, n.closed)
	require.ErrorContains(t, classify(errors.New("Failed to start streaming: no space left on device")), "USB bandwidth")
}

func TestControls(t *testing.T) {
	n := newFakeNode(small)
	n.Controls = []Control{
		{Name: "brightness", Min: -64, Max: 64, Step: 1, id: 1},
		{Name: "exposure_time_absolute", Min: 3, Max: 2047, Step: 1, id: 2},
		{Name: "auto_exposure", Min: 0, Max: 3, Step: 1, id: 3, kind: 2},
		{Name: "white_balance_automatic", Min: 0, Max: 1, Step: 1, id: 4, kind: 1},
		{Name: "sharpness", Min: 0, Max: 10, Step: 5, id: 5},
	}
	capturing(t, n, Config{Controls: map[string]int{"Exposure Time, Absolute": 100, "auto_exposure": 1, "white_balance_automatic": 0, "brightness": -3}})
	require.Equal(t, []string{"3=1", "4=0", "1=-3", "2=100"}, n.set, "switches first")

	for name, tt := range map[string]struct {
		set  map[string]int
		want string
	}{
		"range":   {map[string]int{"brightness": 65}, "control brightness is 65; want -64 to 64 in steps of 1"},
		"step":    {map[string]int{"sharpness": 7}, "control sharpness is 7; want 0 to 10 in steps of 5"},
		"unknown": {map[string]int{"zoom": 1}, `no control "zoom"; it has brightness, exposure_time_absolute`},
	} {
		t.Run(name, func(t *testing.T) {
			n.set = nil
			c := Config{Controls: tt.set}
			require.NoError(t, c.normalize())
			_, err := newCapture(n, "fake", c)
			require.ErrorContains(t, err, tt.want)
			require.Empty(t, n.set)
		})
	}
	n.ControlFunc = func(uint32, int32) error { return unix.EACCES }
	c := Config{Controls: map[string]int{"brightness": 1}}
	require.NoError(t, c.normalize())
	_, err := newCapture(n, "fake", c)
	require.ErrorContains(t, err, "setting control brightness to 1")
}

func TestCaptureAllocatesNothing(t *testing.T) {
	n := newFakeNode(Mode{Format: YUYV, Width: 64, Height: 48})
	s, _ := capturing(t, n, Config{})
	data := make([]byte, 64*48*2)
	require.Zero(t, testing.AllocsPerRun(50, func() {
		n.deliver(data, false)
		n.deliver(data, false)
		if _, err := s.Next(context.Background()); err != nil {
			panic(err)
		}
	}))
}
