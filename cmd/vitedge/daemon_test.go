package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/brokertest"
	"vitedge/cmd/vitedge/internal/config"
	"vitedge/cmd/vitedge/internal/publish"
)

// process is the daemon as a process of its own.
type process struct {
	t    testing.TB
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	mu  sync.Mutex
	out bytes.Buffer // both streams
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// startDaemon runs "vitedge run" with args until the test ends. Of the variables
// that configure it only that of the kernel comes from outside.
func startDaemon(t testing.TB, environ []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, done: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], append([]string{"run", "--set", "state_dir=" + t.TempDir(), "--http", ""}, args...)...)
	outside := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "VITEDGE_") && !strings.HasPrefix(v, "VITEDGE_KERNEL=")
	})
	p.cmd.Env = append(append(outside, asCommand+"=1"), environ...)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	require.NoError(t, p.cmd.Start())
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if strings.Contains(p.output(), "WARNING: DATA RACE") { // of the detector, where it is on
			t.Error("the daemon has a data race")
		}
		if t.Failed() {
			t.Logf("the daemon said:\n%s", p.output())
		}
	})
	return p
}

// wait waits for the end and returns the exit status.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(brokertest.Patience):
		p.t.Fatal("the daemon does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// colors writes the model and a folder of pictures and returns the flags that
// use them with a broker.
func colors(t *testing.T, broker, pictures string) []string {
	t.Helper()
	dir := t.TempDir()
	model, err := writeColorModel(filepath.Join(dir, "model"))
	require.NoError(t, err)
	require.NoError(t, writePictures(filepath.Join(dir, "pictures"), pictures))
	return []string{
		"--model", model, "--camera", "file:" + filepath.Join(dir, "pictures"), "--broker", broker, "--http", "",
		"--set", "device.id=pi", "--set", "model.threads=1", "--set", "mqtt.reconnect_min=10ms", "--set", "mqtt.reconnect_max=100ms",
		"--set", "decide.hold=0s",
	}
}

// execute runs the command in this process.
func execute(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, &out, &err)
	return code, out.String(), err.String()
}

// newTestDaemon makes a daemon in this process that is not started, without a page
// unless args say so.
func newTestDaemon(t *testing.T, args ...string) *daemon {
	t.Helper()
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	flags := addConfigFlags(set)
	require.NoError(t, set.Parse(append([]string{"--http", ""}, args...)))
	cfg, _, err := flags.load()
	require.NoError(t, err)
	d, err := newDaemon(cfg, slog.New(slog.DiscardHandler), new(slog.LevelVar), flags.load)
	require.NoError(t, err)
	t.Cleanup(d.engine.Close)
	return d
}

func labels(t *testing.T, payloads []string) string {
	t.Helper()
	var got []string
	for _, p := range payloads {
		var m publish.Prediction
		require.NoError(t, json.Unmarshal([]byte(p), &m), p)
		got = append(got, m.Label)
	}
	return strings.Join(got, " ")
}

// TestFolderToTheEnd classifies a folder once: the labels arrive in order, a
// broken file is counted, and the daemon ends by itself with 0.
func TestFolderToTheEnd(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("#")
	d := startDaemon(t, nil, append(colors(t, b.URL(), "red red red broken green green green grey grey grey"),
		"--set", "cameras.cam.loop=false", "--interval", "0s", "--set", "mqtt.predictions=1ns")...)
	require.Zero(t, d.wait(), d.output())
	s.UntilOn("vitedge/pi/availability", "offline")

	require.Equal(t, "red green unknown", labels(t, s.On("vitedge/pi/cam/state")))
	var events []string
	for _, p := range s.On("vitedge/pi/cam/event") {
		var e publish.Event
		require.NoError(t, json.Unmarshal([]byte(p), &e))
		events = append(events, e.From+">"+e.To)
	}
	require.Equal(t, []string{"red>green", "green>unknown"}, events)
	require.Equal(t, []string{"online", "offline"}, compact(s.On("vitedge/pi/availability")))
	require.Contains(t, s.On("vitedge/pi/status")[0], `"model":{"name":"vit_colors"`)

	late := b.Subscribe("#")
	require.True(t, late.UntilOn("vitedge/pi/cam/state", "unknown").Retained)
	require.True(t, late.UntilOn("vitedge/pi/availability", "offline").Retained)
	require.True(t, late.UntilOn("vitedge/pi/cam/availability", "offline").Retained)
	require.True(t, late.UntilOn("vitedge/pi/status", "").Retained)
}

