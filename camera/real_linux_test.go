package camera

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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

func realVivid(t *testing.T) Device {
	t.Helper()
	d := realCamera(t)
	if d.Driver != "vivid" {
		t.Skip("the camera is not the vivid driver's")
	}
	return d
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
	// Menus: colorspace 1 is Rec. 709 and 2 sRGB, encoding 2 is Rec. 709,
	// quantization 1 is full range.
	usual := map[string]int{"colorspace": 2, "y_cbcr_encoding": 0, "quantization": 0}
	for _, tt := range []struct {
		control string
		value   int
		want    Color
	}{{"colorspace", 2, BT601}, {"colorspace", 1, BT709}, {"quantization", 1, BT601Full}, {"y_cbcr_encoding", 2, BT709}} {
		for _, c := range []map[string]int{usual, {tt.control: tt.value}} { // controls outlive the stream
			s, err := realCapture(t, d, Config{Format: YUYV, Controls: c})
			require.NoError(t, err)
			require.NoError(t, s.Close())
		}
		s, err := realCapture(t, d, Config{Format: YUYV})
		require.NoError(t, err)
		f, err := s.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, tt.want, f.Color, "%s %d", tt.control, tt.value)
		require.NoError(t, s.Close())
	}
	s, err := realCapture(t, d, Config{Format: YUYV, Controls: usual})
	require.NoError(t, err)
	require.NoError(t, s.Close())
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
	for range 5 {
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
