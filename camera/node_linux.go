package camera

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/blackjack/webcam"
	"golang.org/x/sys/unix"
)

// node is a V4L2 node as capturing needs it: one method an operation of the
// kernel's interface, with no decisions in it. The real one is [v4l2Node].
type node interface {
	driver() (name, bus string)
	modes() []Mode
	controls() []Control
	setControl(id uint32, value int32) error
	setFormat(f FourCC, width, height int) error
	// format is what the driver really granted.
	format() (pixFormat, error)
	setFrameRate(fps float64) error
	// start asks for buffers and begins to fill them. It returns how many
	// the driver gave, and leaves no mapping behind when it fails.
	start(buffers int) (int, error)
	// poll waits until a buffer is full. It returns false at the timeout and
	// an error if no buffer will ever be.
	poll(timeout time.Duration) (bool, error)
	// status looks at a buffer without taking it. A driver that cannot tell
	// gives an error.
	status(index int) (bufferStatus, error)
	// dequeue takes the oldest full buffer. The bytes are the driver's until
	// requeue. The error is EAGAIN if none is full.
	dequeue() (index int, data []byte, err error)
	requeue(index int) error
	close() error
}

// pixFormat is a granted format.
type pixFormat struct {
	format        FourCC
	width, height int
	stride        int // bytes, 0 for compressed formats
	size          int // bytes of the largest frame
	color         Color
}

// bufferStatus is what the driver says of one buffer.
type bufferStatus struct {
	full     bool // waits to be dequeued
	broken   bool // the driver knows that the data is bad
	sequence uint32
	time     time.Time // zero if the driver's clock is not the monotonic one
}

// v4l2Node is a node opened by the webcam library. What the library keeps to
// itself is asked of the kernel beside it, on the library's own descriptor:
// some drivers let only the descriptor that streams look at the buffers.
type v4l2Node struct {
	cam    *webcam.Webcam
	fd     int // the library's
	caps   v4l2_capability
	pollFd [1]unix.PollFd
}

// errNotCamera is the error of nodes that are something else.
var errNotCamera = errors.New("not a camera")

// openNode opens a node that captures video; metadata nodes and codecs are
// refused.
func openNode(path string) (node, error) {
	cam, err := webcam.Open(path)
	if errno := unix.Errno(0); err != nil && !errors.As(err, &errno) {
		return nil, fmt.Errorf("%w: %w", errNotCamera, err)
	}
	if err != nil {
		return nil, classify(err)
	}
	n := &v4l2Node{cam: cam, fd: descriptor(cam)}
	unix.CloseOnExec(n.fd)
	if err := ioctl(n.fd, VIDIOC_QUERYCAP, unsafe.Pointer(&n.caps)); err != nil {
		return nil, errors.Join(fmt.Errorf("querying capabilities: %w", classify(err)), n.close())
	}
	// The library looks at the capabilities of the whole device, which a
	// webcam's metadata node shares.
	own := n.caps.capabilities
	if own&V4L2_CAP_DEVICE_CAPS != 0 {
		own = n.caps.device_caps
	}
	if own&V4L2_CAP_VIDEO_CAPTURE == 0 || own&V4L2_CAP_STREAMING == 0 || own&V4L2_CAP_VIDEO_M2M != 0 {
		return nil, errors.Join(fmt.Errorf("%w: its capabilities are %#x", errNotCamera, own), n.close())
	}
	return n, nil
}

// descriptor reads the file descriptor that the library does not export.
// Reflection may read unexported integers; a test fails if the field is
// renamed.
func descriptor(cam *webcam.Webcam) int {
	return int(reflect.ValueOf(cam).Elem().FieldByName("fd").Uint())
}

// releaseBuffers unmaps what the library mapped and does not unmap when its
// StartStreaming fails. A mapping left behind keeps the driver's queue taken,
// and every later start answers EBUSY until the process ends.
func releaseBuffers(cam *webcam.Webcam) error {
	var errs []error
	buffers := reflect.ValueOf(cam).Elem().FieldByName("buffers")
	for i := range buffers.Len() {
		if b := buffers.Index(i).Bytes(); len(b) > 0 {
			errs = append(errs, unix.Munmap(b))
		}
	}
	return errors.Join(errs...)
}

func (n *v4l2Node) driver() (name, bus string) {
	return unix.ByteSliceToString(n.caps.driver[:]), unix.ByteSliceToString(n.caps.bus_info[:])
}

func (n *v4l2Node) modes() []Mode {
	formats := n.cam.GetSupportedFormats()
	var out []Mode
	for code := range formats {
		for _, s := range n.cam.GetSupportedFrameSizes(code) {
			m := Mode{Format: FourCC(code), Width: int(s.MinWidth), Height: int(s.MinHeight)}
			switch {
			case s == webcam.FrameSize{}: // continuous: the library gives no limits
				m.Width, m.Height, m.MaxWidth, m.MaxHeight, m.StepWidth, m.StepHeight = 1, 1, maxSide, maxSide, 1, 1
			case s.MinWidth != s.MaxWidth || s.MinHeight != s.MaxHeight:
				m.MaxWidth, m.MaxHeight = int(s.MaxWidth), int(s.MaxHeight)
				m.StepWidth, m.StepHeight = int(s.StepWidth), int(s.StepHeight)
			}
			for _, r := range n.cam.GetSupportedFramerates(code, s.MinWidth, s.MinHeight) {
				m.FPS = append(m.FPS, rates(r)...)
			}
			slices.SortFunc(m.FPS, func(a, b float64) int { return int(1000 * (b - a)) })
			m.FPS = slices.Compact(m.FPS)
			out = append(out, m)
		}
	}
	// The library's map has no order.
	slices.SortStableFunc(out, func(a, b Mode) int {
		if a.Format != b.Format {
			return strings.Compare(a.Format.String(), b.Format.String())
		}
		return a.Width*a.Height - b.Width*b.Height
	})
	return out
}

