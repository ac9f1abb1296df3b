package main

import (
	"context"
	"encoding/json"
	"image/jpeg"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/brokertest"
	"vitedge/cmd/vitedge/internal/pipeline"
	"vitedge/cmd/vitedge/internal/publish"
	"vitedge/vitlite"
)

// config writes a configuration file that the colors flags are put on top of.
func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vitedge.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestHomeAssistant guards what Home Assistant sees: the description of the
// device on connect and again after its own birth, and that nothing is left
// after cleanup.
func TestHomeAssistant(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("#")
	args := append(colors(t, b.URL(), "red"), "--set", "device.name=Door")
	d := startDaemon(t, nil, args...)
	m := s.UntilOn("homeassistant/device/pi/config", "Door")
	require.Equal(t, byte(1), m.QoS)
	var root struct {
		Components map[string]map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(m.Payload), &root))
	require.Equal(t, "vitedge/pi/cam/state", root.Components["cam_label"]["state_topic"])
	require.Equal(t, []any{"red", "green", "blue", "unknown"}, root.Components["cam_label"]["options"])
	s.UntilOn("vitedge/pi/cam/state", "red")

	code, _, stderr := execute(append([]string{"mqtt", "cleanup"}, args...)...)
	require.Equal(t, exitFailure, code)
	require.Contains(t, stderr, "the daemon of pi is running and would publish everything again; stop it first")

	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, d.wait())
	code, stdout, stderr := execute(append([]string{"mqtt", "cleanup"}, args...)...)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "removed homeassistant/device/pi/config\n")
	require.Contains(t, stdout, "removed vitedge/pi/availability\n")
	require.Contains(t, stdout, "removed vitedge/pi/cam/state\n")

	late := b.Subscribe("#")
	late.Publish("marker", "", false)
	late.UntilOn("marker", "")
	require.Len(t, late.Messages(), 1, "nothing is retained any more")
	code, stdout, _ = execute(append([]string{"mqtt", "cleanup"}, args...)...)
	require.Zero(t, code)
	require.Equal(t, "the broker retains nothing of pi\n", stdout)
}

func TestCleanupWithoutABroker(t *testing.T) {
	code, _, stderr := execute("mqtt", "cleanup", "--broker", "")
	require.Equal(t, exitConfig, code)
	require.Contains(t, stderr, "mqtt.url is empty")
}

// TestCleanupAfterAPowerCut: a broker that has not seen the daemon go has it as
// online for as long as it does not come again.
func TestCleanupAfterAPowerCut(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("#")
	s.Publish("vitedge/pi/availability", "online", true)
	s.Publish("vitedge/pi/cam/state", "{}", true)
	args := []string{"mqtt", "cleanup", "--broker", b.URL(), "--set", "device.id=pi"}
	code, _, stderr := execute(args...)
	require.Equal(t, exitFailure, code)
	require.Contains(t, stderr, "use --force if it is not, as after a power cut")
	code, stdout, stderr := execute(append(args, "--force")...)
	require.Zero(t, code, stderr)
	require.Equal(t, "removed vitedge/pi/availability\nremoved vitedge/pi/cam/state\n", stdout)
}

// TestSettingsOverMQTT switches the camera off, and finds it off after a
// restart by command.
func TestSettingsOverMQTT(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("vitedge/#")
	d := startDaemon(t, nil, append(colors(t, b.URL(), "red"), "--interval", "5ms")...)
	s.UntilOn("vitedge/pi/cam/enabled/state", "ON")
	s.Publish("vitedge/pi/cam/threshold/set", "0.25", false)
	s.UntilOn("vitedge/pi/cam/threshold/state", "0.25")
	s.Publish("vitedge/pi/cam/threshold/set", "2", false)
	s.UntilOn("vitedge/pi/cmd/result", `"cmd":"cam/threshold/set","ok":false,"error":"threshold is \"2\"; want a number from 0 to 1"`)
	s.Publish("vitedge/pi/cam/enabled/set", "OFF", false)
	s.UntilOn("vitedge/pi/cam/enabled/state", "OFF")
	s.Publish("vitedge/pi/cmd/classify", `{"id":"1"}`, false)
	s.UntilOn("vitedge/pi/cmd/result", `{"id":"1","cmd":"classify","ok":false,"error":"camera cam: the camera is switched off"}`)

	s.Forget()
	s.Publish("vitedge/pi/cmd/restart", `{"id":"2"}`, false)
	s.UntilOn("vitedge/pi/cmd/result", `{"id":"2","cmd":"restart","ok":true,"error":""}`)
	s.UntilOn("vitedge/pi/availability", "offline")
	s.Until("the new process", func([]brokertest.Message) bool {
		got := s.On("vitedge/pi/availability")
		return len(got) >= 2 && got[len(got)-1] == "online"
	})
	brokertest.Eventually(t, "the log", func() bool { return strings.Count(d.output(), "model loaded") == 2 })
	s.UntilOn("vitedge/pi/cam/threshold/state", "0.25")
	s.Until("the camera off", func([]brokertest.Message) bool {
		got := s.On("vitedge/pi/cam/enabled/state")
		return len(got) > 0 && got[len(got)-1] == "OFF"
	})
}

