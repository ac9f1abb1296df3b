package engine_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
	"vitedge/cmd/vitedge/internal/engine"
	"vitedge/cmd/vitedge/internal/pipeline"
)

// simulated is a clock of its own: waiting takes no time.
type simulated struct{ now atomic.Int64 } // nanoseconds since began

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (s *simulated) Now() time.Time { return began.Add(time.Duration(s.now.Load())) }

func (s *simulated) WaitUntil(ctx context.Context, t time.Time) error {
	s.now.Store(max(s.now.Load(), int64(t.Sub(began))))
	return ctx.Err()
}

// ends is a camera whose pictures end at a time of its clock, and that is
// measured at steps on the way.
type ends struct {
	camera.Camera
	clock   *simulated
	next    time.Duration
	step    time.Duration
	last    time.Duration
	measure func()
}

func (e *ends) Next(ctx context.Context) (*camera.Frame, error) {
	at := time.Duration(e.clock.now.Load())
	if at >= e.next {
		e.measure()
		e.next += e.step
	}
	if at >= e.last {
		return nil, io.EOF
	}
	return e.Camera.Next(ctx)
}

type counter struct {
	classified, dropped uint64
	up                  []bool
}

func (c *counter) Classified(*pipeline.Result)   { c.classified++ }
func (c *counter) Dropped(_, _ string, n uint64) { c.dropped += n }
func (c *counter) Available(_ string, up bool)   { c.up = append(c.up, up) }
func demoModel() string {
	return filepath.Join("..", "..", "..", "..", "testdata", "demo", "emoji.safetensors")
}

// descriptors counts the open ones.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

// resident returns VmRSS, in bytes.
func resident(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm") // proc(5): pages, the second field
	require.NoError(t, err)
	pages := 0
	for _, c := range strings.Fields(string(b))[1] {
		pages = 10*pages + int(c-'0')
	}
	return pages * os.Getpagesize()
}

// TestSoak lets the clock of a camera run through twenty minutes at 5 frames a
// second, or as long as VITEDGE_SOAK says (24h takes some minutes), through capture,
// inspection, preprocessing and the demo's model. Every frame is classified, and
// neither memory nor descriptors nor goroutines grow.
func TestSoak(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	length := 20 * time.Minute
	if s := os.Getenv("VITEDGE_SOAK"); s != "" {
		var err error
		length, err = time.ParseDuration(s)
		require.NoError(t, err)
	}
	e, err := engine.Load(demoModel(), 1)
	require.NoError(t, err)
	defer e.Close()

	const fps = 5
	clock, seen := new(simulated), new(counter)
	type reading struct{ heap, rss, descriptors, goroutines int }
	var readings []reading
	measure := func() {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		readings = append(readings, reading{int(m.HeapAlloc), resident(t), descriptors(t), runtime.NumGoroutine()})
	}
	p := pipeline.New(pipeline.Options{
		Name: "cam",
		Open: func(ctx context.Context) (camera.Camera, error) {
			c, err := camera.Open(ctx, camera.Config{Source: "test:noise", Width: 160, Height: 120, FPS: fps, Clock: clock})
			return &ends{Camera: c, clock: clock, step: length / 20, last: length, measure: measure}, err
		},
		Classifier: e.Eye(),
		Inspector:  camera.Inspector{MaxAge: 2 * time.Second, FrozenAfter: 10 * time.Second, DarkBelow: camera.DarkLuma, Clock: clock},
		Settings:   pipeline.Settings{Enabled: true, Top: 3, Threshold: 0.5, Rule: pipeline.Rule{Votes: 2, Window: 3, Heartbeat: time.Hour}},
		Sinks:      []pipeline.Sink{seen},
		Log:        slog.New(slog.DiscardHandler),
	})
	started := time.Now()
	require.NoError(t, p.Run(t.Context()))

	require.InDelta(t, length.Seconds()*fps, float64(seen.classified), 1)
	require.Zero(t, seen.dropped)
	require.Equal(t, []bool{true}, seen.up[:1])
	first, last := readings[1], readings[len(readings)-1] // the first reading is from before the first frame
	t.Logf("%v of camera time in %v, %d frames: heap %d to %d bytes, resident %d to %d, descriptors %d to %d, goroutines %d to %d",
		length, time.Since(started).Round(time.Second), seen.classified,
		first.heap, last.heap, first.rss, last.rss, first.descriptors, last.descriptors, first.goroutines, last.goroutines)
	require.Less(t, last.heap, first.heap+1<<18)
	require.Less(t, last.rss, first.rss+8<<20)
	require.Equal(t, first.descriptors, last.descriptors)
	require.Equal(t, first.goroutines, last.goroutines)
}
