package web

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience bounds every condition that a test waits for.
const patience = 60 * time.Second

// program builds vitedge once and returns its path: the tests of the page run
// the daemon as its users do.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "vitedge-web-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "vitedge")
	if out, err := exec.Command("go", "build", "-o", path, "vitedge/cmd/vitedge").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, nil
})

// built says that there is a program to remove.
var built atomic.Bool

func TestMain(m *testing.M) {
	code := m.Run()
	if built.Load() {
		path, _ := program()
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// daemon is a running vitedge.
type daemon struct {
	t    testing.TB
	cmd  *exec.Cmd
	addr string
	done chan struct{} // closed when it has ended
	said string        // by then
}

var listening = regexp.MustCompile(`(?:msg=listening http=|page +http://)([0-9.:]+)`)

// startDemo runs `vitedge demo` with its web server at an address, until the
// test ends.
func startDemo(t testing.TB, addr string) *daemon {
	t.Helper()
	return startDaemon(t, "demo", "--http", addr)
}

// startTwoCameras runs `vitedge run` with two.
func startTwoCameras(t *testing.T) *daemon {
	t.Helper()
	model, err := filepath.Abs("../../../../testdata/demo/emoji.safetensors")
	require.NoError(t, err)
	dir := t.TempDir()
	path := filepath.Join(dir, "vitedge.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
state_dir: %s
model: {path: %s}
cameras:
  cam: {source: "demo:", fps: 10}
  yard: {source: "test:noise", fps: 10}
decide: {interval: 100ms, threshold: 0, hold: 0s}
mqtt: {url: ""}
http: {listen: "127.0.0.1:0"}
`, dir, model), 0o600))
	return startDaemon(t, "run", "--config", path)
}

func startDaemon(t testing.TB, args ...string) *daemon {
	t.Helper()
	path, err := program()
	require.NoError(t, err)
	built.Store(true)
	d := &daemon{t: t, done: make(chan struct{})}
	d.cmd = exec.Command(path, args...)
	d.cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	stderr, err := d.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, d.cmd.Start())
	t.Cleanup(func() {
		d.stop()
		if t.Failed() {
			t.Log(d.said)
		}
	})
	found := make(chan string, 1)
	go func() {
		defer close(d.done)
		var all bytes.Buffer
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if all.Len() < 1<<16 {
				fmt.Fprintln(&all, lines.Text())
			}
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
		d.cmd.Wait()
		select {
		case found <- "":
		default:
		}
		d.said = all.String()
	}()
	select {
	case d.addr = <-found:
	case <-time.After(patience):
	}
	require.NotEmpty(t, d.addr, "the daemon does not listen")
	return d
}

// url is that of a path.
func (d *daemon) url(path string) string { return "http://" + d.addr + path }

// stop ends the daemon as Ctrl-C does.
func (d *daemon) stop() {
	d.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-d.done:
	case <-time.After(patience):
		d.cmd.Process.Kill()
		d.t.Error("the daemon does not end")
	}
}

// chromium is the browser that the tests drive. Names under .example lead to
// this machine and all others nowhere.
func chromium(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes its time")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("VITEDGE_TEST_REQUIRE") == "1" {
			t.Fatal("chromium is not installed")
		}
		t.Skip("chromium is not installed")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("font-render-hinting", "none"),
		chromedp.WSURLReadTimeout(patience),
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	return ctx
}

// tab is one page of a browser and what went wrong in it.
type tab struct {
	t        *testing.T
	ctx      context.Context
	patience time.Duration

	mu       sync.Mutex
	problems []string                      // of the console, of scripts and of requests
	requests []string                      // URLs
	kind     map[network.RequestID]string  // of the resource
	weight   map[network.RequestID]float64 // bytes, of what has been loaded
}

func newTab(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium(t))
	b := &tab{t: t, ctx: ctx, patience: patience, kind: make(map[network.RequestID]string), weight: make(map[network.RequestID]float64)}
	t.Cleanup(func() {
		chromedp.Cancel(ctx) // waits until the browser has ended
		cancel()
	})
	require.NoError(t, chromedp.Listen(ctx, b.event)) // starts the browser
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	return b
}

func (b *tab) event(e any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	problem := func(format string, args ...any) { b.problems = append(b.problems, fmt.Sprintf(format, args...)) }
	switch e := e.(type) {
	case *runtime.EventExceptionThrown:
		problem("exception: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
	case *runtime.EventConsoleAPICalled:
		problem("console: %s", e.Type)
	case *log.EventEntryAdded:
		problem("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
	case *network.EventLoadingFailed:
		if !e.Canceled { // what the page itself ends
			problem("loading failed: %s %s", e.Type, e.ErrorText)
		}
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
		b.kind[e.RequestID] = string(e.Type)
	case *network.EventLoadingFinished:
		b.weight[e.RequestID] = e.EncodedDataLength
	}
}

// call runs a command of the browser's protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, b.patience)
	defer cancel()
	result, err := chromedp.Call(ctx, command, params)
	require.NoError(b.t, err)
	return result
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, b.patience)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, steps...))
}

// open loads a page.
func (b *tab) open(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
}

// eval returns the value of a JavaScript expression, awaited if it is a promise.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, b.patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, expression)
	return value
}

// until waits for a JavaScript expression to be true.
func (b *tab) until(what, expression string) {
	b.t.Helper()
	for end := time.Now().Add(b.patience); !eval[bool](b, "!!("+expression+")"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			require.FailNow(b.t, what, "%s\nproblems: %s\npage: %s", expression, b.found(), eval[string](b, `document.body.innerText`))
		}
	}
}

// found is what went wrong so far.
func (b *tab) found() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.problems...)
}

// freePort is one that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