func TestClassifyAndSnapshotCommands(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("vitedge/#")
	args := append(colors(t, b.URL(), "blue"), "--interval", "1h", "--set", "mqtt.predictions=0s")
	startDaemon(t, nil, append(args, "--set", "mqtt.image=true")...)
	s.UntilOn("vitedge/pi/cam/availability", "online")
	s.Publish("vitedge/pi/cmd/classify", `{"id":"1","source":"cam"}`, false)
	s.UntilOn("vitedge/pi/cmd/result", `{"id":"1","cmd":"classify","ok":true,"error":""}`)
	s.UntilOn("vitedge/pi/cam/prediction", `"label":"blue"`)
	s.Publish("vitedge/pi/cmd/snapshot", `{"id":"2"}`, false)
	s.UntilOn("vitedge/pi/cmd/result", `{"id":"2","cmd":"snapshot","ok":true,"error":""}`)
	m := s.UntilOn("vitedge/pi/cam/image", "\xff\xd8")
	require.Equal(t, byte(0), m.QoS)
	late := b.Subscribe("vitedge/pi/cam/image")
	require.True(t, late.UntilOn("vitedge/pi/cam/image", "\xff\xd8").Retained)
}

// TestImageOnChange guards that the picture is the very one that has changed the
// label, that it waits for a connection, and that none is taken from those to be
// classified.
func TestImageOnChange(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("vitedge/pi/cam/#")
	p := brokertest.NewProxy(t, b.Addr())
	p.Refuse(true)
	d := startDaemon(t, nil, append(colors(t, "mqtt://"+p.Addr(), "red green blue"), "--interval", "0s", "--set", "mqtt.image=true",
		"--set", "cameras.cam.loop=false", "--set", "decide.votes=1", "--set", "decide.window=1")...)
	brokertest.Eventually(t, "the end of the folder", func() bool { return strings.Contains(d.output(), "all sources are at their end") })
	p.Refuse(false)
	require.Zero(t, d.wait())
	s.UntilOn("vitedge/pi/cam/image", "")
	s.UntilOn("vitedge/pi/cam/state", `"label":"blue","index":2`)
	require.Equal(t, "red green blue", labels(t, s.On("vitedge/pi/cam/state")))
	pictures := s.On("vitedge/pi/cam/image")
	require.Len(t, pictures, 1)
	img, err := jpeg.Decode(strings.NewReader(pictures[0]))
	require.NoError(t, err)
	red, green, blue, _ := img.At(img.Bounds().Dx()/2, img.Bounds().Dy()/2).RGBA()
	require.Greater(t, blue, max(red, green))
}

func TestImagesAreOffByDefault(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("vitedge/#")
	startDaemon(t, nil, append(colors(t, b.URL(), "red red red green green green"), "--interval", "1ms")...)
	s.UntilOn("vitedge/pi/cam/event", "green")
	s.Publish("vitedge/pi/cmd/snapshot", "", false)
	s.UntilOn("vitedge/pi/cmd/result", "pictures are not published; see mqtt.image")
	require.Empty(t, s.On("vitedge/pi/cam/image"))
}

