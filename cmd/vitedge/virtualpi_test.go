//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
	"vitedge/camera/cameratest"
	"vitedge/cmd/vitedge/internal/brokertest"
	"vitedge/cmd/vitedge/internal/engine"
	"vitedge/cmd/vitedge/internal/publish"
	"vitedge/cmd/vitedge/internal/virtualpi"
)

// TestVirtualPi runs the daemon as it runs in the field: the static program
// for arm64, and then the one for 32-bit ARM, on a stock Debian kernel on an
// emulated Raspberry Pi 4 with a USB webcam, and a mosquitto for it on the
// host. Nothing is reached but loopback.
//
// The test knows what the webcam shows and computes what the daemon must
// answer. It pulls the cable, breaks the frames and stops the broker, and
// holds every single answer against what is known; see pi.verify.
func TestVirtualPi(t *testing.T) {
	packages := requireVirtualPi(t)
	if !virtualpi.Isolate(t) {
		return
	}
	p := newPi(t, packages)

	p.step("camera tests", func() { p.cameraTests("^TestReal") })
	p.step("list", p.list)
	p.step("one picture", p.onePicture)
	p.step("wrong setting", p.wrongSetting)

	p.start("/arm64/vitedge", "auto")
	p.step("identity", func() { p.identity("neon") })
	p.step("controls", p.controls)
	p.step("pictures", p.pictures)
	p.step("unplug", p.unplug)
	p.step("another node", p.anotherNode)
	p.step("freeze", func() { p.silent(cameratest.Faults{Freeze: true}) })
	// The driver itself drops frames that are marked, and raw ones that are short.
	p.step("marked frames", func() { p.silent(cameratest.Faults{ErrorBit: true}) })
	p.step("short frames", func() { p.silent(cameratest.Faults{Truncate: 0.5}) })
	p.step("broker", p.brokerRestart)
	p.step("stop", p.stop)

	p.start("/arm64/vitedge", "frozen")
	p.step("one picture for ever", p.frozen)
	p.step("stop", p.stop)

	require.NoError(t, p.webcam.Unplug()) // plugged in when the daemon runs
	p.start("/arm64/vitedge", "mjpeg")
	p.step("pictures", p.pictures)
	p.step("no Huffman tables", p.noHuffmanTables)
	p.step("truncated", func() { p.corrupt(truncated) })
	p.step("garbage", func() { p.corrupt(garbage) })
	p.step("nothing but garbage", p.lost)
	p.step("stop", p.stop)

	p.start("/arm/vitedge", "mjpeg")
	p.step("identity", func() { p.identity("generic") })
	p.step("pictures", p.pictures)
	p.step("unplug", p.unplug)
	p.step("truncated", func() { p.corrupt(truncated) })
	p.step("stop", p.stop)
	p.start("/arm/vitedge", "link")
	p.step("pictures", p.pictures)
	p.step("stop", p.stop)

	p.step("camera tests, vivid", p.vivid)
}

// requireVirtualPi skips the test, by name of what is missing, or fails it
// where every test must run.
func requireVirtualPi(t *testing.T) virtualpi.Packages {
	t.Helper()
	if os.Getenv("VITEDGE_TEST_REQUIRE") != "1" && os.Getenv("VITEDGE_TEST_VIRTUALPI") != "1" {
		t.Skip("the virtual Pi takes minutes; set VITEDGE_TEST_VIRTUALPI=1")
	}
	for _, tool := range []string{"qemu-system-aarch64", "dpkg-deb", "mosquitto"} {
		brokertest.RequireTool(t, tool)
	}
	folder, err := virtualpi.Folder()
	require.NoError(t, err)
	packages, err := virtualpi.FindPackages(folder)
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("VITEDGE_TEST_REQUIRE") != "1" {
		t.Skip(err)
	}
	require.NoError(t, err)
	return packages
}

