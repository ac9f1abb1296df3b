package camera

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The tests of this file need a camera, or the kernel's virtual one:
//
//	modprobe vivid

// Buttons of the vivid driver (drivers/media/test-drivers/vivid/vivid-ctrls.c).
// The library lists no buttons, so they are pressed by number.
const (
	vividBase          = 0x00f0f000
	vividDisconnect    = vividBase + 65
	vividFrameError    = vividBase + 66
	vividStreamOnError = vividBase + 69
	vividQueueError    = vividBase + 70
)

// realCamera is a camera of this machine, or skips.
func realCamera(t *testing.T) Device {
	t.Helper()
	devices, err := List()
	require.NoError(t, err)
	for _, d := range devices {
		if _, err := chooseMode(d.Modes, Config{Cover: 224}); err == nil {
			return d
		}
		t.Log(d.Path, d.Err)
	}
	t.Skip("this machine has no camera; modprobe vivid gives one")
	return Device{}
}

// realVivid is the vivid driver's. It offers hundreds of modes, which are not
// asked for here: that takes a second on an emulated CPU.
func realVivid(t *testing.T) Device {
	t.Helper()
	nodes, err := machine.nodes()
	require.NoError(t, err)
	for _, f := range nodes {
		n, err := openNode(f.path)
		if err != nil {
			t.Log(f.path, err)
			continue
		}
		driver, _ := n.driver()
		require.NoError(t, n.close())
		if driver == "vivid" {
			return Device{Path: f.path, Driver: driver}
		}
	}
	t.Skip("this machine has no camera of the vivid driver; modprobe vivid gives one")
	return Device{}
}

// held is what the process holds of a device: descriptors and mappings.
func held(t *testing.T, path string) string {
	t.Helper()
	descriptors := 0
	links, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && to == path {
			descriptors++
		}
	}
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return fmt.Sprintf("%d descriptors, %d mappings", descriptors, strings.Count(string(maps), path))
}

const nothing = "0 descriptors, 0 mappings"

func realCapture(t *testing.T, d Device, c Config) (*capture, error) {
	t.Helper()
	c.Timeout = 10 * time.Second
	require.NoError(t, c.normalize())
	n, err := openNode(d.Path)
	require.NoError(t, err)
	return newCapture(n, d.Path, c)
}

// press presses a button over a descriptor of its own.
func press(t *testing.T, d Device, button uint32) {
	t.Helper()
	n, err := openNode(d.Path)
	require.NoError(t, err)
	require.NoError(t, n.setControl(button, 1))
	require.NoError(t, n.close())
}

func TestRealCamera(t *testing.T) {
	d := realCamera(t)
	t.Logf("%s: %s by %s at %s, %d modes, %d controls", d.Path, d.Card, d.Driver, d.Bus, len(d.Modes), len(d.Controls))
	s, err := realCapture(t, d, Config{})
	require.NoError(t, err)
	t.Log("granted", s, "in", s.buffers, "buffers")
	require.LessOrEqual(t, s.buffers, captureBuffers, "more hold older frames")
	flags, err := unix.FcntlInt(uintptr(s.node.(*v4l2Node).fd), unix.F_GETFD, 0)
	require.NoError(t, err)
	require.NotZero(t, flags&unix.FD_CLOEXEC, "a child would keep the camera")
	last := uint64(0)
	for i := range 10 {
		f, err := s.Next(t.Context())
		if errors.Is(err, ErrCorrupt) {
			t.Log(err)
			continue
		}
		require.NoError(t, err)
		if i > 0 {
			require.Greater(t, f.Sequence, last)
		}
		last = f.Sequence
		require.Less(t, time.Since(f.Time).Abs(), 5*time.Second)
		var p Picture
		require.NoError(t, f.Decode(&p))
		require.Len(t, rgbRows(&p), 3*f.Width*f.Height)
	}
	// The owner is away until every buffer is full. What comes then is new.
	time.Sleep(time.Second)
	asked := time.Now()
	f, err := s.Next(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, asked, f.Time, 500*time.Millisecond)
	require.NoError(t, s.Close())
	require.Equal(t, nothing, held(t, d.Path))
	require.NotEmpty(t, bytes.Clone(f.Data), "the frame is still there when the driver's memory is not")
}

// TestRealMetadata opens the nodes of webcams that carry no pictures.
func TestRealMetadata(t *testing.T) {
	realCamera(t)
	nodes, err := filepath.Glob("/sys/class/video4linux/video*")
	require.NoError(t, err)
	refused := 0
	for _, dir := range nodes {
		if attribute(dir, "index") == "0" {
			continue
		}
		_, err := openNode(filepath.Join("/dev", filepath.Base(dir)))
		require.ErrorIs(t, err, errNotCamera)
		t.Log(err)
		refused++
	}
	if refused == 0 {
		t.Skip("no camera of this machine has a second node")
	}
}