// TestFolderEndsBeforeTheBrokerAnswers guards that what a finished run has to
// say waits for a connection.
func TestFolderEndsBeforeTheBrokerAnswers(t *testing.T) {
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	p.Refuse(true)
	s := b.Subscribe("vitedge/pi/cam/event")
	d := startDaemon(t, nil, append(colors(t, "mqtt://"+p.Addr(), "red red red green green green"),
		"--set", "cameras.cam.loop=false", "--interval", "0s")...)
	brokertest.Eventually(t, "the end of the folder", func() bool { return strings.Contains(d.output(), "all sources are at their end") })
	p.Refuse(false)
	require.Zero(t, d.wait())
	s.UntilOn("vitedge/pi/cam/event", `"to":"green"`)
}

// compact leaves out repetitions.
func compact(list []string) []string {
	var out []string
	for _, s := range list {
		if len(out) == 0 || out[len(out)-1] != s {
			out = append(out, s)
		}
	}
	return out
}

// TestBrokerKilledAndRestarted guards that messages come again by themselves,
// and that nothing is lost of the events between.
func TestBrokerKilledAndRestarted(t *testing.T) {
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	s := b.Subscribe("vitedge/pi/cam/#")
	startDaemon(t, nil, append(colors(t, "mqtt://"+p.Addr(), "red red red green green green"), "--interval", "1ms")...)
	s.UntilOn("vitedge/pi/cam/state", "green")
	s.UntilOn("vitedge/pi/cam/prediction", "")

	// The broker gets one event more at most, and all before it are here with a
	// message that comes behind them.
	p.Refuse(true)
	p.Stall(true)
	s.Publish("vitedge/pi/cam/end", "", false)
	s.UntilOn("vitedge/pi/cam/end", "")
	b.Kill()
	p.Stall(false)
	before := s.On("vitedge/pi/cam/event")
	b.Restart()
	s = b.Subscribe("vitedge/pi/#")
	p.Refuse(false)
	s.UntilOn("vitedge/pi/availability", "online")
	s.UntilOn("vitedge/pi/cam/availability", "online")
	s.UntilOn("vitedge/pi/cam/state", "red")
	s.UntilOn("vitedge/pi/cam/prediction", "")
	s.Until("a status that counts the reconnect", func([]brokertest.Message) bool {
		return slices.ContainsFunc(s.On("vitedge/pi/status"), func(status string) bool { return !strings.Contains(status, `"reconnects":0`) })
	})
	s.Until("events", func([]brokertest.Message) bool { return len(s.On("vitedge/pi/cam/event")) > 10 })

	last := uint64(0)
	for _, payload := range append(before, s.On("vitedge/pi/cam/event")...) {
		var e publish.Event
		require.NoError(t, json.Unmarshal([]byte(payload), &e))
		// One that was in flight when the broker died may come twice, and one
		// that it got last may not have reached its subscriber.
		require.LessOrEqual(t, e.Seq, last+2)
		last = max(last, e.Seq)
	}
}

func TestWillOnKill(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("vitedge/pi/availability")
	d := startDaemon(t, nil, colors(t, b.URL(), "red")...)
	s.UntilOn("vitedge/pi/availability", "online")
	require.NoError(t, d.cmd.Process.Kill())
	s.UntilOn("vitedge/pi/availability", "offline")
}

// TestTwoDaemonsWithOneID guards that daemons that take turns with one client id
// say so where people look.
func TestTwoDaemonsWithOneID(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("vitedge/pi/status")
	for range 2 {
		startDaemon(t, nil, append(colors(t, b.URL(), "red"), "--set", "mqtt.status=1s")...)
	}
	s.UntilOn("vitedge/pi/status", `"problems":["the broker keeps closing the connection; does another client use the client id pi?"]`)
}

func TestSIGTERM(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("vitedge/pi/availability")
	d := startDaemon(t, nil, colors(t, b.URL(), "red")...)
	s.UntilOn("vitedge/pi/availability", "online")
	began := time.Now()
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, d.wait())
	t.Logf("ended after %v", time.Since(began))
	s.UntilOn("vitedge/pi/availability", "offline")
	require.Contains(t, d.output(), "disconnected from the broker", "the farewell must not be the will")
}

// TestSIGTERMWithADeadBroker freezes the broker first: the daemon does not
// wait for it for long, and a second signal ends it at once.
func TestSIGTERMWithADeadBroker(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("vitedge/pi/availability")
	args := colors(t, b.URL(), "red")
	d := startDaemon(t, nil, args...)
	s.UntilOn("vitedge/pi/availability", "online")
	b.Freeze()
	began := time.Now()
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, d.wait())
	t.Logf("ended after %v", time.Since(began))
	require.Contains(t, d.output(), "left without a word")
	b.Thaw()

	d = startDaemon(t, nil, args...)
	s.Until("online again", func([]brokertest.Message) bool {
		got := s.On("vitedge/pi/availability")
		return len(got) > 2 && got[len(got)-1] == "online"
	})
	b.Freeze()
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	brokertest.Eventually(t, "the first signal", func() bool { return strings.Contains(d.output(), "stopping") })
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	d.wait()
	status := d.cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, status.Signaled() && status.Signal() == syscall.SIGTERM, d.cmd.ProcessState.String())
	b.Thaw()
}