// TestReload changes what can be changed in a running daemon and what cannot,
// once by command and once by SIGHUP.
func TestReload(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("vitedge/#")
	file := configFile(t, "decide: {threshold: 0.5}\n")
	d := startDaemon(t, nil, append([]string{"--config", file}, colors(t, b.URL(), "red")...)...)
	s.UntilOn("vitedge/pi/cam/threshold/state", "0.5")

	require.NoError(t, os.WriteFile(file, []byte("decide: {threshold: 0.75}\nhome_assistant: {prefix: ha}\n"), 0o600))
	s.Publish("vitedge/pi/cmd/reload", `{"id":"1"}`, false)
	s.UntilOn("vitedge/pi/cmd/result", `{"id":"1","cmd":"reload","ok":true,"error":"","detail":"in force: decide.threshold; only after a restart: home_assistant.prefix"}`)
	s.UntilOn("vitedge/pi/cam/threshold/state", "0.75")

	require.NoError(t, os.WriteFile(file, []byte("decide: {threshold: 7}\n"), 0o600))
	s.Publish("vitedge/pi/cmd/reload", `{"id":"2"}`, false)
	s.UntilOn("vitedge/pi/cmd/result", `"ok":false,"error":"vitedge.yaml:1: decide.threshold is 7; want 0 to 1"`)

	require.NoError(t, os.WriteFile(file, []byte("decide: {threshold: 0.25}\nhome_assistant: {prefix: ha}\n"), 0o600))
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGHUP))
	s.UntilOn("vitedge/pi/cam/threshold/state", "0.25")
	brokertest.Eventually(t, "the log", func() bool { return strings.Contains(d.output(), "the configuration was read again") })
}

// TestOverrideDuringReload: a setting that comes over MQTT after a reload has looked
// for those, and before it has put its own into force, holds.
func TestOverrideDuringReload(t *testing.T) {
	d := newTestDaemon(t, append(colors(t, "mqtt://127.0.0.1:1", "red"), "--set", "state_dir="+t.TempDir())...)
	d.mu.Lock()
	before := d.settings("cam")
	low := 0.25
	require.NoError(t, d.store.Put("cam", publish.Overrides{Threshold: &low}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.actions().Override("cam")
	}()
	for range 1000 {
		runtime.Gosched() // without the lock it would be done now
	}
	d.pipelines["cam"].Set(before)
	d.mu.Unlock()
	<-done
	require.Equal(t, low, d.pipelines["cam"].Settings().Threshold)
}

// TestReloadDuringRestart: SIGHUP, which by default ends a program, ends none
// that starts anew, whenever it comes.
func TestReloadDuringRestart(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("vitedge/pi/availability")
	d := startDaemon(t, nil, colors(t, b.URL(), "red")...)
	s.UntilOn("vitedge/pi/availability", "online")
	s.Publish("vitedge/pi/cmd/restart", "", false)
	brokertest.Eventually(t, "a reload by the new program", func() bool {
		for range 10000 { // for one to meet every moment of the start
			if d.cmd.Process.Signal(syscall.SIGHUP) != nil {
				return true
			}
		}
		starts := strings.Split(d.output(), "model loaded")
		return len(starts) > 2 && strings.Contains(starts[2], "the configuration was read again")
	})
	select {
	case <-d.done:
		t.Fatal("it has ended: ", d.cmd.ProcessState)
	default:
	}
}

// TestReloadDuringStart: what changes while the configuration is read is not
// lost, as it is if the signal ends the program, which by default it does.
func TestReloadDuringStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vitedge.yaml")
	require.NoError(t, syscall.Mkfifo(file, 0o600))
	d := startDaemon(t, nil, "--config", file)
	var pipe *os.File
	brokertest.Eventually(t, "the program to read", func() bool {
		var err error
		pipe, err = os.OpenFile(file, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		return err == nil
	})
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGHUP))
	_, err := pipe.WriteString("nonsense: 1\n")
	require.NoError(t, err)
	require.NoError(t, pipe.Close())
	require.Equal(t, exitConfig, d.wait())
}

