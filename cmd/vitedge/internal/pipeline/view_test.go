package pipeline

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
	"vitedge/vitlite"
)

// endless is a live camera whose frames hold their numbers. Like real ones it
// has one buffer.
type endless struct {
	frame camera.Frame
	n     byte
	gone  error // given once, instead of the next frame
}

func (e *endless) Next(ctx context.Context) (*camera.Frame, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := e.gone; err != nil {
		e.gone = nil
		return nil, err
	}
	e.n++
	data := append(e.frame.Data[:0], e.n, e.n, e.n, e.n)
	e.frame = camera.Frame{Width: 4, Height: 1, Stride: 4, Format: camera.Grey, Data: data, Sequence: e.frame.Sequence + 1, Time: time.Now()}
	return &e.frame, nil
}

func (e *endless) Close() error { return nil }

// watching looks at frames while it is told to, as fast as they come.
type watching struct {
	mu     sync.Mutex
	looks  bool
	frames int
	moved  chan struct{} // gets a value when there is a new frame, if there is room
}

func (w *watching) Due() (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(time.Millisecond), w.looks
}

func (w *watching) Show(*camera.Frame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frames++
	select {
	case w.moved <- struct{}{}:
	default:
	}
}

// slow is a model that takes until ten more frames have been shown, and tells
// whether its frame was left alone meanwhile.
type slow struct {
	t    *testing.T
	w    *watching
	over chan struct{} // closed: it is slow no more
}

func (s slow) Classify(dst []vitlite.Prediction, f *camera.Frame, _ func() error) ([]vitlite.Prediction, Report, error) {
	before := f.Data[0]
	for range 10 {
		select {
		case <-s.w.moved:
		case <-s.over:
		case <-time.After(patience):
			s.t.Error("the viewer sees nothing while the model works")
		}
	}
	for _, b := range f.Data {
		if b != before {
			s.t.Error("the frame changed while the model looked at it")
		}
	}
	dst[0] = vitlite.Prediction{Label: "something", Score: 0.9}
	return dst[:1], Report{}, nil
}

// TestViewWhileTheModelWorks: a slow model does not make a slow picture.
func TestViewWhileTheModelWorks(t *testing.T) {
	w := &watching{looks: true, moved: make(chan struct{}, 1)}
	over := make(chan struct{})
	p, r := newTest(nil, slow{t, w, over}, Settings{Enabled: true, Top: 1, Rule: Rule{Votes: 1, Window: 1}})
	p.o.Viewer = w
	p.o.Open = func(context.Context) (camera.Camera, error) { return &endless{}, nil }
	stop := start(t, p)
	eventually(t, "three answers", func() bool { return len(r.get().labels) >= 3 })
	close(over)
	require.NoError(t, stop())
}

// TestViewBetweenInferences looks at a camera that is classified once an hour,
// and looks away again.
func TestViewBetweenInferences(t *testing.T) {
	w := &watching{moved: make(chan struct{}, 1)}
	p, r := newTest(nil, &byPixel{}, Settings{Enabled: true, Interval: time.Hour, Top: 1, Rule: Rule{Votes: 1, Window: 1}})
	p.o.Viewer = w
	e := &endless{}
	p.o.Open = func(context.Context) (camera.Camera, error) { return e, nil }
	stop := start(t, p)
	eventually(t, "an answer", func() bool { return len(r.get().labels) == 1 })
	look := func(yes bool) {
		w.mu.Lock()
		w.looks = yes
		w.mu.Unlock()
		p.Wake()
	}
	count := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.frames
	}
	require.Zero(t, count())
	look(true)
	eventually(t, "frames", func() bool { return count() > 20 })
	require.Len(t, r.get().labels, 1, "they are not classified")
	look(false)
	require.NoError(t, stop())
}

// TestFolderIsNotViewed: all pictures of a folder are for the model.
func TestFolderIsNotViewed(t *testing.T) {
	w := &watching{looks: true, moved: make(chan struct{}, 1)}
	s := &script{}
	for i := range 50 {
		f := frame(uint64(i), byte(i))
		f.Name = "photo.jpg"
		s.steps = append(s.steps, f)
	}
	s.steps = append(s.steps, io.EOF)
	p, r := newTest(s, &byPixel{}, Settings{Enabled: true, Interval: 2 * time.Millisecond, Top: 1, Rule: Rule{Votes: 1, Window: 1}})
	p.o.Viewer = w
	require.NoError(t, p.Run(t.Context()))
	require.Len(t, r.labels, 50)
	require.Empty(t, r.dropped)
}

// TestFaultsWhileViewed: what a viewer meets first is still the pipeline's.
func TestFaultsWhileViewed(t *testing.T) {
	w := &watching{looks: true, moved: make(chan struct{}, 1)}
	p, r := newTest(nil, &byPixel{}, Settings{Enabled: true, Interval: time.Millisecond, Top: 1, Rule: Rule{Votes: 1, Window: 1}})
	p.o.Viewer = w
	e := &endless{gone: camera.ErrCorrupt}
	p.o.Open = func(context.Context) (camera.Camera, error) { return e, nil }
	stop := start(t, p)
	eventually(t, "many answers", func() bool { return len(r.get().labels) > 50 })
	require.NoError(t, stop())
}

// leaves is a camera that says once that it is gone, as camera.Camera does, and
// then blocks until it is back.
type leaves struct {
	endless
	gone chan struct{} // has a value when it goes
	back chan struct{} // closed when it is back
	away bool
}