// pi is the machine, what is plugged into it, and what it says.
type pi struct {
	t       *testing.T
	machine *virtualpi.Machine
	webcam  *cameratest.Camera
	broker  *brokertest.Broker
	proxy   *brokertest.Proxy // between guest and broker
	heard   *brokertest.Subscriber
	eye     *engine.Eye
	info    engine.Info

	known  map[cameratest.Format]answers // right answers
	format cameratest.Format             // of the daemon that runs
	shown  string                        // name of the picture
	seen   int                           // messages that were looked at
}

func newPi(t *testing.T, packages virtualpi.Packages) *pi {
	p := &pi{t: t, known: map[cameratest.Format]answers{}}
	model := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, writeSmallModel(model))
	e, err := engine.Load(model, 1)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	p.eye, p.info = e.Eye(), e.Info()
	for _, f := range []cameratest.Format{cameratest.YUYV, cameratest.MJPEG} {
		p.known[f] = expect(t, p.eye, f, cameratest.Faults{})
	}

	p.broker = brokertest.Start(t)
	p.proxy = brokertest.NewProxy(t, p.broker.Addr())
	p.webcam = cameratest.New(cameratest.Config{})
	p.webcam.SetFPS(10) // more than the emulated CPU classifies
	p.show("red")

	kernel, err := virtualpi.OpenKernel(packages.Kernel)
	require.NoError(t, err)
	modules, err := kernel.Modules(virtualpi.Modules...)
	require.NoError(t, err)
	vivid, err := kernel.Modules(append(slices.Clone(virtualpi.Modules), "vivid")...)
	require.NoError(t, err)
	busybox, err := virtualpi.ReadFile(packages.Busybox, "bin/busybox")
	require.NoError(t, err)
	root := virtualpi.NewRoot(busybox, modules)
	root.Modules("vivid", vivid[len(modules):])
	root.File("model.safetensors", 0o644, read(t, model))
	root.File("auto.yaml", 0o644, []byte(p.config("auto", "auto", 0)))
	root.File("mjpeg.yaml", 0o644, []byte(p.config("Test Camera", "mjpeg", 0)))
	root.File("link.yaml", 0o644, []byte(p.config(webcamLink, "auto", 0)))
	root.File("wrong.yaml", 0o644, []byte(strings.Replace(p.config("auto", "auto", 0), "brightness: 42", "brightness: 101", 1)))
	root.File("frozen.yaml", 0o644, []byte(p.config("/dev/video0", "auto", 5*time.Second)))
	for _, b := range []struct {
		arch    string
		environ []string
	}{{"arm64", []string{"GOARCH=arm64"}}, {"arm", []string{"GOARCH=arm", "GOARM=6"}}} {
		root.Dir(b.arch)
		p.step("build "+b.arch, func() {
			program := compile(t, b.environ, "build", "-trimpath", "-ldflags=-s", ".")
			require.LessOrEqual(t, len(program), 15_000_000, "bytes of the stripped program")
			root.File(b.arch+"/vitedge", 0o755, program)
		})
	}
	p.step("build camera.test", func() {
		root.File("camera.test", 0o755, compile(t, []string{"GOARCH=arm64"}, "test", "-c", "vitedge/camera"))
	})
	p.step("boot", func() { p.machine = virtualpi.Start(t, kernel, root) })
	t.Cleanup(func() { p.webcam.Unplug() })
	p.plug()
	return p
}

// config is a configuration with short times. The rest are the defaults. The
// pictures of the test have no noise, so that answers can be compared: a camera
// that shows one for long is not to count as frozen unless that is the point.
func (p *pi) config(source, format string, frozen time.Duration) string {
	_, port, err := net.SplitHostPort(p.proxy.Addr())
	require.NoError(p.t, err)
	return fmt.Sprintf(`
device: {id: pi}
state_dir: /tmp
model: {path: /model.safetensors}
cameras: {cam: {source: %s, format: %s, frozen_after: %s, controls: {brightness: 42}}}
decide: {interval: 50ms, top: 4, threshold: 0, votes: 2, window: 3, hold: 0s, heartbeat: 1h}
mqtt: {url: "mqtt://%s:%s", reconnect_min: 10ms, reconnect_max: 500ms, predictions: 50ms, status: 1s}
`, source, format, frozen, virtualpi.Host, port)
}

