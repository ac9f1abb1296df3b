package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/brokertest"
	"vitedge/cmd/vitedge/internal/config"
	"vitedge/cmd/vitedge/internal/device"
)

// examine runs the doctor on a configuration and a machine of its own.
func examine(t *testing.T, files map[string]string, edit func(*config.Config)) (map[string]finding, error) {
	t.Helper()
	dir := t.TempDir()
	model, err := writeColorModel(filepath.Join(dir, "model"))
	require.NoError(t, err)
	root := filepath.Join(dir, "root")
	for path, text := range files {
		path = filepath.Join(root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	cfg := config.Default()
	cfg.Model.Path, cfg.StateDir, cfg.MQTT.URL = model, filepath.Join(dir, "state"), ""
	cam := cfg.Cameras["cam"]
	cam.Source = "test:"
	cfg.Cameras["cam"] = cam
	edit(&cfg)
	var out bytes.Buffer
	d := doctor{ctx: t.Context(), cfg: &cfg, machine: device.FS(root), out: &out, asJSON: true}
	err = d.examine()
	findings := make(map[string]finding)
	for line := range strings.Lines(out.String()) {
		var f finding
		require.NoError(t, json.Unmarshal([]byte(line), &f))
		findings[f.Check] = f
	}
	return findings, err
}

func TestDoctorHealthy(t *testing.T) {
	b := brokertest.Start(t)
	findings, err := examine(t, map[string]string{
		"sys/class/thermal/thermal_zone0/temp":                "45000",
		"sys/devices/platform/soc/soc:firmware/get_throttled": "0",
	}, func(c *config.Config) { c.MQTT.URL = b.URL() })
	require.NoError(t, err)
	for _, check := range []string{"model", "camera cam", "state folder", "broker", "temperature", "power"} {
		require.Equal(t, good, findings[check].Verdict, findings[check])
	}
	require.Contains(t, findings["model"].What, "pictures of 16 pixels, 3 classes")
	require.Contains(t, findings["broker"].What, b.URL()+" answers in ")
	require.Equal(t, "45 °C", findings["temperature"].What)
}

func TestDoctorFinds(t *testing.T) {
	dead := brokertest.Start(t)
	dead.Kill()
	findings, err := examine(t, map[string]string{
		"sys/class/thermal/thermal_zone0/temp":                "85000",
		"sys/devices/platform/soc/soc:firmware/get_throttled": "50000",
	}, func(c *config.Config) {
		c.MQTT.URL = dead.URL()
		c.Model.Path = "/nonexistent/model"
		c.StateDir = "/proc/nothing"
		c.Cameras["cam"] = config.Camera{Source: "file:/nonexistent", Format: "auto"}
	})
	require.EqualError(t, err, "3 problems")
	require.Equal(t, bad, findings["model"].Verdict)
	require.Contains(t, findings["model"].Mend, "quantize")
	require.Equal(t, bad, findings["camera cam"].Verdict)
	require.Contains(t, findings["camera cam"].Mend, "cameras.cam")
	require.Equal(t, bad, findings["broker"].Verdict)
	require.Contains(t, findings["broker"].What, "the connection was refused; is the broker running")
	require.Equal(t, warn, findings["state folder"].Verdict)
	require.Equal(t, warn, findings["temperature"].Verdict)
	require.Equal(t, "under-voltage-occurred, throttled-occurred", findings["power"].What)
	require.Contains(t, findings["power"].Mend, "power supply")
}

// TestDoctorMendsCameras wraps each fault of a camera as opening it does.
func TestDoctorMendsCameras(t *testing.T) {
	for _, c := range []struct {
		err     error
		verdict string
		mend    string
	}{
		{&os.PathError{Op: "open", Path: "/dev/video0", Err: syscall.EACCES}, bad, "group video"},
		{camera.ErrBusy, bad, "systemctl stop vitedge"},
		{camera.ErrGone, bad, "vitedge cameras"},
		{camera.ErrTimeout, bad, "another port"},
		{context.DeadlineExceeded, bad, "another port"},
		{camera.ErrCorrupt, warn, "cameras.door.width"},
		{errors.New("something else"), bad, "cameras.door in the configuration"},
	} {
		verdict, mend := mendCamera("door", "auto", fmt.Errorf("camera: %w", c.err))
		require.Equal(t, c.verdict, verdict, c.err)
		require.Contains(t, mend, c.mend, c.err)
	}
	_, mend := mendCamera("door", "http://10.0.0.9/stream", camera.ErrGone)
	require.Contains(t, mend, "serves this address", "there is nothing to plug in")
}

// TestDoctorSaysHowToMendAll guards that no warning and no problem is left alone:
// each says what to do, in its own words for the broker.
func TestDoctorSaysHowToMendAll(t *testing.T) {
	t.Setenv("VITEDGE_KERNEL", "abacus")
	findings, err := examine(t, map[string]string{
		"sys/class/thermal/thermal_zone0/temp":                "85000",
		"sys/devices/platform/soc/soc:firmware/get_throttled": "4",
	}, func(c *config.Config) {
		c.Cameras["cam"] = config.Camera{Source: "file:/nonexistent", Format: "auto"}
		c.Model.Path = "/nonexistent/model"
		c.StateDir = "/proc/nothing"
	})
	require.Error(t, err)
	require.Len(t, findings, 8)
	for name, f := range findings {
		if f.Verdict != good {
			require.NotEmpty(t, f.Mend, name)
		}
	}
	require.Contains(t, findings["power"].Mend, "heat sink")
}

func TestDoctorCommand(t *testing.T) {
	model, err := writeColorModel(t.TempDir())
	require.NoError(t, err)
	code, stdout, stderr := execute("doctor", "--model", model, "--camera", "test:", "--broker", "", "--set", "state_dir="+t.TempDir())
	require.Zero(t, code, stderr)
	require.Regexp(t, `(?m)^ok       model         vit_colors@`, stdout)
	require.Regexp(t, `(?m)^(ok|warning)  +clock`, stdout)
}
