package pipeline

import (
	"context"
	"io"
	"sync"
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