// compile runs "go build" or "go test -c" for another machine, without cgo as
// the program is released, and returns what came out.
func compile(t *testing.T, environ []string, command ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	last := len(command) - 1
	args := append(slices.Clone(command[:last]), "-o", path, command[last])
	cmd := exec.Command("go", args...)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux"), environ...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return read(t, path)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// step is one point of the test. The first that fails is the last: those after
// it would not mean anything.
func (p *pi) step(name string, f func()) {
	p.t.Helper()
	began := time.Now()
	defer func() {
		verdict := "ok"
		if p.t.Failed() {
			verdict = "FAILED"
		}
		p.t.Logf("%-6s %-25s %5.1f s", verdict, name, time.Since(began).Seconds())
	}()
	f()
}

func (p *pi) plug() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), brokertest.Patience)
	defer cancel()
	require.NoError(p.t, p.webcam.Plug(ctx, p.machine.Camera))
}

func (p *pi) show(picture string) {
	p.shown = picture
	p.webcam.SetImage(pictures[picture])
}

// another is a picture that is not the one shown.
func (p *pi) another() string {
	order := []string{"red", "green", "blue", "stripes", "red"}
	for i, name := range order {
		if name == p.shown {
			return order[i+1]
		}
	}
	panic("no picture " + p.shown)
}

// start runs the daemon in the guest and waits for its first answer. A new
// subscriber hears it, so that what others have said does not count.
func (p *pi) start(program, format string) {
	p.t.Helper()
	p.format = cameratest.YUYV
	if format == "mjpeg" {
		p.format = cameratest.MJPEG
	}
	p.step(program+" "+format, func() {
		p.listen()
		require.Zero(p.t, p.machine.Run(fmt.Sprintf("%s run --config /%s.yaml & pid=$!", program, format)))
		p.until("availability", "online")
		if !p.webcam.State().Plugged {
			p.until("cam/availability", "offline")
			p.plug()
		}
		p.until("cam/availability", "online")
		p.answered(p.shown)
		require.Equal(p.t, p.format, p.webcam.State().Format)
	})
}

// listen hears what is said from now on, and what is retained.
func (p *pi) listen() {
	p.heard, p.seen = p.broker.Subscribe("vitedge/pi/#"), 0
	p.heard.Patience = 2 * virtualpi.Patience // longer than the guest may take for what is to be heard
}

// until waits for a message on a topic of the daemon that comes after those
// that were waited for before.
func (p *pi) until(topic, payload string) {
	p.t.Helper()
	p.next(topic+" "+payload, topic, func(got string) bool { return got == payload })
}

func (p *pi) next(what, topic string, enough func(payload string) bool) {
	p.t.Helper()
	p.heard.Until(what, func(messages []brokertest.Message) bool {
		for i := p.seen; i < len(messages); i++ {
			if messages[i].Topic == "vitedge/pi/"+topic && enough(messages[i].Payload) {
				p.seen = i + 1
				return true
			}
		}
		return false
	})
}

// answered waits until the daemon says, and keeps saying, what a picture is.
func (p *pi) answered(picture string) {
	p.t.Helper()
	label := p.known[p.format][picture][0].Label
	p.next("the label of "+picture, "cam/prediction", func(payload string) bool { return parse(p.t, payload).Label == label })
	p.heard.Until("the stable label of "+picture, func([]brokertest.Message) bool {
		states := p.heard.On("vitedge/pi/cam/state")
		return len(states) > 0 && parse(p.t, states[len(states)-1]).Label == label
	})
}

func parse(t *testing.T, payload string) publish.Prediction {
	t.Helper()
	var m publish.Prediction
	require.NoError(t, json.Unmarshal([]byte(payload), &m), payload)
	return m
}

// identity checks what the daemon says it is.
func (p *pi) identity(kernel string) {
	var s publish.Status
	p.next("status", "status", func(payload string) bool { return json.Unmarshal([]byte(payload), &s) == nil })
	require.Equal(p.t, kernel, s.Kernel)
	require.Equal(p.t, []string{p.info.Name, p.info.SHA256}, []string{s.Model.Name, s.Model.SHA256})
	require.Less(p.t, s.RSSBytes, int64(100<<20))
}

