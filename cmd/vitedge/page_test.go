package main

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/publish"
)

func TestPageURL(t *testing.T) {
	for _, c := range []struct {
		listen, machine, want string
		open                  bool
	}{
		{"127.0.0.1:8780", "pi.local", "http://127.0.0.1:8780", false},
		{"[::1]:8780", "pi.local", "http://[::1]:8780", false},
		{"localhost:8780", "pi.local", "http://localhost:8780", false},
		{"192.0.2.7:8780", "pi.local", "http://192.0.2.7:8780", true},
		{"[2001:db8::7]:8780", "pi.local", "http://[2001:db8::7]:8780", true},
		{"cam.example:80", "pi.local", "http://cam.example:80", true},
		{":8780", "pi.local", "http://pi.local:8780", true},
		{"0.0.0.0:80", "192.0.2.9", "http://192.0.2.9:80", true},
		{"[::]:80", "2001:db8::9", "http://[2001:db8::9]:80", true},
		{"[::]:80", "localhost", "http://localhost:80", false},
		{":8780", "", "", false}, {":0", "pi.local", "", false}, {"", "pi.local", "", false},
	} {
		got, open := pageURL(c.listen, c.machine)
		require.Equal(t, c.want, got, c.listen)
		require.Equal(t, c.open, open, c.listen)
	}
	require.Equal(t, "pi.local", networkName("pi"))
	require.Equal(t, "pi.example", networkName("pi.example"))
	require.Empty(t, networkName(""))
	if own := ownAddress(); own != "localhost" {
		require.True(t, netip.MustParseAddr(own).IsGlobalUnicast(), own)
	}
}

// TestPageIsTold has Home Assistant show a link only to what it can open, and
// the demo one in any case.
func TestPageIsTold(t *testing.T) {
	dir := t.TempDir()
	model, err := writeColorModel(dir)
	require.NoError(t, err)
	d := newTestDaemon(t, "--model", model, "--camera", "http://me:hunter2@192.0.2.7/?pwd=hunter2", "--http", "127.0.0.1:0", "--set", "state_dir="+dir, "--set", "device.id=pi")
	described := func(listen string) string {
		d.cfg.HTTP.Listen = listen
		return string(d.discovery(publish.Topics{Base: "vitedge/pi"}).Payload())
	}
	require.Contains(t, described("192.0.2.7:8780"), `"configuration_url":"http://192.0.2.7:8780"`)
	require.NotContains(t, described("127.0.0.1:8780"), "configuration_url")
	require.NotContains(t, described("[::1]:8780"), "configuration_url")

	var told bytes.Buffer
	d.introduce(&told)
	require.Contains(t, told.String(), "  page    http://"+d.web.Addr()+"/\n")
	require.Contains(t, told.String(), "  camera  http://me:xxxxx@192.0.2.7/?pwd=xxxxx\n")

	for url, want := range map[string]string{
		"mqtt://b.example":  "  broker  mqtt://b.example  (mosquitto_sub -h b.example -p 1883 -v -t '",
		"mqtts://b.example": "  broker  mqtts://b.example  (topics ", // for which mosquitto_sub needs more
	} {
		told.Reset()
		d.cfg.MQTT.URL = url
		d.introduce(&told)
		require.Contains(t, told.String(), want)
	}
}