// TestUpdateModel puts another model beside the one in use and has it taken.
func TestUpdateModel(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("vitedge/#")
	args := colors(t, b.URL(), "red")
	model := args[1]
	d := startDaemon(t, nil, args...)
	s.UntilOn("vitedge/pi/status", "vit_colors")

	s.Publish("vitedge/pi/cmd/update_model", `{"id":"1"}`, false)
	s.UntilOn("vitedge/pi/cmd/result", `"error":"no model file waits; put one beside the one in use, with .next at the end of its name"`)
	require.NoError(t, os.WriteFile(model+nextSuffix, []byte("rubbish"), 0o600))
	s.Publish("vitedge/pi/cmd/update_model", `{"id":"2"}`, false)
	s.UntilOn("vitedge/pi/cmd/result", `{"id":"2","cmd":"update_model","ok":false,"error":"the model file that waits is no good: `)
	require.FileExists(t, model+nextSuffix)

	data, err := os.ReadFile(model)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(model+nextSuffix, data, 0o600))
	s.Publish("vitedge/pi/cmd/update_model", `{"id":"3"}`, false)
	s.UntilOn("vitedge/pi/cmd/result", `{"id":"3","cmd":"update_model","ok":true`)
	brokertest.Eventually(t, "the new process", func() bool { return strings.Count(d.output(), "model loaded") == 2 })
	require.NoFileExists(t, model+nextSuffix)
}

func TestNextModel(t *testing.T) {
	n := nextModel{path: filepath.Join(t.TempDir(), "m.next")}
	require.Empty(t, n.sha256())
	require.NoError(t, os.WriteFile(n.path, []byte("abc"), 0o600))
	require.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", n.sha256())
	require.NoError(t, os.WriteFile(n.path, []byte("abcd"), 0o600))
	require.Equal(t, "88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589", n.sha256())
	require.NoError(t, os.Remove(n.path))
	require.Empty(t, n.sha256())
}

// notified plays systemd's side of the notification socket.
type notified struct {
	t      *testing.T
	path   string
	states chan string
}

func listenAsSystemd(t *testing.T) *notified {
	t.Helper()
	n := &notified{t, filepath.Join(t.TempDir(), "notify"), make(chan string, 1000)}
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: n.path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { socket.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			size, err := socket.Read(buf)
			if err != nil {
				return
			}
			n.states <- string(buf[:size])
		}
	}()
	return n
}

// next waits for the next state.
func (n *notified) next() string {
	n.t.Helper()
	select {
	case s := <-n.states:
		return s
	case <-time.After(brokertest.Patience):
		n.t.Fatal("waited in vain for a state")
		return ""
	}
}

// until waits for a state that contains part and returns those before it.
func (n *notified) until(part string) (before []string) {
	n.t.Helper()
	deadline := time.After(brokertest.Patience)
	for {
		select {
		case s := <-n.states:
			if strings.Contains(s, part) {
				return before
			}
			before = append(before, s)
		case <-deadline:
			n.t.Fatalf("waited in vain for %s", part)
		}
	}
}

func TestSystemd(t *testing.T) {
	n := listenAsSystemd(t)
	d := startDaemon(t, []string{"NOTIFY_SOCKET=" + n.path, "WATCHDOG_USEC=200000"}, colors(t, "", "red")...)
	n.until("READY=1")
	n.until("STATUS=camera cam is up")
	for range 3 {
		n.until("WATCHDOG=1")
	}
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	n.until("STOPPING=1")
	require.Zero(t, d.wait())
}

// TestRestartIsNoStop guards that systemd is not told that a daemon stops that
// starts anew in its process: it would kill it when it does not end.
func TestRestartIsNoStop(t *testing.T) {
	b := brokertest.Start(t)
	n := listenAsSystemd(t)
	startDaemon(t, []string{"NOTIFY_SOCKET=" + n.path}, colors(t, b.URL(), "red")...)
	n.until("READY=1")
	s := b.Subscribe("vitedge/pi/availability")
	s.UntilOn("vitedge/pi/availability", "online")
	s.Publish("vitedge/pi/cmd/restart", "", false)
	require.NotContains(t, n.until("READY=1"), "STOPPING=1")
}

// TestStalledPipelineStarvesTheWatchdog guards that a timer does not feed it.
func TestStalledPipelineStarvesTheWatchdog(t *testing.T) {
	n := listenAsSystemd(t)
	t.Setenv("NOTIFY_SOCKET", n.path)
	t.Setenv("WATCHDOG_USEC", "40000")
	dir := t.TempDir()
	model, err := writeColorModel(dir)
	require.NoError(t, err)
	d := newTestDaemon(t, "--model", model, "--camera", "test:", "--broker", "", "--http", "", "--set", "state_dir="+dir)
	d.stallLimit = 0
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.runSystemd(ctx)
	}()
	require.Equal(t, "READY=1", n.next())
	for range 9 {
		require.Equal(t, "STATUS=camera cam is down; stalled: cam", n.next())
	}
	cancel()
	<-ended
}