// cameraTests runs the tests of package camera that need a camera, which skip
// everywhere else.
func (p *pi) cameraTests(pattern string) {
	p.t.Helper()
	require.Zero(p.t, p.machine.Run("until [ -e /dev/video0 ]; do sleep 0.1; done"))
	before := len(p.machine.Console())
	require.Zero(p.t, p.machine.Run("/camera.test -test.list '"+pattern+"'"))
	var names []string
	for _, line := range p.machine.Console()[before:] {
		if strings.HasPrefix(line, "Test") {
			names = append(names, line)
		}
	}
	require.NotEmpty(p.t, names)
	for _, name := range names { // each in the guest's time for one command
		before := len(p.machine.Console())
		require.Zero(p.t, p.machine.Run("/camera.test -test.v -test.run '^"+name+"$'"))
		i := slices.IndexFunc(p.machine.Console()[before:], func(line string) bool { return strings.HasPrefix(line, "--- PASS: "+name) })
		require.GreaterOrEqual(p.t, i, 0, "%s is skipped, and the guest has a camera", name)
		p.t.Log(p.machine.Console()[before+i])
	}
}

// vivid runs them with the kernel's own virtual camera, too, whose driver
// fails on command.
func (p *pi) vivid() {
	require.NoError(p.t, p.webcam.Unplug())
	const oneCamera = "n_devs=1 node_types=1 num_inputs=1 input_types=0 num_outputs=0"
	require.Zero(p.t, p.machine.Run("for m in /vivid/*.ko; do case $m in *-vivid.ko) insmod $m "+oneCamera+";; *) insmod $m;; esac || break; done"))
	p.cameraTests("^TestVivid")
}

// webcamLink is the name that udev gives the webcam.
const webcamLink = "/dev/v4l/by-id/usb-Test_Camera_0001-video-index0"

// list has the program for arm64 list the webcam, with the name that udev, which
// the guest lacks, keeps for it.
func (p *pi) list() {
	require.Zero(p.t, p.machine.Run("mkdir -p /dev/v4l/by-id && ln -s ../../video0 "+webcamLink))
	before := len(p.machine.Console())
	require.Zero(p.t, p.machine.Run("/arm64/vitedge cameras --json"))
	lines := p.machine.Console()[before:]
	end := slices.Index(lines, "]")
	require.Positive(p.t, end, lines)
	var list []struct {
		Path, Name, Card, Driver, Serial, Err string
		Modes                                 []struct {
			Format        string
			Width, Height int
			FPS           []float64
		}
		Controls []camera.Control
	}
	require.NoError(p.t, json.Unmarshal([]byte(strings.Join(lines[:end+1], "\n")), &list))
	require.Len(p.t, list, 1, "the node for metadata is no camera")
	d := list[0]
	require.Equal(p.t, []string{"/dev/video0", webcamLink, "uvcvideo", "1d6b:0102:0001", ""}, []string{d.Path, d.Name, d.Driver, d.Serial, d.Err})
	require.Contains(p.t, d.Card, "Test Camera")
	var modes []string
	for _, m := range d.Modes {
		modes = append(modes, fmt.Sprintf("%s %dx%d", m.Format, m.Width, m.Height))
		require.Equal(p.t, []float64{30, 15, 5}, m.FPS)
	}
	require.Equal(p.t, []string{"MJPG 160x120", "MJPG 320x240", "MJPG 640x480", "YUYV 160x120", "YUYV 320x240", "YUYV 640x480"}, modes)
	require.Len(p.t, d.Controls, 1)
	require.Equal(p.t, camera.Control{Name: "brightness", Max: 100, Step: 1, Value: 50}, d.Controls[0])
}