// TestRealBusy starts a camera that somebody else has, which must neither hurt
// the other nor make the camera useless for this process.
func TestRealBusy(t *testing.T) {
	d := realCamera(t)
	first, err := realCapture(t, d, Config{})
	require.NoError(t, err)
	for range 5 {
		_, err = realCapture(t, d, Config{})
		require.ErrorIs(t, err, ErrBusy)
	}
	_, err = first.Next(t.Context())
	require.NoError(t, err)
	require.NoError(t, first.Close())
	require.Equal(t, nothing, held(t, d.Path))
	for range 10 {
		again, err := realCapture(t, d, Config{})
		require.NoError(t, err)
		_, err = again.Next(t.Context())
		require.NoError(t, err)
		require.NoError(t, again.Close())
	}
	require.Equal(t, nothing, held(t, d.Path))
}

func TestVividGrantsAnotherSize(t *testing.T) {
	d := realVivid(t)
	n, err := openNode(d.Path)
	require.NoError(t, err)
	defer n.close()
	require.NoError(t, n.setFormat(YUYV, 641, 479))
	g, err := n.format()
	require.NoError(t, err)
	require.NotEqual(t, [2]int{641, 479}, [2]int{g.width, g.height})
	require.GreaterOrEqual(t, g.stride, 2*g.width)
	require.GreaterOrEqual(t, g.size, g.stride*g.height)
}

// TestVividColor has the driver mean its YCbCr in other ways, which only the
// format that it grants tells.
func TestVividColor(t *testing.T) {
	d := realVivid(t)
	n, err := openNode(d.Path)
	require.NoError(t, err)
	defer n.close()
	for _, tt := range []struct {
		colorspace, encoding, quantization int // entries of the driver's menus
		want                               Color
	}{
		{1, 0, 0, BT709},     // Rec. 709
		{2, 0, 1, BT601Full}, // sRGB, full range
		{2, 2, 0, BT709},     // Rec. 709
		{2, 0, 0, BT601},     // as it was
	} {
		require.NoError(t, setControls(n, map[string]int{"colorspace": tt.colorspace, "y_cbcr_encoding": tt.encoding, "quantization": tt.quantization}))
		require.NoError(t, n.setFormat(YUYV, 640, 480))
		g, err := n.format()
		require.NoError(t, err)
		require.Equal(t, tt.want, g.color, "%+v", tt)
	}
}

func TestVividBrokenFrame(t *testing.T) {
	d := realVivid(t)
	s, err := realCapture(t, d, Config{})
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Next(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.node.setControl(vividFrameError, 1))
	broken := 0
	for range 10 {
		if _, err := s.Next(t.Context()); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, "the driver marks it as broken")
			broken++
		}
	}
	require.Equal(t, 1, broken)
}

// TestVividFailedStart fails at the last step, when everything is mapped.
func TestVividFailedStart(t *testing.T) {
	d := realVivid(t)
	for range 2 {
		press(t, d, vividStreamOnError)
		_, err := realCapture(t, d, Config{})
		require.ErrorContains(t, err, "Failed to start streaming")
		require.Equal(t, nothing, held(t, d.Path))
		s, err := realCapture(t, d, Config{})
		require.NoError(t, err, "the failed start holds nothing")
		_, err = s.Next(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
}

// TestVividThousandStarts opens the camera a thousand times, and each time it
// fails or is closed while buffers are mapped and full.
func TestVividThousandStarts(t *testing.T) {
	d := realVivid(t)
	for i := range 1000 {
		n, err := openNode(d.Path)
		require.NoError(t, err)
		require.NoError(t, n.setFormat(YUYV, 320, 180))
		fails := i%50 != 0 // the others take the driver the time of a frame
		if fails {
			require.NoError(t, n.setControl(vividStreamOnError, 1))
		}
		_, err = n.start(captureBuffers)
		require.Equal(t, fails, err != nil, err)
		require.NoError(t, n.close())
	}
	require.Equal(t, nothing, held(t, d.Path))
}

func TestVividQueueError(t *testing.T) {
	d := realVivid(t)
	s, err := realCapture(t, d, Config{})
	require.NoError(t, err)
	_, err = s.Next(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.node.setControl(vividQueueError, 1))
	require.Eventually(t, func() bool { _, err = s.Next(t.Context()); return err != nil }, 30*time.Second, time.Millisecond)
	require.NotErrorIs(t, err, ErrCorrupt)
	t.Log(err)
	require.NoError(t, s.Close())
	require.Equal(t, nothing, held(t, d.Path))
}

// TestVividUnplug is the last test: the driver's device is gone until it is
// bound again.
func TestVividUnplug(t *testing.T) {
	d := realVivid(t)
	cam := open(t, Config{Source: d.Path})
	_, err := next(t, cam)
	require.NoError(t, err)
	press(t, d, vividDisconnect)
	require.Eventually(t, func() bool { _, err = cam.Next(t.Context()); return err != nil }, 30*time.Second, time.Millisecond)
	require.ErrorIs(t, err, ErrGone)
	t.Log(err)
	require.Equal(t, nothing, held(t, d.Path))

	driver := "/sys/bus/platform/drivers/vivid"
	require.NoError(t, os.WriteFile(driver+"/unbind", []byte("vivid.0"), 0o200))
	require.NoError(t, os.WriteFile(driver+"/bind", []byte("vivid.0"), 0o200))
	f, err := next(t, cam)
	require.NoError(t, err)
	t.Log("back with frame", f.Sequence)
}