// gate is a model that answers unless it is locked.
type gate struct{ sync.Mutex }

func (g *gate) Classify(dst []vitlite.Prediction, _ *camera.Frame, _ func() error) ([]vitlite.Prediction, pipeline.Report, error) {
	g.Lock()
	defer g.Unlock()
	return append(dst[:0], vitlite.Prediction{Label: "red", Score: 1}), pipeline.Report{}, nil
}

// TestWatchdogFollowsThePipeline has the model hang in a pipeline that runs: the
// watchdog is fed until then, is not while it hangs, and is again when it goes on.
func TestWatchdogFollowsThePipeline(t *testing.T) {
	n := listenAsSystemd(t)
	t.Setenv("NOTIFY_SOCKET", n.path)
	t.Setenv("WATCHDOG_USEC", "40000")
	dir := t.TempDir()
	file, err := writeColorModel(dir)
	require.NoError(t, err)
	d := newTestDaemon(t, "--model", file, "--camera", "test:", "--broker", "", "--http", "", "--set", "state_dir="+dir)
	d.stallLimit = 5 * time.Second // more than a busy machine holds the pipeline up
	var model gate
	p := pipeline.New(pipeline.Options{
		Name: "cam", Classifier: &model, Log: d.log,
		Open: func(ctx context.Context) (camera.Camera, error) {
			return openCamera(ctx, camera.Config{Source: "test:", Log: d.log})
		},
		Settings: pipeline.Settings{Enabled: true, Interval: time.Millisecond, Top: 1, Rule: pipeline.Rule{Votes: 1, Window: 1, Heartbeat: time.Hour}},
	})
	d.pipelines["cam"] = p
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	running.Go(func() { d.runSystemd(ctx) })
	n.until("STATUS=camera cam is up\nWATCHDOG=1")
	model.Lock()
	n.until("stalled: cam")
	for range 5 { // and it stays so
		require.Equal(t, "STATUS=camera cam is up; stalled: cam", n.next())
	}
	model.Unlock()
	n.until("STATUS=camera cam is up\nWATCHDOG=1")
	cancel()
	running.Wait()
}

// TestStalled guards what feeds the watchdog: a pipeline without signs of life
// is found.
func TestStalled(t *testing.T) {
	dir := t.TempDir()
	model, err := writeColorModel(dir)
	require.NoError(t, err)
	d := newTestDaemon(t, "--model", model, "--camera", "test:", "--broker", "", "--set", "state_dir="+dir)
	require.Empty(t, d.stalled())
	d.stallLimit = 0
	require.Equal(t, []string{"cam"}, d.stalled())
	require.Equal(t, []string{"camera cam is stalled"}, d.facts().Problems)
	require.Contains(t, d.statusLine(), "stalled: cam")

	// One whose source is at its end beside others has nothing to show.
	d.pipelines["cam"] = pipeline.New(pipeline.Options{
		Name: "cam", Log: d.log, Settings: pipeline.Settings{Enabled: true, Rule: pipeline.Rule{Votes: 1, Window: 1}},
		Open: func(context.Context) (camera.Camera, error) { return ended{}, nil },
	})
	require.NoError(t, d.pipelines["cam"].Run(t.Context()))
	require.Empty(t, d.stalled())
	require.NotContains(t, d.unready(), "camera cam is down")
	require.Equal(t, "camera cam is at its end", d.statusLine())
}

// ended is a source at its end.
type ended struct{}

func (ended) Next(context.Context) (*camera.Frame, error) { return nil, io.EOF }
func (ended) Close() error                                { return nil }