// onePicture has the program classify what the webcam shows, without a daemon.
func (p *pi) onePicture() {
	before := len(p.machine.Console())
	require.Zero(p.t, p.machine.Run("/arm64/vitedge classify --model /model.safetensors --top 1 --camera 'Test Camera'"))
	lines := p.machine.Console()[before:]
	require.GreaterOrEqual(p.t, len(lines), 2)
	require.Equal(p.t, "Test Camera", lines[0])
	require.Contains(p.t, lines[1], p.known[cameratest.YUYV][p.shown][0].Label)
}

// wrongSetting has a control out of the range that only the driver knows. The
// daemon runs, and the status says what to do.
func (p *pi) wrongSetting() {
	p.listen()
	require.Zero(p.t, p.machine.Run("/arm64/vitedge run --config /wrong.yaml & pid=$!"))
	p.until("cam/availability", "offline")
	p.next("the reason", "status", func(payload string) bool {
		return strings.Contains(payload, "camera cam is down: camera "+webcamLink) &&
			strings.Contains(payload, "control brightness is 101; want 0 to 100 in steps of 1")
	})
	require.Zero(p.t, p.machine.Run("kill $pid; wait $pid"))
	p.until("availability", "offline")
}

// controls checks that those of the configuration reach the webcam.
func (p *pi) controls() {
	require.Equal(p.t, 42, p.webcam.State().Brightness)
}

// pictures shows all pictures.
func (p *pi) pictures() {
	for range pictures {
		p.show(p.another())
		p.answered(p.shown)
	}
}

// unplug pulls the cable, several times, and plugs it in again while another
// picture is shown. The daemon must hold no more of it afterwards than before.
func (p *pi) unplug() {
	const held = `$(ls -l /proc/$pid/fd | grep -c /dev/video) descriptors, $(grep -c /dev/video /proc/$pid/maps) mappings`
	require.Zero(p.t, p.machine.Run(`before="`+held+`"`))
	for range 3 {
		p.replug()
	}
	require.Zero(p.t, p.machine.Run(`after="`+held+`"; echo before: $before, after: $after; [ "$before" = "$after" ]`))
}

func (p *pi) replug() {
	require.NoError(p.t, p.webcam.Unplug())
	p.until("cam/availability", "offline")
	p.show(p.another())
	p.plug()
	plugged := time.Now()
	p.until("cam/availability", "online")
	p.t.Logf("online %.1f s after it was plugged in", time.Since(plugged).Seconds())
	p.answered(p.shown)
}

// anotherNode has the webcam come back under another number, because the
// shell, too, has the old node open.
func (p *pi) anotherNode() {
	require.Zero(p.t, p.machine.Run("exec 9</dev/video0"))
	p.replug()
	require.Zero(p.t, p.machine.Run("exec 9<&- && [ ! -e /dev/video0 ] && [ -e /dev/video1 ]"))
	p.replug()
	require.Zero(p.t, p.machine.Run("[ -e /dev/video0 ]"))
}

// silent has the camera plugged in and sending nothing that arrives.
func (p *pi) silent(f cameratest.Faults) {
	p.webcam.SetFaults(f)
	p.until("cam/availability", "offline")
	p.show(p.another())
	p.webcam.SetFaults(cameratest.Faults{})
	p.until("cam/availability", "online")
	p.answered(p.shown)
}

// frozen has the camera deliver, but always the same picture.
func (p *pi) frozen() {
	p.until("cam/availability", "offline")
	p.next("the warning", "status", func(payload string) bool { return strings.Contains(payload, "camera cam is frozen") })
	p.show(p.another())
	p.until("cam/availability", "online")
	p.answered(p.shown)
	p.next("the end of the warning", "status", func(payload string) bool { return strings.Contains(payload, `"problems":[]`) })
}

// noHuffmanTables is no fault for a good decoder.
func (p *pi) noHuffmanTables() {
	p.webcam.SetFaults(cameratest.Faults{NoHuffmanTables: true})
	p.pictures()
	p.webcam.SetFaults(cameratest.Faults{})
}

