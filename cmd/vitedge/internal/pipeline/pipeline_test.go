package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
	"vitedge/vitlite"
)

const patience = 30 * time.Second

// script is a camera that gives what it is told, then blocks.
type script struct {
	steps  []any // *camera.Frame or error
	closed int
	opened int
	next   int
}

func (s *script) open(context.Context) (camera.Camera, error) {
	s.opened++
	return s, nil
}

func (s *script) Next(ctx context.Context) (*camera.Frame, error) {
	if s.next == len(s.steps) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	s.next++
	switch step := s.steps[s.next-1].(type) {
	case error:
		return nil, step
	case *camera.Frame:
		return step, nil
	}
	panic("a step is a frame or an error")
}

func (s *script) Close() error {
	s.closed++
	return nil
}

// frame is a grey picture of 4 x 2 pixels whose first pixel is the class.
func frame(sequence uint64, class byte) *camera.Frame {
	return &camera.Frame{
		Width: 4, Height: 2, Stride: 4, Format: camera.Grey, Data: []byte{class, 1, 2, 3, 4, 5, 6, 7},
		Sequence: sequence, Time: time.Now(),
	}
}

// byPixel is a classifier that finds the class in the first pixel.
type byPixel struct {
	err   map[byte]error
	block chan struct{} // if not nil, a value for each classification
	luma  camera.Luma
	asked atomic.Int32
}

func (b *byPixel) Classify(dst []vitlite.Prediction, f *camera.Frame, _ func() error) ([]vitlite.Prediction, Report, error) {
	b.asked.Add(1)
	if b.block != nil {
		<-b.block
	}
	class := f.Data[0]
	if err := b.err[class]; err != nil {
		return nil, Report{}, err
	}
	dst[0] = vitlite.Prediction{Index: int(class), Label: fmt.Sprintf("class %d", class), Score: 0.9}
	return dst[:1], Report{Timing{Preprocess: time.Millisecond, Infer: 2 * time.Millisecond}, b.luma}, nil
}

// recorder is a sink that keeps everything.
type recorder struct {
	mu      sync.Mutex
	labels  []string
	changes []string
	dropped map[string]uint64
	lights  map[camera.Light]int
	up      []bool
	asked   int
}

func (r *recorder) Classified(x *Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.labels = append(r.labels, x.Vote.Label)
	if r.lights == nil {
		r.lights = make(map[camera.Light]int)
	}
	r.lights[x.Light]++
	if x.Decision.Announce {
		r.changes = append(r.changes, x.Decision.From+">"+x.Decision.Stable.Label)
	}
	if x.Asked {
		r.asked++
	}
}

func (r *recorder) Dropped(_, reason string, n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dropped == nil {
		r.dropped = make(map[string]uint64)
	}
	r.dropped[reason] += n
}

func (r *recorder) Available(_ string, up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.up = append(r.up, up)
}

func (r *recorder) get() recorder {
	r.mu.Lock()
	defer r.mu.Unlock()
	return recorder{labels: slices.Clone(r.labels), up: slices.Clone(r.up), dropped: maps.Clone(r.dropped), asked: r.asked}
}

var quick = Settings{Enabled: true, Top: 2, Threshold: 0.5, Rule: Rule{Votes: 2, Window: 3, Heartbeat: time.Hour}}

func newTest(s *script, c Classifier, settings Settings) (*Pipeline, *recorder) {
	r := &recorder{}
	return New(Options{Name: "cam", Open: s.open, Classifier: c, Settings: settings, Sinks: []Sink{r},
		Log: slog.New(slog.DiscardHandler)}), r
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// start runs p until the test ends.
func start(t *testing.T, p *Pipeline) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			return errors.New("Run does not end")
		}
	})
	t.Cleanup(func() { stop() })
	return stop
}