// TestRemovedCamera takes a camera out of the configuration: its topics vanish
// from the broker and its entities from Home Assistant, which wants to be told
// the platform of each that goes (MQTT integration, "device discovery").
func TestRemovedCamera(t *testing.T) {
	b := brokertest.Start(t)
	dir := t.TempDir()
	for _, name := range []string{"red", "blue"} {
		require.NoError(t, writePictures(filepath.Join(dir, name), name))
	}
	both := "cameras:\n  door: {source: 'file:" + dir + "/red'}\n  yard: {source: 'file:" + dir + "/blue'}\n"
	one := "cameras:\n  door: {source: 'file:" + dir + "/red'}\n"
	file := configFile(t, both)
	args := colors(t, b.URL(), "grey")
	state := t.TempDir()
	args = append([]string{"--config", file, "--set", "state_dir=" + state, "--interval", "5ms"}, append(args[:2:2], args[4:]...)...)

	components := func(s *brokertest.Subscriber) map[string]map[string]any {
		var root struct {
			Components map[string]map[string]any
		}
		got := s.On("homeassistant/device/pi/config")
		require.NoError(t, json.Unmarshal([]byte(got[len(got)-1]), &root))
		return root.Components
	}
	// retained are the topics that begin and end so, as a client that comes late
	// is told.
	retained := func(begin, end string) (topics []string) {
		late := b.Subscribe("#")
		late.Publish("marker", "", false)
		late.UntilOn("marker", "")
		for _, m := range late.Messages() {
			if m.Retained && strings.HasPrefix(m.Topic, begin) && strings.HasSuffix(m.Topic, end) {
				topics = append(topics, m.Topic)
			}
		}
		return topics
	}

	s := b.Subscribe("#")
	d := startDaemon(t, nil, args...)
	s.UntilOn("vitedge/pi/yard/state", "blue")
	s.UntilOn("homeassistant/device/pi/config", "yard_label")
	s.UntilOn("vitedge/pi/yard/interval/state", "")

	// A reload says that it takes a restart; after that the camera is gone.
	require.NoError(t, os.WriteFile(file, []byte(one), 0o600))
	s.Publish("vitedge/pi/cmd/reload", "", false)
	require.Contains(t, s.UntilOn("vitedge/pi/cmd/result", `"cmd":"reload"`).Payload, "only after a restart: cameras.yard.")
	s.Forget()
	s.Publish("vitedge/pi/cmd/restart", "", false)
	s.UntilOn("homeassistant/device/pi/config", "yard_label")
	brokertest.Eventually(t, "nothing of the camera at the broker", func() bool { return len(retained("vitedge/pi/yard/", "")) == 0 })
	after := components(s)
	require.Equal(t, map[string]any{"platform": "sensor"}, after["yard_label"])
	require.Equal(t, map[string]any{"platform": "switch"}, after["yard_enabled"])
	require.Contains(t, after["door_label"], "unique_id")
	require.Contains(t, retained("vitedge/pi/door/", ""), "vitedge/pi/door/availability")
	brokertest.Eventually(t, "the note that the camera is gone", func() bool {
		announced, err := os.ReadFile(filepath.Join(state, "announced.json"))
		return err == nil && !strings.Contains(string(announced), "yard")
	})
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, d.wait())

	// The next description is without it.
	s.Forget()
	d = startDaemon(t, nil, args...)
	s.UntilOn("homeassistant/device/pi/config", "door_label")
	require.NotContains(t, components(s), "yard_label")
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, d.wait())

	// Without discovery Home Assistant forgets the device, without commands the
	// topics of the settings go.
	s.Forget()
	startDaemon(t, nil, append(args, "--set", "home_assistant.discovery=false", "--set", "mqtt.commands=false")...)
	s.UntilOn("vitedge/pi/door/state", "red")
	brokertest.Eventually(t, "no description at the broker", func() bool {
		return len(retained("homeassistant/", "")) == 0 && len(retained("vitedge/pi/door/", "/interval/state")) == 0
	})
}

