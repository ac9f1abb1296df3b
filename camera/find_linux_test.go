package camera

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeMachine is a /sys and a /dev in a temporary folder.
type fakeMachine struct {
	t *testing.T
	finder
	open map[string]*fakeNode // by path
}

func newFakeMachine(t *testing.T) *fakeMachine {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	m := &fakeMachine{t: t, finder: finder{sys: filepath.Join(dir, "sys"), dev: filepath.Join(dir, "dev")}, open: map[string]*fakeNode{}}
	m.node = func(path string) (node, error) {
		n, ok := m.open[path]
		if !ok {
			return nil, errNotCamera
		}
		n.closed = false
		n.opens++
		return n, nil
	}
	return m
}

func (m *fakeMachine) write(path, content string) {
	require.NoError(m.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(m.t, os.WriteFile(path, []byte(content+"\n"), 0o600))
}

func (m *fakeMachine) link(to, path string) {
	require.NoError(m.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(m.t, os.Symlink(to, path))
}

// webcam plugs a USB camera in as two nodes, the second for metadata.
func (m *fakeMachine) webcam(number int, port, card, serial string) *fakeNode {
	usb := filepath.Join(m.sys, "devices/usb1", port)
	m.write(filepath.Join(usb, "idVendor"), "046d")
	m.write(filepath.Join(usb, "idProduct"), "0825")
	m.write(filepath.Join(usb, "product"), "Product of "+card)
	if serial != "" {
		m.write(filepath.Join(usb, "serial"), serial)
	}
	for i := range 2 {
		m.video(number+i, i, card, filepath.Join(usb, port+":1.0"))
	}
	n := newFakeNode(small)
	m.open[m.path(number)] = n
	return n
}

func (m *fakeMachine) path(number int) string {
	return filepath.Join(m.dev, "video"+string(rune('0'+number)))
}

func (m *fakeMachine) video(number, index int, card, device string) {
	name := filepath.Base(m.path(number))
	real := filepath.Join(device, "video4linux", name)
	m.write(filepath.Join(real, "index"), string(rune('0'+index)))
	m.write(filepath.Join(real, "name"), card)
	m.link(device, filepath.Join(real, "device"))
	m.link(real, filepath.Join(m.sys, "class/video4linux", name))
	m.write(m.path(number), "")
}

func (m *fakeMachine) unplug(number int) {
	for i := range 2 {
		require.NoError(m.t, os.Remove(filepath.Join(m.sys, "class/video4linux", filepath.Base(m.path(number+i)))))
		require.NoError(m.t, os.Remove(m.path(number+i)))
	}
}

func paths(nodes []found) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, filepath.Base(n.path))
	}
	return out
}

func TestFind(t *testing.T) {
	m := newFakeMachine(t)
	m.video(0, 0, "bcm2835-isp-capture0", filepath.Join(m.sys, "devices/platform/isp"))
	m.video(1, 0, "bridge", filepath.Join(m.sys, "devices/platform/bridge"))
	m.webcam(4, "1-1", "Webcam C270", "9A8B")
	m.webcam(2, "1-2", "Other Camera", "")
	m.link("../../video4", filepath.Join(m.dev, "v4l/by-id/usb-046d_C270_9A8B-video-index0"))
	m.link("../../video5", filepath.Join(m.dev, "v4l/by-id/usb-046d_C270_9A8B-video-index1"))
	m.link("../../video4", filepath.Join(m.dev, "v4l/by-path/pci-0000-usb-0:1:1.0-video-index0"))

	for source, want := range map[string][]string{
		"auto":                            {"video2", "video4", "video1"}, // USB first, no metadata, no scaler
		m.path(5):                         {"video5"},                     // the user insists
		"Webcam C270":                     {"video4"},
		"webcam c270":                     {"video4"},
		"Product of Webcam C270":          {"video4"},
		"046D:0825:9A8B":                  {"video4"},
		"usb-046d_C270_9A8B-video-index0": {"video4"},
		filepath.Join(m.dev, "v4l/by-id/usb-046d_C270_9A8B-video-index0"):     {"video4"},
		filepath.Join(m.dev, "v4l/by-path/pci-0000-usb-0:1:1.0-video-index0"): {"video4"},
	} {
		got, err := m.candidates(source, "")
		require.NoError(t, err, source)
		require.Equal(t, want, paths(got), source)
	}
	nodes, err := m.nodes()
	require.NoError(t, err)
	require.Equal(t, []string{"video0", "video1", "video2", "video4"}, paths(nodes))

	got, err := m.candidates("auto", nodes[3].identity())
	require.NoError(t, err)
	require.Equal(t, "video4", paths(got)[0], "the camera that was open before comes first")

	for source, want := range map[string]string{
		"C920":         `"C920" is not there; this machine has`,
		"046d:0825":    `"046d:0825" means 2 cameras: `,
		"/dev/video77": "is not there; this machine has",
		"":             "is not there",
	} {
		_, err := m.candidates(source, "")
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "by-id/usb-046d_C270_9A8B-video-index0 (Webcam C270)")
	}
	_, err = newFakeMachine(t).candidates("auto", "")
	require.ErrorIs(t, err, ErrGone)
	require.EqualError(t, err, "camera is gone: this machine has no camera; the first that is plugged in will be used")
}

