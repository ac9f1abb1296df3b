package publish

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnnouncement(t *testing.T) {
	d := discovery()
	d.Sources, d.Image = []string{"cam"}, false
	a := Announcement(d.Topics, d.Sources, false, true, d)
	require.Equal(t, []string{
		"homeassistant/device/my-pi/config", "vitedge/my-pi/availability", "vitedge/my-pi/cam/availability",
		"vitedge/my-pi/cam/enabled/state", "vitedge/my-pi/cam/interval/state", "vitedge/my-pi/cam/state",
		"vitedge/my-pi/cam/threshold/state", "vitedge/my-pi/status",
	}, a.Topics)
	require.Equal(t, "sensor", a.Components["cam_label"])
	require.Equal(t, "button", a.Components["restart"])

	require.Contains(t, Announcement(d.Topics, d.Sources, true, true, d).Topics, "vitedge/my-pi/cam/image")
	silent := Announcement(d.Topics, d.Sources, false, false, nil)
	require.NotContains(t, silent.Topics, d.Topic())
	require.NotContains(t, silent.Topics, "vitedge/my-pi/cam/threshold/state")
	require.Empty(t, silent.Components)
}

// TestEverythingRetainedIsAnnounced compares with what a publisher and a
// control really retain.
func TestEverythingRetainedIsAnnounced(t *testing.T) {
	p, l := newPublisher(t, func(o *Options) { o.Sources = []string{"cam", "yard"} })
	p.publishStatus(Status{})
	p.Image("cam", []byte("jpeg"))
	b := newBench(t)
	a := Announcement(Topics{"vitedge/pi"}, []string{"cam", "yard"}, true, true, nil)
	for _, m := range append(l.sent, b.link.sent...) {
		if m.how != "send" && m.how != "live" {
			require.Contains(t, a.Topics, m.topic)
		}
	}
}

func TestGone(t *testing.T) {
	d := discovery()
	both := Announcement(d.Topics, d.Sources, true, true, d)
	require.True(t, both.Without(both).Empty())
	d.Sources = []string{"yard"}
	one := Announcement(d.Topics, d.Sources, true, true, d)
	gone := both.Without(one)
	require.Contains(t, gone.Topics, "vitedge/my-pi/cam/image")
	require.NotContains(t, gone.Topics, "vitedge/my-pi/yard/state")
	require.Len(t, gone.Components, 8)
	require.Equal(t, "switch", gone.Components["cam_enabled"])
	require.True(t, one.With(gone).Equal(both))
	require.False(t, one.Equal(both))

	// Components of a topic that goes go with it.
	d.Prefix = "ha"
	moved := Announcement(d.Topics, d.Sources, true, true, d)
	require.Equal(t, Announced{Topics: []string{"homeassistant/device/my-pi/config"}, Components: map[string]string{}}, one.Without(moved))
}

// TestGoneComponentsHoldThePlatform guards the form in which Home Assistant
// removes an entity.
func TestGoneComponentsHoldThePlatform(t *testing.T) {
	d := discovery()
	d.Sources, d.Gone = []string{"yard"}, map[string]string{"cam_label": "sensor"}
	_, components := decode(t, d)
	require.Equal(t, map[string]any{"platform": "sensor"}, components["cam_label"])
	require.Contains(t, components["yard_label"], "unique_id")
}

func TestAnnouncedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "announced.json")
	a, err := ReadAnnounced(path)
	require.NoError(t, err)
	require.True(t, a.Empty())
	d := discovery()
	want := Announcement(d.Topics, d.Sources, true, true, d)
	require.NoError(t, want.Write(path))
	got, err := ReadAnnounced(path)
	require.NoError(t, err)
	require.True(t, want.Equal(got))

	require.NoError(t, Announced{Topics: []string{"a\tb/status", "a/status"}}.Write(path))
	got, err = ReadAnnounced(path)
	require.NoError(t, err)
	require.Equal(t, []string{"a/status"}, got.Topics, "what a broker takes")

	require.NoError(t, os.WriteFile(path, []byte(`{"topics":7}`), 0o600))
	got, err = ReadAnnounced(path)
	require.ErrorContains(t, err, path)
	require.True(t, got.Empty())
	require.NoError(t, os.WriteFile(path, make([]byte, maxStore+1), 0o600))
	_, err = ReadAnnounced(path)
	require.ErrorContains(t, err, "more than")
	require.Error(t, want.Write("/proc/nothing/announced.json"))
}
