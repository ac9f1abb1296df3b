package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/brokertest"
	"vitedge/cmd/vitedge/internal/config"
	"vitedge/cmd/vitedge/internal/scenes"
	"vitedge/quant"
	"vitedge/testdata/demo"
)

// demoProcess is a demo that runs as a process of its own.
type demoProcess struct {
	t    *testing.T
	cmd  *exec.Cmd
	tmp  string // its folder for files
	done chan struct{}

	mu     sync.Mutex
	stdout bytes.Buffer
	stderr bytes.Buffer
}

// locked is one of the buffers of p.
type locked struct {
	p *demoProcess
	b *bytes.Buffer
}

func (l locked) Write(data []byte) (int, error) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	return l.b.Write(data)
}

// startDemo starts one with its page on a free port.
func startDemo(t *testing.T, environ []string, args ...string) *demoProcess {
	t.Helper()
	return startDemoOnPort(t, environ, append(args, "--http", "127.0.0.1:0")...)
}

// startDemoOnPort starts one on the port that args say, else the usual one.
func startDemoOnPort(t *testing.T, environ []string, args ...string) *demoProcess {
	t.Helper()
	p := &demoProcess{t: t, tmp: t.TempDir(), done: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], append([]string{"demo"}, args...)...)
	p.cmd.Env = append([]string{asCommand + "=1", "TMPDIR=" + p.tmp, "PATH=" + os.Getenv("PATH")}, environ...)
	p.cmd.Stdout, p.cmd.Stderr = locked{p, &p.stdout}, locked{p, &p.stderr}
	require.NoError(t, p.cmd.Start())
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

// printed is what it has written so far.
func (p *demoProcess) printed() (stdout, stderr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout.String(), p.stderr.String()
}

// until waits for a pattern in what it writes to stdout, and returns the match.
func (p *demoProcess) until(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	var found []string
	brokertest.Eventually(p.t, pattern, func() bool {
		stdout, stderr := p.printed()
		select {
		case <-p.done:
			require.Regexp(p.t, re, stdout, stderr)
		default:
		}
		found = re.FindStringSubmatch(stdout)
		return found != nil
	})
	return found
}

// wait waits for its end.
func (p *demoProcess) wait() {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(brokertest.Patience):
		p.t.Fatal("the demo does not end")
	}
}

// interrupt ends it as Ctrl-C does.
func (p *demoProcess) interrupt() (stdout, stderr string) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(os.Interrupt))
	p.wait()
	stdout, stderr = p.printed()
	require.Zero(p.t, p.cmd.ProcessState.ExitCode(), stderr)
	return stdout, stderr
}

// page is the address that it has printed.
func (p *demoProcess) page() string {
	p.t.Helper()
	page := regexp.MustCompile(`(?m)^  page    (http://\S+/)$`)
	var found []string
	brokertest.Eventually(p.t, "the page's address", func() bool {
		_, stderr := p.printed()
		found = page.FindStringSubmatch(stderr)
		return found != nil
	})
	return found[1]
}

// firstLabel is the first emoji that the scenes show.
func firstLabel(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, os.WriteFile(path, demo.Model, 0o600))
	c, err := quant.Open(path, quant.Options{})
	require.NoError(t, err)
	defer c.Close()
	cam, err := openCamera(t.Context(), camera.Config{Source: scenes.Source})
	require.NoError(t, err)
	return c.Labels[cam.(*scenes.Camera).Scene(0).Glyph]
}

// TestDemo runs the demo until the first card has been named and has left again,
// and ends it as Ctrl-C does.
func TestDemo(t *testing.T) {
	p := startDemo(t, nil)
	p.until(`(?m)^vitedge/demo/cam/prediction \{.*\}$`)
	p.until(`(?m)^vitedge/demo/cam/state .*"label":"` + firstLabel(t) + `"`)
	p.until(`(?m)^vitedge/demo/cam/event .*"from":"` + firstLabel(t) + `","to":"nothing"`)

	r, err := http.Get(p.page())
	require.NoError(t, err)
	r.Body.Close()
	require.Equal(t, http.StatusOK, r.StatusCode)
	memory := peakMemory(t, p.cmd.Process.Pid)
	t.Logf("peak of resident memory: %.1f MB", memory)
	require.LessOrEqual(t, memory, 60.0, "MB")

	stdout, stderr := p.interrupt()
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	require.Equal(t, "vitedge/demo/availability online", lines[0])
	require.Equal(t, "vitedge/demo/availability offline", lines[len(lines)-1])
	require.Equal(t, 1, strings.Count(stdout, "vitedge/demo/availability offline\n"), "the farewell, and no will")
	for _, line := range lines {
		topic, payload, _ := strings.Cut(line, " ")
		if strings.HasSuffix(topic, "/prediction") {
			require.True(t, json.Valid([]byte(payload)), line)
		}
	}
	require.Contains(t, stderr, "vitedge demo; Ctrl-C ends it\n")
	require.Contains(t, stderr, "camera  moving scenes")
	require.NotContains(t, stderr, "level=", "nothing to complain of")
	left, err := os.ReadDir(p.tmp)
	require.NoError(t, err)
	require.Empty(t, left, "files left behind")
}