func TestRunToTheEnd(t *testing.T) {
	corrupt := fmt.Errorf("x.jpg: %w", camera.ErrCorrupt)
	s := &script{steps: []any{
		frame(0, 1), frame(1, 1), corrupt, frame(3, 2), frame(7, 2), frame(8, 3), frame(9, 4), io.EOF,
	}}
	c := &byPixel{err: map[byte]error{3: fmt.Errorf("bad pixels: %w", camera.ErrCorrupt), 4: errors.New("logit 0 is NaN")}}
	p, r := newTest(s, c, quick)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []string{"class 1", "class 1", "class 2", "class 2"}, r.labels)
	require.Equal(t, []string{">class 1", "class 1>class 2"}, r.changes)
	require.Equal(t, map[string]uint64{Skipped: 3, Corrupt: 2, Failed: 1}, r.dropped)
	require.Equal(t, []bool{true, false}, r.up)
	require.Equal(t, 1, s.closed)
}

func TestAvailability(t *testing.T) {
	s := &script{steps: []any{
		frame(0, 1), fmt.Errorf("video0: %w", camera.ErrGone), fmt.Errorf("video0: %w", camera.ErrTimeout), frame(1, 1), io.EOF,
	}}
	p, r := newTest(s, &byPixel{}, quick)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []bool{true, false, true, false}, r.up)
	require.Len(t, r.labels, 2)

	s = &script{steps: []any{fmt.Errorf("video0: %w", camera.ErrGone), frame(0, 1), io.EOF}}
	p, r = newTest(s, &byPixel{}, quick)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []bool{false, true, false}, r.up, "absent from the start")

	// The camera's own time limit is not the pipeline's.
	s = &script{steps: []any{fmt.Errorf("%w: %w", camera.ErrTimeout, context.DeadlineExceeded), io.EOF}}
	p, _ = newTest(s, &byPixel{}, quick)
	require.NoError(t, p.Run(t.Context()))
	require.Contains(t, p.Warning(), "camera is silent")
}

// TestSnapshotsDoNotDelayInference: somebody who looks more often than the
// interval must not keep the model from looking.
func TestSnapshotsDoNotDelayInference(t *testing.T) {
	settings := quick
	settings.Interval = 20 * time.Millisecond
	p, r := newTest(nil, &byPixel{}, settings)
	p.o.Open = func(context.Context) (camera.Camera, error) { return &endless{}, nil }
	start(t, p)
	eventually(t, "answers between pictures", func() bool {
		_, err := p.Snapshot(t.Context())
		require.NoError(t, err)
		return len(r.get().labels) >= 3
	})
}

// TestEndedSource: there is nobody to wait for, and nothing that hangs.
func TestEndedSource(t *testing.T) {
	p, r := newTest(&script{steps: []any{frame(0, 1), io.EOF}}, &byPixel{}, quick)
	require.False(t, p.Ended())
	require.NoError(t, p.Run(t.Context()))
	require.True(t, p.Ended())
	require.Equal(t, []bool{true, false}, r.up)
	_, err := p.Snapshot(t.Context())
	require.EqualError(t, err, "camera cam: the source is at its end")
	require.ErrorIs(t, p.Classify(t.Context()), errEnded)
}

// TestSwitchedOnLater: a camera that cannot be opened ends the program only if it
// was to work from the start.
func TestSwitchedOnLater(t *testing.T) {
	off := quick
	off.Enabled = false
	p, r := newTest(nil, &byPixel{}, off)
	p.slice = 10 * time.Millisecond
	var there atomic.Bool
	p.o.Open = func(context.Context) (camera.Camera, error) {
		if there.Load() {
			return &endless{}, nil
		}
		return nil, errors.New("stat /mnt/usb: no such file or directory")
	}
	first := p.LastSign()
	start(t, p)
	eventually(t, "the start", func() bool { return p.LastSign().After(first) })
	p.Set(quick)
	eventually(t, "the news", func() bool { return len(r.get().up) == 1 })
	require.Equal(t, "is down: stat /mnt/usb: no such file or directory", p.Warning())
	p.Set(off)
	eventually(t, "no complaint of what is switched off", func() bool { return p.Warning() == "" })
	there.Store(true)
	p.Set(quick)
	eventually(t, "an answer", func() bool { return len(r.get().labels) > 0 })
	require.Equal(t, []bool{false, true}, r.get().up)
}