// TestRetractionOutlivesAKill guards that what is to be taken back stays in the
// file until the broker has acknowledged it.
func TestRetractionOutlivesAKill(t *testing.T) {
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	p.Refuse(true)
	state := t.TempDir()
	path := filepath.Join(state, "announced.json")
	read := func() publish.Announced {
		a, err := publish.ReadAnnounced(path)
		require.NoError(t, err)
		return a
	}
	require.NoError(t, publish.Announced{
		Topics: []string{"vitedge/pi/yard/state"}, Discovery: "homeassistant/device/pi/config", Components: map[string]string{"yard_label": "sensor"},
	}.Write(path))
	args := append(colors(t, "mqtt://"+p.Addr(), "red"), "--set", "state_dir="+state)
	for range 2 {
		d := startDaemon(t, nil, args...)
		brokertest.Eventually(t, "the start", func() bool { return strings.Contains(d.output(), "taking back what the configuration has no more") })
		require.NoError(t, d.cmd.Process.Kill())
		<-d.done
		require.Contains(t, read().Topics, "vitedge/pi/yard/state")
		require.Contains(t, read().Topics, "vitedge/pi/cam/state")
		require.Equal(t, "sensor", read().Components["yard_label"])
	}
	p.Refuse(false)
	startDaemon(t, nil, args...)
	brokertest.Eventually(t, "the note", func() bool { return len(read().Topics) > 0 && read().Components["yard_label"] == "" })
	require.NotContains(t, read().Topics, "vitedge/pi/yard/state")
}

// TestUnwritableState guards that a daemon that cannot write says so and works.
func TestUnwritableState(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("vitedge/#")
	d := startDaemon(t, nil, append(colors(t, b.URL(), "red"), "--set", "state_dir=/proc/nothing", "--set", "mqtt.outbox.persist=true")...)
	s.UntilOn("vitedge/pi/cam/state", "red")
	s.UntilOn("vitedge/pi/status", `"problems":["waiting messages are not kept on disk"`)
	require.Contains(t, d.output(), "what is announced is not noted")
	s.Publish("vitedge/pi/cam/threshold/set", "0.25", false)
	s.UntilOn("vitedge/pi/cam/threshold/state", "0.25")
	s.UntilOn("vitedge/pi/cmd/result", "settings are not kept over a restart")
	s.UntilOn("vitedge/pi/status", "settings are not kept over a restart")
}

// TestFullDisk fills a disk of its own under a running daemon: it says so in
// status and answer, works on, and mends itself when there is room again.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256k")
	if err != nil && (os.Getuid() != 0 || os.Getenv("VITEDGE_TEST_REQUIRE") != "1") {
		t.Skipf("only root may mount a disk of its own: %v", err)
	}
	require.NoError(t, err, "mounting a disk of its own")
	t.Cleanup(func() { syscall.Unmount(disk, syscall.MNT_DETACH) })
	b := brokertest.Start(t)
	s := b.Subscribe("vitedge/#")
	d := startDaemon(t, nil, append(colors(t, b.URL(), "red red red green green green"), "--set", "state_dir="+disk,
		"--interval", "10ms", "--set", "mqtt.status=1s", "--set", "mqtt.outbox.persist=true")...)
	s.UntilOn("vitedge/pi/cam/event", "green")
	s.UntilOn("vitedge/pi/status", `"problems":[]`)

	file, err := os.Create(filepath.Join(disk, "filler"))
	require.NoError(t, err)
	for page := make([]byte, 4096); err == nil; {
		_, err = file.Write(page)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	s.UntilOn("vitedge/pi/status", "waiting messages are not kept on disk")
	s.Publish("vitedge/pi/cam/threshold/set", "0.25", false)
	s.UntilOn("vitedge/pi/cmd/result", "settings are not kept over a restart: ")
	s.UntilOn("vitedge/pi/cmd/result", "no space left on device")
	s.UntilOn("vitedge/pi/cam/threshold/state", "0.25")
	s.UntilOn("vitedge/pi/status", `"problems":["waiting messages are not kept on disk","settings are not kept over a restart: `)
	require.NoError(t, file.Close())

	s.Forget()
	s.Until("many events on a full disk", func([]brokertest.Message) bool { return len(s.On("vitedge/pi/cam/event")) > 10 })
	require.NoError(t, os.Remove(file.Name()))
	s.Forget()
	s.Patience = 5 * time.Minute // the next try to write may be a minute away
	s.UntilOn("vitedge/pi/status", `"problems":[]`)
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGTERM))
	require.Zero(t, d.wait())
	settings, err := os.ReadFile(filepath.Join(disk, "settings.json"))
	require.NoError(t, err)
	require.Contains(t, string(settings), "0.25")
	left, err := filepath.Glob(filepath.Join(disk, "*.tmp"))
	require.NoError(t, err)
	require.Empty(t, left)
}