func (l *leaves) Next(ctx context.Context) (*camera.Frame, error) {
	select {
	case <-l.gone:
		l.away = true
		return nil, camera.ErrGone
	default:
	}
	if l.away {
		select {
		case <-l.back:
			l.away = false
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return l.endless.Next(ctx)
}

// TestGoneBetweenInferences: that a camera is gone shows long before it is to be
// looked at, whether or not somebody views it and hears of it first, and its
// return does so, too.
func TestGoneBetweenInferences(t *testing.T) {
	for _, viewed := range []bool{false, true} {
		p, r := newTest(nil, &byPixel{}, Settings{Enabled: true, Interval: time.Hour, Top: 1, Rule: Rule{Votes: 1, Window: 1}})
		p.o.Viewer = &watching{looks: viewed, moved: make(chan struct{}, 1)}
		p.slice = 20 * time.Millisecond
		cam := &leaves{gone: make(chan struct{}, 1), back: make(chan struct{})}
		p.o.Open = func(context.Context) (camera.Camera, error) { return cam, nil }
		stop := start(t, p)
		eventually(t, "an answer", func() bool { return len(r.get().labels) == 1 })
		cam.gone <- struct{}{}
		eventually(t, "the news", func() bool { return len(r.get().up) == 2 })
		require.Len(t, r.get().labels, 1)
		close(cam.back)
		eventually(t, "its return", func() bool { return len(r.get().up) == 3 })
		require.Equal(t, []bool{true, false, true}, r.get().up)
		require.NoError(t, stop())
	}
}

// tells is a camera that says that it is gone when the call is cancelled, and
// only then: closing it took until there.
type tells struct {
	endless
	asked atomic.Int32 // from when on; 0 is never
	calls atomic.Int32
}

func (c *tells) Next(ctx context.Context) (*camera.Frame, error) {
	switch n, asked := c.calls.Add(1), c.asked.Load(); {
	case asked == 0 || n < asked:
		return c.endless.Next(ctx)
	case n == asked:
		<-ctx.Done()
		return nil, camera.ErrGone
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestGoneAsTheViewEnds: the model has its answer at the moment when the viewer
// is told that the camera is gone.
func TestGoneAsTheViewEnds(t *testing.T) {
	c := &byPixel{block: make(chan struct{})}
	p, r := newTest(nil, c, Settings{Enabled: true, Top: 1, Rule: Rule{Votes: 1, Window: 1}})
	p.slice = 50 * time.Millisecond
	p.o.Viewer = &watching{looks: true, moved: make(chan struct{}, 1)}
	cam := &tells{}
	p.o.Open = func(context.Context) (camera.Camera, error) { return cam, nil }
	start(t, p)
	eventually(t, "the model to work", func() bool { return c.asked.Load() == 1 })
	last := cam.calls.Load() + 5
	cam.asked.Store(last)
	eventually(t, "the camera to hang", func() bool { return cam.calls.Load() == last })
	close(c.block)
	eventually(t, "the news", func() bool { return len(r.get().up) == 2 })
}

// TestFaultyNowAndThen: of the frames that are only inspected, single corrupt
// ones among good ones are no reason to give a camera up, and all of them are.
// It comes back long before it is to be classified.
func TestFaultyNowAndThen(t *testing.T) {
	p, r := newTest(nil, &byPixel{}, Settings{Enabled: true, Interval: time.Hour, Top: 1, Rule: Rule{Votes: 1, Window: 1}})
	p.slice = time.Millisecond
	clock := &ahead{}
	p.inspector.Clock, p.o.Inspector.Clock = clock, clock
	var every atomic.Int32 // frame is corrupt; 0 is none
	cam := &corrupting{every: &every, clock: clock}
	p.o.Open = func(context.Context) (camera.Camera, error) { return cam, nil }
	start(t, p)
	eventually(t, "an answer", func() bool { return len(r.get().labels) == 1 })
	every.Store(3)
	eventually(t, "corrupt frames", func() bool { return r.get().dropped[Corrupt] >= 10 })
	require.Equal(t, []bool{true}, r.get().up)
	require.Empty(t, p.Warning())
	every.Store(1)
	eventually(t, "doubt", func() bool { return len(r.get().up) == 2 })
	every.Store(0)
	eventually(t, "belief", func() bool { return len(r.get().up) == 3 })
	require.Equal(t, []bool{true, false, true}, r.get().up)
	require.Len(t, r.get().labels, 1)
}

// corrupting is a camera some of whose frames are corrupt. Each is five seconds
// younger than the one before.
type corrupting struct {
	endless
	every *atomic.Int32
	clock *ahead
	calls int32
}

func (c *corrupting) Next(ctx context.Context) (*camera.Frame, error) {
	c.clock.by.Add(int64(5 * time.Second))
	c.calls++
	if n := c.every.Load(); n > 0 && c.calls%n == 0 {
		return nil, camera.ErrCorrupt
	}
	f, err := c.endless.Next(ctx)
	if err == nil {
		f.Time = c.clock.Now()
	}
	return f, err
}

// ahead is a clock that is ahead of the real one.
type ahead struct {
	camera.Clock
	by atomic.Int64
}

func (a *ahead) Now() time.Time { return time.Now().Add(time.Duration(a.by.Load())) }