func TestFirstOpenFails(t *testing.T) {
	wrong := errors.New("no such folder")
	p := New(Options{Name: "cam", Open: func(context.Context) (camera.Camera, error) { return nil, wrong }, Settings: quick,
		Log: slog.New(slog.DiscardHandler)})
	require.ErrorIs(t, p.Run(t.Context()), wrong)
}

func TestEndsWhileWaitingForAFrame(t *testing.T) {
	p, _ := newTest(&script{}, &byPixel{}, quick)
	require.NoError(t, start(t, p)())
}

// TestBadFramesDoNotWait: what could not be classified is made up for by the
// next frame, and a camera that was away is asked again, an hour's interval or
// not.
func TestBadFramesDoNotWait(t *testing.T) {
	s := &script{steps: []any{
		camera.ErrCorrupt, frame(1, 3), fmt.Errorf("video0: %w", camera.ErrGone), context.DeadlineExceeded, frame(2, 1), frame(3, 2),
	}}
	settings := quick
	settings.Interval = time.Hour
	p, r := newTest(s, &byPixel{err: map[byte]error{3: camera.ErrCorrupt}}, settings)
	start(t, p)
	eventually(t, "a label", func() bool { return len(r.get().labels) > 0 })
	require.Equal(t, []string{"class 1"}, r.get().labels)
	require.Equal(t, uint64(2), r.get().dropped[Corrupt])
}

// TestModelFailureWaits: a model that fails is not asked more often for it.
func TestModelFailureWaits(t *testing.T) {
	s := &script{steps: []any{frame(0, 3), frame(1, 3)}}
	settings := quick
	settings.Interval = time.Hour
	c := &byPixel{err: map[byte]error{3: errors.New("logit 0 is NaN")}}
	p, r := newTest(s, c, settings)
	start(t, p)
	eventually(t, "the failure", func() bool { return r.get().dropped[Failed] == 1 })
	require.ErrorContains(t, p.Classify(t.Context()), "logit 0 is NaN")
	require.Equal(t, int32(2), c.asked.Load())
}

func TestInterval(t *testing.T) {
	s := &script{steps: []any{frame(0, 1), frame(1, 2)}}
	settings := quick
	settings.Interval = time.Hour
	p, r := newTest(s, &byPixel{}, settings)
	start(t, p)
	eventually(t, "the first label", func() bool { return len(r.get().labels) == 1 })

	require.NoError(t, p.Classify(t.Context()), "asking does not wait for the interval")
	require.Equal(t, []string{"class 1", "class 2"}, r.get().labels)
	require.Equal(t, 1, r.get().asked)
}

func TestSwitchedOff(t *testing.T) {
	s := &script{}
	for i := range 1000 {
		s.steps = append(s.steps, frame(uint64(i), 1))
	}
	settings := quick
	settings.Interval = time.Millisecond
	p, r := newTest(s, &byPixel{}, settings)
	stop := start(t, p)
	eventually(t, "labels", func() bool { return len(r.get().labels) > 2 })

	settings.Enabled = false
	p.Set(settings)
	eventually(t, "a refusal", func() bool { return p.Classify(t.Context()) != nil })
	require.ErrorContains(t, p.Classify(t.Context()), "camera cam: the camera is switched off")
	n := len(r.get().labels)

	settings.Enabled = true
	p.Set(settings)
	eventually(t, "labels again", func() bool { return len(r.get().labels) > n })
	require.NoError(t, stop())
	require.Equal(t, 2, s.opened)
	require.Equal(t, 2, s.closed, "a camera that is switched off is given back")
	require.Zero(t, r.dropped[Skipped], "what passed meanwhile was not dropped")
}

func TestSnapshot(t *testing.T) {
	settings := quick
	settings.Interval = time.Hour
	p, r := newTest(&script{steps: []any{frame(0, 1), frame(1, 200)}}, &byPixel{}, settings)
	start(t, p)
	eventually(t, "the first label", func() bool { return len(r.get().labels) == 1 })
	data, err := p.Snapshot(t.Context())
	require.NoError(t, err)
	img, err := jpeg.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	require.Equal(t, 4, img.Bounds().Dx())
	require.Equal(t, 2, img.Bounds().Dy())
	level, _, _, _ := img.At(0, 0).RGBA()
	require.Greater(t, level, uint32(0x4000), "the picture is the second frame")
	require.Len(t, r.get().labels, 1, "a snapshot is not classified")
}