// TestReplug moves a camera to another number, once found by node, once by
// name.
func TestReplug(t *testing.T) {
	for _, source := range []string{"auto", "Webcam", "node"} {
		t.Run(source, func(t *testing.T) {
			m := newFakeMachine(t)
			first := m.webcam(0, "1-1", "Webcam", "1")
			if source == "node" {
				source = m.path(0)
			}
			var log bytes.Buffer
			c := Config{Source: source, Log: slog.New(slog.NewTextHandler(&log, nil)), Clock: newFakeClock()}
			require.NoError(t, c.normalize())
			v := v4l2Camera{finder: m.finder, config: c}
			r := newRecovering(v.open, c)

			first.deliver(content(1), false)
			// The first open is before the first delivery a camera can make.
			f, err := r.Next(t.Context())
			require.NoError(t, err)
			require.Equal(t, content(1), f.Data)

			m.unplug(0)
			first.DequeueFunc = func() error { return ErrGone }
			_, err = r.Next(t.Context())
			require.ErrorIs(t, err, ErrGone)
			require.True(t, first.closed)

			second := m.webcam(6, "1-3", "Webcam", "1")
			second.deliver(content(2), false)
			f, err = r.Next(t.Context())
			require.NoError(t, err)
			require.Equal(t, content(2), f.Data)
			require.Equal(t, uint64(1), f.Sequence)
			require.NoError(t, r.Close())
			require.True(t, second.closed)
		})
	}
}

func TestAutoTriesTheNext(t *testing.T) {
	m := newFakeMachine(t)
	broken := m.webcam(0, "1-1", "Broken", "")
	broken.Modes = nil
	m.webcam(2, "1-2", "Good", "").deliver(content(3), false)
	c := Config{Source: "auto"}
	require.NoError(t, c.normalize())
	v := v4l2Camera{finder: m.finder, config: c}
	cam, err := v.open(t.Context())
	require.NoError(t, err)
	f, err := cam.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, content(3), f.Data)
	require.True(t, broken.closed)

	m.open[m.path(2)].Modes = []Mode{mode(h264, 4, 2)}
	_, err = v.open(t.Context())
	require.ErrorContains(t, err, "no pixel format at all")
	require.ErrorContains(t, err, "it has H264 4x2")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = v.open(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestList(t *testing.T) {
	m := newFakeMachine(t)
	n := m.webcam(0, "1-1", "Webcam", "77")
	n.Controls = []Control{{Name: "brightness", Max: 255}}
	m.video(3, 0, "codec", filepath.Join(m.sys, "devices/platform/codec"))
	m.link("../../video0", filepath.Join(m.dev, "v4l/by-id/usb-Webcam"))
	got, err := m.list()
	require.NoError(t, err)
	require.Equal(t, []Device{{
		Path: m.path(0), Name: filepath.Join(m.dev, "v4l/by-id/usb-Webcam"), Card: "Webcam", Driver: "fake", Bus: "usb-1",
		Serial: "046d:0825:77", Modes: []Mode{small}, Controls: n.Controls,
	}}, got)
	require.True(t, n.closed)
	empty, err := newFakeMachine(t).list()
	require.NoError(t, err)
	require.Empty(t, empty)
}