// peakMemory is the most that a process has had resident, in 10^6 bytes.
func peakMemory(t *testing.T, pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`).FindSubmatch(status)
	require.NotNil(t, found)
	kib, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return float64(kib) * 1024 / 1e6
}

// TestDemoPortInUse: the page is at another port, and the demo says so.
func TestDemoPortInUse(t *testing.T) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		l, err := net.Listen("tcp", config.Default().HTTP.Listen)
		if err == nil {
			defer l.Close()
			break
		}
		if time.Now().After(deadline) {
			break // a program that stays has it, which is as good
		}
	}
	p := startDemoOnPort(t, nil)
	p.until("availability online")
	_, stderr := p.printed()
	require.Contains(t, stderr, "vitedge: 127.0.0.1:8780 is in use, so the page is at a free port\n")
	require.NotContains(t, p.page(), ":8780")
	r, err := http.Get(p.page())
	require.NoError(t, err)
	r.Body.Close()
	p.interrupt()

	p = startDemoOnPort(t, nil, "--http", config.Default().HTTP.Listen) // somebody wants this one
	p.wait()
	require.Equal(t, exitFailure, p.cmd.ProcessState.ExitCode())
	_, stderr = p.printed()
	require.Contains(t, stderr, "127.0.0.1:8780")
	require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
}

// TestDemoRealBroker subscribes to a broker that others use, too.
func TestDemoRealBroker(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("#")
	p := startDemo(t, nil, "--broker", b.URL(), "--set", "device.id=here")
	s.UntilOn("vitedge/here/cam/prediction", "")
	p.until(`(?m)^vitedge/here/cam/prediction \{.*\}$`)
	stdout, _ := p.interrupt()
	require.True(t, strings.HasSuffix(stdout, "vitedge/here/availability offline\n"), stdout)
	require.Empty(t, s.On("homeassistant/device/here/config"))
}

func TestHostID(t *testing.T) {
	require.Regexp(t, `^demo(-[a-z0-9_-]{0,31}[a-z0-9_])?$`, hostID("demo"))
}

// TestDemoBrokerAway: the page works meanwhile, and one line says what is wrong.
func TestDemoBrokerAway(t *testing.T) {
	p := startDemo(t, nil, "--broker", "mqtt://127.0.0.1:1")
	base := p.page()
	brokertest.Eventually(t, "a prediction without a broker", func() bool {
		r, err := http.Get(base + "api/v1/latest")
		require.NoError(t, err)
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		return strings.Contains(string(body), `"label":`)
	})
	_, stderr := p.interrupt()
	require.Equal(t, 1, strings.Count(stderr, "level=WARN"), stderr)
	require.Contains(t, stderr, "the connection was refused")
}

// TestDemoWithoutSurroundings has no home, no terminal, no input and nowhere to
// write but memory.
func TestDemoWithoutSurroundings(t *testing.T) {
	p := startDemo(t, []string{"TMPDIR=/nonexistent"})
	p.until("cam/prediction")
	p.interrupt()
	left, err := filepath.Glob("/dev/shm/vitedge-demo-*")
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestDemoNeedsAFolder: no place for its files is one clear line.
func TestDemoNeedsAFolder(t *testing.T) {
	t.Setenv("TMPDIR", "/nonexistent")
	kept := demoParents
	demoParents = demoParents[:1]
	defer func() { demoParents = kept }()
	var stderr bytes.Buffer
	require.Equal(t, exitFailure, run(t.Context(), []string{"demo"}, &bytes.Buffer{}, &stderr))
	require.Contains(t, stderr.String(), "/nonexistent")
	require.Equal(t, 1, strings.Count(stderr.String(), "\n"))
}

// TestDemoCamera: one that is not there is a line, and the demo waits for it.
func TestDemoCamera(t *testing.T) {
	p := startDemo(t, nil, "--camera", "/dev/video-nonexistent")
	p.until(`(?m)^vitedge/demo/cam/availability offline$`)
	_, stderr := p.interrupt()
	require.Equal(t, 1, strings.Count(stderr, "level=WARN"), stderr)
	require.Contains(t, stderr, "/dev/video-nonexistent")

	dir := t.TempDir()
	require.NoError(t, writePictures(dir, "red"))
	p = startDemo(t, nil, "--camera", "file:"+dir, "--set", "cameras.cam.fps=50")
	p.until(`(?m)^vitedge/demo/cam/state .*"source":"cam"`)
	p.interrupt()
}

// TestDemoReaderGoes ends it, as head does, with nothing left behind.
func TestDemoReaderGoes(t *testing.T) {
	tmp := t.TempDir()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0], "demo", "--http", "127.0.0.1:0", "--set", "mqtt.predictions=10ms")
	cmd.Env = []string{asCommand + "=1", "TMPDIR=" + tmp}
	cmd.Stdout = w
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	timer := time.AfterFunc(brokertest.Patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	w.Close()
	_, err = r.Read(make([]byte, 100))
	require.NoError(t, err)
	r.Close()
	require.NoError(t, cmd.Wait(), stderr.String())
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestDemoDiskFull: messages that go nowhere are a failure, and one line.
func TestDemoDiskFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full")
	}
	defer full.Close()
	ctx, cancel := context.WithTimeout(t.Context(), brokertest.Patience)
	defer cancel()
	var stderr bytes.Buffer
	require.Equal(t, exitFailure, run(ctx, []string{"demo", "--http", "127.0.0.1:0"}, full, &stderr))
	require.Contains(t, stderr.String(), "vitedge: messages cannot be printed: ")
	require.Contains(t, stderr.String(), "no space left on device")
}

// TestDemoTerminated ends it as systemd or a closed terminal does.
func TestDemoTerminated(t *testing.T) {
	p := startDemo(t, nil)
	p.until("cam/prediction")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.wait()
	require.Zero(t, p.cmd.ProcessState.ExitCode())
}

// TestDemoIsAlone: neither the environment nor a file changes it.
func TestDemoIsAlone(t *testing.T) {
	file := configFile(t, "nonsense: 1\n")
	p := startDemo(t, []string{"VITEDGE_CONFIG=" + file, "VITEDGE_MQTT_URL=mqtt://127.0.0.1:1"})
	p.until("cam/prediction")
	p.interrupt()
}

func TestPrinter(t *testing.T) {
	for _, c := range []struct {
		topic, payload string
		width          int
		colors         bool
		want           string
	}{
		{"a/availability", "online", 80, false, "a/availability online"},
		{"a/availability", "online", 80, true, "\x1b[2ma/\x1b[0mavailability online"},
		{"a/cam/state", `{"v":1,"label":"frog","score":0.9,"top":[{"label":"frog"}]}`, 80, false, `a/cam/state {"label":"frog","score":0.9,…}`},
		{"a/cam/state", `{"v":1,"label":"frog","score":0.9}`, 80, true, "\x1b[2ma/cam/\x1b[0mstate {\"label\":\x1b[32m\x1b[1m\"frog\"\x1b[0m,\"score\":0.9,…}"},
		{"a/cam/event", `{"event_type":"changed","from":"frog","to":"nothing"}`, 30, false, `a/cam/event {"from":"frog","t…`},
		{"a/x", `{"other":1}`, 80, false, `a/x {"other":1}`},
		{"a/x", `[1,2]`, 80, true, "\x1b[2ma/\x1b[0mx [1,2]"},
		{"a/image", "\xff\xd8\x00", 80, false, "a/image (3 bytes)"},
		{"a/esc", "\x1b[2J", 80, false, "a/esc (4 bytes)"},
		{"a/long", "abc", 6, false, "a/l… …"},
	} {
		require.Equal(t, c.want, tidy(c.topic, []byte(c.payload), c.width, c.colors))
	}
	var out bytes.Buffer
	p := newPrinter(&out, func() { t.Error("gone") })
	p.print("a/cam/state", []byte(`{"v":1,"label":"frog"}`))
	require.Equal(t, "a/cam/state {\"v\":1,\"label\":\"frog\"}\n", out.String(), "whole where no terminal is")

	out.Reset()
	p.width = func() int { return 80 }
	p.print("a/availability", []byte("offline"))
	require.Equal(t, "\ra/availability offline\n", out.String(), "over the ^C of a terminal")
}