func TestSnapshotIsBounded(t *testing.T) {
	const width, height = 1000, 800
	f := &camera.Frame{Width: width, Height: height, Stride: 3 * width, Format: camera.RGB24, Data: make([]byte, 3*width*height)}
	x := uint32(1)
	for i := range f.Data { // noise is the worst that JPEG can get
		x = x*1664525 + 1013904223
		f.Data[i] = byte(x >> 24)
	}
	_, err := encode(f)
	require.ErrorContains(t, err, "does not fit")

	for i := range f.Data {
		f.Data[i] = byte(i / (3 * width) / 8)
	}
	data, err := encode(f)
	require.NoError(t, err)
	require.LessOrEqual(t, len(data), MaxSnapshot)
}

// TestStallShows guards the watchdog: a model that hangs stops the signs of
// life, a camera that is away does not.
func TestStallShows(t *testing.T) {
	c := &byPixel{block: make(chan struct{})}
	p, _ := newTest(&script{steps: []any{frame(0, 1)}}, c, quick)
	stop := start(t, p)
	eventually(t, "the frame", func() bool { return c.asked.Load() == 1 })
	last := p.LastSign()
	time.Sleep(20 * time.Millisecond) // long enough for anything that ticks on its own at 5 ms
	require.Equal(t, last, p.LastSign())
	close(c.block)
	eventually(t, "a sign", func() bool { return p.LastSign().After(last) })
	require.NoError(t, stop())
}

func TestAbsentCameraIsNoStall(t *testing.T) {
	p, _ := newTest(&script{}, &byPixel{}, quick)
	p.slice = 20 * time.Millisecond
	start(t, p)
	first := p.LastSign()
	eventually(t, "signs without frames", func() bool { return p.LastSign().Sub(first) >= 5*p.slice })
}

// TestSlowModelDropsFrames has a camera that makes 30 frames a second and a
// model that needs 10 frames' time: nothing waits in line, and every frame is
// accounted for.
func TestSlowModelDropsFrames(t *testing.T) {
	cam := &newest{}
	c := &byPixel{block: make(chan struct{})}
	r := &recorder{}
	p := New(Options{Name: "cam", Open: func(context.Context) (camera.Camera, error) { return cam, nil }, Classifier: c, Settings: quick,
		Sinks: []Sink{r}, Log: slog.New(slog.DiscardHandler)})
	stop := start(t, p)
	cam.shoot()
	const inferences = 20
	for i := range inferences {
		eventually(t, "the model to work", func() bool { return int(c.asked.Load()) == i+1 })
		for range 10 {
			cam.shoot()
		}
		c.block <- struct{}{}
	}
	close(c.block)
	cam.stop()
	eventually(t, "the last frame", func() bool { return len(r.get().labels) == inferences+1 })
	require.NoError(t, stop())
	require.Equal(t, uint64(9*inferences), r.dropped[Skipped])
}

// newest is a camera that gives its newest frame, as all do.
type newest struct {
	mu     sync.Mutex
	made   uint64
	given  uint64
	ended  bool
	signal chan struct{}
}

func (n *newest) shoot() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.made++
	n.wake()
}

func (n *newest) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended = true
	n.wake()
}

func (n *newest) wake() {
	if n.signal != nil {
		close(n.signal)
		n.signal = nil
	}
}

func (n *newest) Next(ctx context.Context) (*camera.Frame, error) {
	for {
		n.mu.Lock()
		if n.given < n.made {
			n.given = n.made
			f := frame(n.made-1, 1)
			n.mu.Unlock()
			return f, nil
		}
		if n.ended {
			n.mu.Unlock()
			return nil, io.EOF
		}
		if n.signal == nil {
			n.signal = make(chan struct{})
		}
		signal := n.signal
		n.mu.Unlock()
		select {
		case <-signal:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (n *newest) Close() error { return nil }