// TestPersistedOutbox kills the daemon while the broker is away: the events
// that waited come from the next process, with their old session.
func TestPersistedOutbox(t *testing.T) {
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	p.Refuse(true)
	state := t.TempDir()
	args := append(colors(t, "mqtt://"+p.Addr(), "red red red green green green"),
		"--set", "cameras.cam.loop=false", "--interval", "1ms", "--set", "mqtt.outbox.persist=true", "--set", "state_dir="+state)
	d := startDaemon(t, nil, args...)
	brokertest.Eventually(t, "the change", func() bool { return strings.Contains(d.output(), "to=green") })
	require.NoError(t, d.cmd.Process.Kill())
	<-d.done

	s := b.Subscribe("vitedge/pi/cam/event")
	p.Refuse(false)
	d = startDaemon(t, nil, args...)
	require.Zero(t, d.wait())
	s.Until("both events", func(m []brokertest.Message) bool { return len(m) == 2 })
	var first, second publish.Event
	require.NoError(t, json.Unmarshal([]byte(s.Messages()[0].Payload), &first))
	require.NoError(t, json.Unmarshal([]byte(s.Messages()[1].Payload), &second))
	require.NotEqual(t, first.Session, second.Session)
	require.Equal(t, uint64(1), first.Seq)
	require.Equal(t, uint64(1), second.Seq)
}

// TestNoDiskWrites reads what the kernel has counted for the process while it
// publishes: SD cards wear out.
func TestNoDiskWrites(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("vitedge/pi/cam/event")
	d := startDaemon(t, nil, append(colors(t, b.URL(), "red red red green green green"), "--interval", "1ms", "--log-level", "error")...)
	s.Until("some events", func(m []brokertest.Message) bool { return len(m) >= 5 })
	written := func() string {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", d.cmd.Process.Pid))
		require.NoError(t, err)
		for line := range strings.Lines(string(data)) {
			if strings.HasPrefix(line, "write_bytes:") {
				return line
			}
		}
		t.Skip("the kernel does not count writes")
		return ""
	}
	before := written()
	s.Until("many events", func(m []brokertest.Message) bool { return len(m) >= 50 })
	require.Equal(t, before, written())
}

// TestCameraConfig: every key of a camera means what it says.
func TestCameraConfig(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	c := config.Camera{
		Source: "auto", Format: "mjpeg", Width: 1280, Height: 720, FPS: 7.5, Loop: true, Crop: []float64{0.125, 0.25, 0.5, 0.75},
		Rotate: 270, Flip: "both", Controls: map[string]int{"gain": 3},
	}
	got, err := cameraConfig(c, 224, log)
	require.NoError(t, err)
	require.Equal(t, camera.Config{
		Source: "auto", Format: camera.MJPG, Width: 1280, Height: 720, Cover: 224, FPS: 7.5, Loop: true, Controls: map[string]int{"gain": 3},
		View: camera.View{Crop: camera.Region{X: 0.125, Y: 0.25, Width: 0.5, Height: 0.75}, Turn: 270, FlipX: true, FlipY: true}, Log: log,
	}, got)
	for flip, want := range map[string][2]bool{"none": {false, false}, "horizontal": {true, false}, "vertical": {false, true}} {
		got, err := cameraConfig(config.Camera{Format: "auto", Flip: flip}, 224, log)
		require.NoError(t, err)
		require.Equal(t, want, [2]bool{got.View.FlipX, got.View.FlipY}, flip)
		require.Zero(t, got.Format)
	}
	_, err = cameraConfig(config.Camera{Format: "h264"}, 224, log)
	require.ErrorContains(t, err, `"h264" is not supported`)
}

// TestCrop looks at one half of a picture.
func TestCrop(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 40, 20))
	draw.Draw(img, img.Rect, image.NewUniform(color.RGBA{220, 20, 20, 255}), image.Point{}, draw.Src)
	draw.Draw(img, image.Rect(20, 0, 40, 20), image.NewUniform(color.RGBA{20, 20, 220, 255}), image.Point{}, draw.Src)
	var data bytes.Buffer
	require.NoError(t, png.Encode(&data, img))
	dir := t.TempDir()
	for _, name := range []string{"left", "right"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), data.Bytes(), 0o600))
	}

	b := brokertest.Start(t)
	s := b.Subscribe("#")
	file := configFile(t, "cameras:\n  left: {source: 'file:"+dir+"/left.png', crop: [0, 0, 0.5, 1]}\n  right: {source: 'file:"+dir+"/right.png', crop: [0.5, 0, 0.5, 1], rotate: 90, flip: both}\n")
	args := colors(t, b.URL(), "grey")
	args = append(args[:2:2], args[4:]...) // without --camera
	startDaemon(t, nil, append([]string{"--config", file, "--interval", "5ms"}, args...)...)
	s.UntilOn("vitedge/pi/left/state", `"label":"red"`)
	s.UntilOn("vitedge/pi/right/state", `"label":"blue"`)
}