// rates are the frame rates of an interval: one, or the ends of a range.
func rates(r webcam.FrameRate) []float64 {
	var out []float64
	if r.MinNumerator > 0 {
		out = append(out, float64(r.MinDenominator)/float64(r.MinNumerator))
	}
	if r.MaxNumerator > 0 {
		out = append(out, float64(r.MaxDenominator)/float64(r.MaxNumerator))
	}
	return out
}

func (n *v4l2Node) controls() []Control {
	var out []Control
	for id, c := range n.cam.GetControls() {
		control := Control{Name: controlName(c.Name), Min: int(c.Min), Max: int(c.Max), Step: int(c.Step), id: uint32(id), kind: c.Type}
		if v, err := n.cam.GetControl(id); err == nil {
			control.Value = int(v)
		}
		out = append(out, control)
	}
	slices.SortFunc(out, func(a, b Control) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (n *v4l2Node) setControl(id uint32, value int32) error {
	return classify(n.cam.SetControl(webcam.ControlID(id), value))
}

// setFormat drops the size that the library returns: it is the one asked for,
// whatever the driver made of it.
func (n *v4l2Node) setFormat(f FourCC, width, height int) error {
	_, _, _, err := n.cam.SetImageFormat(webcam.PixelFormat(f), uint32(width), uint32(height))
	return classify(err)
}

func (n *v4l2Node) format() (pixFormat, error) {
	f := v4l2_format{typ: V4L2_BUF_TYPE_VIDEO_CAPTURE}
	if err := ioctl(n.fd, VIDIOC_G_FMT, unsafe.Pointer(&f)); err != nil {
		return pixFormat{}, classify(err)
	}
	return pixFormat{
		format: FourCC(f.pix.pixelformat), width: int(f.pix.width), height: int(f.pix.height),
		stride: int(f.pix.bytesperline), size: int(f.pix.sizeimage), color: f.pix.color(),
	}, nil
}

func (n *v4l2Node) setFrameRate(fps float64) error { return classify(n.cam.SetFramerate(float32(fps))) }

func (n *v4l2Node) start(buffers int) (int, error) {
	if err := n.cam.SetBufferCount(uint32(buffers)); err != nil {
		return 0, err
	}
	if err := n.cam.StartStreaming(); err != nil {
		return 0, errors.Join(classify(err), releaseBuffers(n.cam))
	}
	return reflect.ValueOf(n.cam).Elem().FieldByName("buffers").Len(), nil
}

// poll is not the library's WaitForFrame, which counts whole seconds and takes
// an error condition for a frame.
func (n *v4l2Node) poll(timeout time.Duration) (bool, error) {
	n.pollFd = [1]unix.PollFd{{Fd: int32(n.fd), Events: unix.POLLIN}}
	count, err := unix.Poll(n.pollFd[:], max(int(timeout.Milliseconds()), 1))
	switch {
	case err == unix.EINTR || err == nil && count == 0:
		return false, nil
	case err != nil:
		return false, classify(err)
	case n.pollFd[0].Revents&unix.POLLIN != 0:
		return true, nil
	}
	// The queue is dead; only dequeue knows why.
	if _, _, err := n.dequeue(); err != nil && err != unix.EAGAIN {
		return false, err
	}
	return false, fmt.Errorf("poll answers %#x without a frame", n.pollFd[0].Revents)
}

func (n *v4l2Node) status(index int) (bufferStatus, error) {
	b := v4l2_buffer{index: uint32(index), typ: V4L2_BUF_TYPE_VIDEO_CAPTURE, memory: V4L2_MEMORY_MMAP}
	if err := ioctl(n.fd, VIDIOC_QUERYBUF, unsafe.Pointer(&b)); err != nil {
		return bufferStatus{}, err
	}
	s := bufferStatus{
		full:     b.flags&V4L2_BUF_FLAG_DONE != 0,
		broken:   b.flags&V4L2_BUF_FLAG_ERROR != 0,
		sequence: b.sequence,
	}
	var ts unix.Timespec
	if b.flags&V4L2_BUF_FLAG_TIMESTAMP_MASK == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC && unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) == nil {
		if age := time.Duration(ts.Nano() - b.timestamp.Nano()); age >= 0 && age < time.Hour {
			s.time = time.Now().Add(-age)
		}
	}
	return s, nil
}

func (n *v4l2Node) dequeue() (int, []byte, error) {
	for {
		data, index, err := n.cam.GetFrame()
		switch err {
		case nil:
			return int(index), data, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, nil, unix.EAGAIN
		default:
			return 0, nil, classify(err)
		}
	}
}

func (n *v4l2Node) requeue(index int) error { return classify(n.cam.ReleaseFrame(uint32(index))) }

func (n *v4l2Node) close() error { return n.cam.Close() }

// classify wraps the errors of the kernel that an owner must tell apart. The
// library turns some errors into text, which then ends with the kernel's.
func classify(err error) error {
	if err == nil {
		return nil
	}
	is := func(errno unix.Errno) bool {
		return errors.Is(err, errno) || strings.HasSuffix(err.Error(), ": "+errno.Error())
	}
	switch {
	case is(unix.ENODEV), is(unix.ENXIO), is(unix.ENOENT):
		return fmt.Errorf("%w: %w", ErrGone, err)
	case is(unix.EBUSY):
		return fmt.Errorf("%w: %w", ErrBusy, err)
	case is(unix.ENOSPC):
		return fmt.Errorf("not enough USB bandwidth; move the camera to another bus or ask for a smaller size: %w", err)
	}
	return err
}