// corrupt spoils the frames of another picture. They must be counted, and not
// be classified: verify holds every prediction against the pictures, and the
// other picture must not be among those that come before the end of the
// fault.
func (p *pi) corrupt(f cameratest.Faults) {
	p.t.Helper()
	count := func(payload string) uint64 {
		var s publish.Status
		require.NoError(p.t, json.Unmarshal([]byte(payload), &s))
		return s.Frames.Corrupt
	}
	var before uint64
	p.next("status", "status", func(payload string) bool { before = count(payload); return true })
	p.webcam.SetFaults(f)
	from := p.seen
	p.show(p.another())
	p.next("three corrupt frames", "status", func(payload string) bool { return count(payload) >= before+3 })
	label := p.known[p.format][p.shown][0].Label
	for _, m := range p.heard.Messages()[from:p.seen] {
		if m.Topic == "vitedge/pi/cam/prediction" {
			require.NotEqual(p.t, label, parse(p.t, m.Payload).Label, "a corrupt frame was classified")
		}
	}
	p.webcam.SetFaults(cameratest.Faults{})
	p.answered(p.shown)
}

// lost has the webcam send nothing but garbage: it counts as gone, and the
// daemon opens it anew until there are pictures again.
func (p *pi) lost() {
	streams := p.webcam.State().Streams
	p.webcam.SetFaults(garbage)
	p.until("cam/availability", "offline")
	p.show(p.another())
	p.next("the warning", "status", func(payload string) bool {
		return strings.Contains(payload, "camera cam gives corrupt frames") && p.webcam.State().Streams > streams
	})
	p.webcam.SetFaults(cameratest.Faults{})
	p.until("cam/availability", "online")
	p.answered(p.shown)
}

// brokerRestart stops the broker, has the label change, and starts a broker
// that remembers nothing: the change must not be lost, and what is retained
// must be there again.
func (p *pi) brokerRestart() {
	p.verify()
	p.proxy.Refuse(true)
	p.broker.Kill()
	from, to := p.known[p.format][p.shown][0].Label, p.known[p.format][p.another()][0].Label
	p.show(p.another())
	change := fmt.Sprintf("msg=label camera=cam from=%s to=%s", from, to)
	before := len(p.machine.Console())
	p.machine.Wait("the change in the log", func(lines []string) bool {
		return strings.Contains(strings.Join(lines[before:], "\n"), change)
	})
	p.broker.Restart()
	p.listen()
	p.proxy.Refuse(false)
	p.until("availability", "online")
	p.answered(p.shown)
	p.heard.UntilOn("vitedge/pi/cam/availability", "online")
	p.heard.UntilOn("vitedge/pi/cam/event", fmt.Sprintf(`"from":%q,"to":%q`, from, to))
}

// stop ends the daemon as systemd does.
func (p *pi) stop() {
	require.Zero(p.t, p.machine.Run("kill $pid; wait $pid"))
	p.until("availability", "offline")
	p.verify()
}

// verify holds every answer that was heard against those that are known: no
// frame may have been taken for another, and no probability may differ from
// that of this machine.
func (p *pi) verify() {
	p.t.Helper()
	right := map[string]bool{}
	for _, top := range p.known[p.format] {
		right[fmt.Sprint(top)] = true
	}
	n, last := 0, map[string]publish.Prediction{}
	for _, m := range p.heard.Messages() {
		if m.Topic != "vitedge/pi/cam/prediction" && m.Topic != "vitedge/pi/cam/state" {
			continue
		}
		if m.Retained { // of the daemon before
			continue
		}
		got := parse(p.t, m.Payload)
		if before, ok := last[m.Topic]; ok {
			require.Equal(p.t, before.Session, got.Session)
			if m.Topic == "vitedge/pi/cam/state" {
				require.LessOrEqual(p.t, got.Seq, before.Seq+1, "a state is missing")
			} else { // live ones may be left out
				require.Greater(p.t, got.Seq, before.Seq)
			}
		}
		last[m.Topic] = got
		require.True(p.t, right[fmt.Sprint(got.Top)], "%s; known are %v", m.Payload, p.known[p.format])
		require.Equal(p.t, [2]int{webcamSize.X, webcamSize.Y}, [2]int{got.Frame.Width, got.Frame.Height})
		n++
	}
	require.NotZero(p.t, n)
	p.t.Logf("%d answers are right", n)
}