// TestTwoCameras guards that cameras have topics, settings and states of their
// own while they share the model.
func TestTwoCameras(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("#")
	dir := t.TempDir()
	for _, name := range []string{"red", "blue"} {
		require.NoError(t, writePictures(filepath.Join(dir, name), name))
	}
	file := configFile(t, "cameras:\n  front-door: {source: 'file:"+dir+"/red'}\n  yard: {source: 'file:"+dir+"/blue'}\n")
	args := colors(t, b.URL(), "grey")
	args = append(args[:2:2], args[4:]...) // without --camera
	startDaemon(t, nil, append([]string{"--config", file, "--interval", "5ms"}, args...)...)
	s.UntilOn("vitedge/pi/front-door/state", `"source":"front-door","label":"red"`)
	s.UntilOn("vitedge/pi/yard/state", `"source":"yard","label":"blue"`)
	s.UntilOn("vitedge/pi/yard/availability", "online")
	m := s.UntilOn("homeassistant/device/pi/config", "front-door_label")
	require.Contains(t, m.Payload, `"yard_label"`)

	s.Publish("vitedge/pi/yard/enabled/set", "OFF", false)
	s.UntilOn("vitedge/pi/yard/enabled/state", "OFF")
	require.NotContains(t, s.On("vitedge/pi/front-door/enabled/state"), "OFF")
	require.Equal(t, "red", labels(t, s.On("vitedge/pi/front-door/state")))
}

// TestHTTP asks a running daemon, found by the address in its log.
func TestHTTP(t *testing.T) {
	b := brokertest.Start(t)
	d := startDaemon(t, nil, append(colors(t, b.URL(), "blue"), "--http", "127.0.0.1:0", "--interval", "5ms")...)
	found := regexp.MustCompile(`http=(127\.0\.0\.1:\d+)`)
	brokertest.Eventually(t, "the address", func() bool { return found.MatchString(d.output()) })
	base := "http://" + found.FindStringSubmatch(d.output())[1]
	get := func(path string) (int, string) {
		r, err := http.Get(base + path)
		require.NoError(t, err)
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		return r.StatusCode, string(body)
	}
	brokertest.Eventually(t, "readiness", func() bool {
		code, _ := get("/readyz")
		return code == http.StatusOK
	})
	code, body := get("/healthz")
	require.Equal(t, http.StatusOK, code, body)
	// Readiness does not wait for the first answer.
	eventually := func(path, want string) {
		pattern := regexp.MustCompile(want)
		brokertest.Eventually(t, path, func() bool {
			code, body = get(path)
			return code == http.StatusOK && pattern.MatchString(body)
		})
	}
	eventually("/api/v1/latest", `"label":"blue"`)
	eventually("/metrics", `(?m)^vitedge_frames_classified_total\{camera="cam"\} [1-9]`)
	require.Contains(t, body, "vitedge_mqtt_connected 1\n")
	eventually("/snapshot.jpg", "")
	require.True(t, strings.HasPrefix(body, "\xff\xd8"))

	b.Kill()
	brokertest.Eventually(t, "the missing broker", func() bool {
		code, body := get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "no connection to the broker")
	})
	code, _ = get("/healthz")
	require.Equal(t, http.StatusOK, code)
}

func TestWithoutABroker(t *testing.T) {
	d := startDaemon(t, nil, append(colors(t, "", "red red red"), "--set", "cameras.cam.loop=false", "--interval", "0s")...)
	require.Zero(t, d.wait(), d.output())
	require.Contains(t, d.output(), "to=red")
}

func TestMissingFolder(t *testing.T) {
	args := colors(t, "", "red")
	d := startDaemon(t, nil, append(args, "--camera", "file:/nonexistent")...)
	require.Equal(t, exitConfig, d.wait())
	require.Contains(t, d.output(), "vitedge: cameras.cam: stat /nonexistent: no such file or directory")
}

func TestLogFormats(t *testing.T) {
	args := append(colors(t, "", "red"), "--set", "cameras.cam.loop=false")
	d := startDaemon(t, nil, append(args, "--log-format", "json")...)
	require.Zero(t, d.wait())
	for line := range strings.Lines(d.output()) {
		var record map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &record), line)
		require.Contains(t, record, "time")
	}
	d = startDaemon(t, []string{"JOURNAL_STREAM=8:1"}, args...)
	require.Zero(t, d.wait())
	require.NotContains(t, d.output(), "time=")
	require.True(t, strings.HasPrefix(d.output(), "level=INFO msg=\"model loaded\""), d.output())
}
