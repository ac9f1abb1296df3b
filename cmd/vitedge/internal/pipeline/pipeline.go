// Package pipeline takes frames from one camera to decisions:
//
//	capture -> preprocess -> infer -> decide -> sinks
//
// One goroutine does it all for a camera, because a camera gives its newest
// frame whenever it is asked: while the model works, frames pass by and are
// counted, and none is ever queued. What sinks do must not take time; a dead
// broker is the business of the one that publishes.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"vitedge/camera"
	"vitedge/vitlite"
)

// slice is how often a pipeline that waits shows that it is alive.
const slice = 5 * time.Second

const (
	// errorPause is the time that a frame that could not be used costs: a folder
	// of nothing but broken pictures must not keep a core busy.
	errorPause = 10 * time.Millisecond
	// retryPause is the longest time until the next frame is tried in its place,
	// however long the interval between inferences is.
	retryPause = 200 * time.Millisecond
)

// Classifier is the model as one camera sees it.
type Classifier interface {
	// Classify fills dst with the best classes of f, best first. An error that
	// wraps camera.ErrCorrupt means that the frame is bad. Cameras may have to
	// wait for each other before the model: fresh is asked when it is free, and
	// its error, if any, is the answer.
	Classify(dst []vitlite.Prediction, f *camera.Frame, fresh func() error) ([]vitlite.Prediction, Report, error)
}

// Report is what a classification tells beside the classes.
type Report struct {
	Timing
	Luma camera.Luma // of the picture that the model saw
}

// Timing is where the time of one classification went.
type Timing struct {
	Decode     time.Duration // from the camera's format to rows; about 0 for raw ones
	Preprocess time.Duration // resizing to the model's size
	Infer      time.Duration // the model
}

// Reasons for which a frame is not classified.
const (
	Skipped   = "skipped"   // a newer one was there
	Stale     = "stale"     // it was too old
	Corrupt   = "corrupt"   // it was broken
	Truncated = "truncated" // it was broken, for it ended early
	Frozen    = "frozen"    // the camera repeats one picture
	Failed    = "failed"    // the model gave no answer
)

// Reasons are all of them.
var Reasons = []string{Skipped, Stale, Corrupt, Truncated, Frozen, Failed}

// Result is one classified frame.
type Result struct {
	Source   string    // name of the camera
	Time     time.Time // when the frame was captured
	Width    int       // of the frame, in pixels
	Height   int
	Age      time.Duration        // of the frame when preprocessing began
	Light    camera.Light         // in the picture
	Vote     vitlite.Prediction   // best class, or Unknown
	Top      []vitlite.Prediction // best first, as many as the settings say; valid during the call
	Best     []vitlite.Prediction // the same and at least Shown; valid during the call
	Decision Decision
	Timing   Timing
	Total    time.Duration // from taking the frame to deciding
	Publish  time.Duration // in the sinks before the one that is told
	Asked    bool          // somebody asked for this very classification

	frame *camera.Frame
}

// JPEG encodes the frame as the model saw it, in at most MaxSnapshot bytes. It
// takes time, and may be called during the call of the sink only.
func (r *Result) JPEG() ([]byte, error) { return encode(r.frame) }

// Shown is how many classes a result has for people to look at, where the
// model has as many.
const Shown = 5

// Sink is told what happens. It is called from one goroutine for each camera
// and must not block.
type Sink interface {
	Classified(r *Result)
	Dropped(source, reason string, n uint64)
	Available(source string, up bool)
}

// Settings can be changed while a pipeline runs.
type Settings struct {
	Enabled   bool
	Threshold float64       // probability, 0 to 1
	Interval  time.Duration // least time between two inferences
	Top       int           // classes in a result
	Rule      Rule
}

// Options make a pipeline.
type Options struct {
	Name       string
	Open       func(context.Context) (camera.Camera, error)
	Classifier Classifier
	Inspector  camera.Inspector // says which frames are to be believed
	Settings   Settings
	Sinks      []Sink
	Viewer     Viewer // nil: nobody ever looks
	Log        *slog.Logger
}

// Pipeline is that of one camera.
type Pipeline struct {
	o        Options
	slice    time.Duration
	requests chan request
	changed  chan struct{} // the settings are others
	over     chan struct{} // closed when the source is at its end

	mu       sync.Mutex
	settings Settings

	up        atomic.Int32 // 0: not known yet, 1: up, -1: down
	beat      atomic.Int64 // nanoseconds from epoch to the last sign of life
	condition condition

	// The rest belongs to Run.
	cam       camera.Camera
	inspector camera.Inspector
	looked    *camera.Frame // at the model
	fresh     func() error  // whether looked still is
	doubt     doubt
	decider   *Decider
	top       []vitlite.Prediction
	sequence  uint64 // after that of the last frame
	started   bool
	live      bool         // the source goes on whether or not it is looked at
	fault     error        // of the camera, that the viewer has met
	held      camera.Frame // a copy of the frame that is classified while others are viewed
	failure   string       // of the model, logged last
}

// New makes a pipeline that does nothing yet.
func New(o Options) *Pipeline {
	p := &Pipeline{
		o:         o,
		slice:     slice,
		requests:  make(chan request),
		changed:   make(chan struct{}, 1),
		over:      make(chan struct{}),
		settings:  o.Settings,
		inspector: o.Inspector,
		decider:   NewDecider(o.Settings.Rule),
	}
	p.fresh = func() error { return p.inspector.Fresh(p.looked) }
	p.alive()
	return p
}

// Name is that of the camera.
func (p *Pipeline) Name() string { return p.o.Name }

// Settings returns what is in force.
func (p *Pipeline) Settings() Settings {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.settings
}

// Set replaces the settings.
func (p *Pipeline) Set(s Settings) {
	p.mu.Lock()
	p.settings = s
	p.mu.Unlock()
	p.Wake()
}

// Wake has a pipeline that waits look at its settings and viewers.
func (p *Pipeline) Wake() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// LastSign is when the pipeline was last seen to move. While a pipeline is
// healthy this is never more than a few seconds and one inference ago, also
// when it waits for a camera or is switched off. The time has a monotonic
// reading: boards set their clocks while they run.
func (p *Pipeline) LastSign() time.Time { return epoch.Add(time.Duration(p.beat.Load())) }

var epoch = time.Now()

// Ended reports whether the source came to its end, after which there are no
// more signs of life.
func (p *Pipeline) Ended() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

// now is the time by the clock of the camera.
func (p *Pipeline) now() time.Time {
	if c := p.o.Inspector.Clock; c != nil {
		return c.Now()
	}
	return time.Now()
}

func (p *Pipeline) alive() { p.beat.Store(int64(time.Since(epoch))) }

// Up reports whether the camera delivers, as far as is known.
func (p *Pipeline) Up() bool { return p.up.Load() == 1 }

// Run works until ctx ends or a source without loop is at its end; both are
// nil. An error means that the camera cannot be as it is configured, where it
// was to work from the start: somebody who switches one on later must not end
// those that work.
func (p *Pipeline) Run(ctx context.Context) error {
	defer p.close()
	var due time.Time // of the next inference
	tried := !p.Settings().Enabled
	for {
		if ctx.Err() != nil {
			return nil
		}
		p.alive()
		s := p.Settings()
		p.decider.SetRule(s.Rule)
		wait := time.Until(due)
		if !s.Enabled {
			p.close()
			p.forget()
			wait = p.slice
		}
		var asked *request
		if wait > 0 {
			r, ok := p.idle(ctx, min(wait, p.slice))
			if !ok || !s.Enabled {
				r.refuse(s.Enabled)
				if s.Enabled && (wait > p.slice || p.fault != nil) && !p.check(ctx) {
					due = time.Now()
				}
				continue
			}
			asked = r
		} else {
			asked = p.pending()
		}

		if p.cam == nil {
			cam, err := p.o.Open(ctx)
			switch {
			case err == nil:
				p.cam, tried = cam, true
			case ctx.Err() != nil:
				asked.fail(ctx.Err())
				return nil
			case !tried:
				asked.fail(err)
				return err
			default: // such as a folder that has gone since
				if p.down(err) {
					p.o.Log.Warn("the camera cannot be opened", "camera", p.o.Name, "err", err)
				}
				asked.fail(err)
				due = time.Now().Add(p.slice)
				continue
			}
		}
		if asked == nil || !asked.snapshot { // which may come more often than inferences
			due = time.Now().Add(s.Interval)
		}
		if err := p.one(ctx, s, asked); errors.Is(err, io.EOF) {
			asked.fail(errEnded)
			close(p.over)
			p.isDown()
			return nil
		} else if err != nil {
			asked.fail(err)
			due = time.Now().Add(min(s.Interval, retryPause) + errorPause)
		}
	}
}

// idle waits until the time is over, the settings change or somebody asks. It
// reports whether a frame is to be classified now.
func (p *Pipeline) idle(ctx context.Context, wait time.Duration) (*request, bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	defer p.view(ctx)()
	select {
	case r := <-p.requests:
		return &r, true
	case <-timer.C:
	case <-p.changed:
	case <-ctx.Done():
	}
	return nil, false
}

// pending is what somebody asks for, or nil.
func (p *Pipeline) pending() *request {
	select {
	case r := <-p.requests:
		return &r
	default:
		return nil
	}
}

// next takes a frame. The error says why there is none; it has been reported.
func (p *Pipeline) next(ctx context.Context) (*camera.Frame, error) {
	f, err := (*camera.Frame)(nil), p.fault // a camera tells it once
	p.fault = nil
	var late error
	if err == nil {
		// Without a limit of its own the call would hang for as long as a camera is
		// unplugged, and not be told from one that hangs for ever. Cameras that are
		// silent say so earlier, those that take a picture a minute do not.
		limited, cancel := context.WithTimeout(ctx, p.slice)
		f, err = p.cam.Next(limited)
		late = limited.Err()
		cancel()
		p.alive()
	}
	switch {
	case err == nil:
		return f, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err == late: // itself: it can be the reason of another
		return nil, errors.New("the camera gives no frame")
	case errors.Is(err, io.EOF):
		return nil, err
	case errors.Is(err, camera.ErrCorrupt):
		p.sequence++ // it has a number, too
		return nil, p.refused(err)
	}
	p.down(err)
	return nil, err
}

// check reports whether a camera is still there, as far as is known, whose next
// inference is far away: by a frame that is only inspected.
func (p *Pipeline) check(ctx context.Context) bool {
	if p.cam == nil || !p.live {
		return true
	}
	f, err := p.next(ctx)
	if err == nil {
		if err := p.inspector.Frame(f); err != nil {
			p.refused(err)
			return true
		}
		p.condition.interrupt()
		p.believed()
	}
	return err == nil || ctx.Err() != nil || errors.Is(err, camera.ErrCorrupt)
}

// one takes a frame and does with it what is asked, or else classifies it. The
// error says why there was no frame to look at; it has been reported.
func (p *Pipeline) one(ctx context.Context, s Settings, asked *request) error {
	f, err := p.next(ctx)
	if err != nil {
		return err
	}
	taken := time.Now()
	if p.started && f.Sequence > p.sequence {
		p.dropped(Skipped, f.Sequence-p.sequence)
	}
	p.started, p.sequence, p.live = true, f.Sequence+1, f.Name == ""
	if err := p.inspector.Frame(f); err != nil {
		return p.refused(err)
	}
	p.show(f)

	if asked != nil && asked.snapshot {
		data, err := encode(f)
		if errors.Is(err, camera.ErrCorrupt) {
			return p.refused(err)
		}
		p.believed()
		if err == nil {
			asked.snap(data)
		}
		return err
	}
	if n := max(s.Top, Shown); len(p.top) != n {
		p.top = make([]vitlite.Prediction, n)
	}
	f, best, report, err := p.classify(ctx, f)
	p.alive()
	switch {
	case errors.Is(err, camera.ErrCorrupt):
		return p.refused(err)
	case errors.Is(err, camera.ErrStale): // for which the camera can do nothing
		p.believed()
		p.dropped(Stale, 1)
		p.o.Log.Debug("a frame grew old before its turn at the model", "camera", p.o.Name, "err", err)
		return err
	case err == nil && len(best) == 0:
		err = errors.New("the model has no classes")
	}
	p.believed()
	if err != nil {
		p.dropped(Failed, 1)
		p.failed(err)
		asked.fail(err)
		return nil
	}
	p.failure = ""
	light := p.inspector.Light(report.Luma)
	p.sees(lights[light], nil)

	vote := Vote(best[0], s.Threshold)
	now := time.Now()
	r := Result{
		Source: p.o.Name, Time: f.Time, Width: f.Width, Height: f.Height, Age: max(taken.Sub(f.Time), 0),
		Light: light, Vote: vote, Top: best[:min(s.Top, len(best))], Best: best, Decision: p.decider.Add(now, vote),
		Timing: report.Timing, Total: now.Sub(taken), Asked: asked != nil, frame: f,
	}
	for _, sink := range p.o.Sinks {
		r.Publish = time.Since(now)
		sink.Classified(&r)
	}
	asked.done()
	return nil
}

// close gives the camera back.
func (p *Pipeline) close() {
	if p.cam == nil {
		return
	}
	if err := p.cam.Close(); err != nil {
		p.o.Log.Debug("closing the camera", "camera", p.o.Name, "err", err)
	}
	p.cam, p.started, p.fault = nil, false, nil
}

func (p *Pipeline) dropped(reason string, n uint64) {
	for _, sink := range p.o.Sinks {
		sink.Dropped(p.o.Name, reason, n)
	}
}

// down reports that the camera delivers no more, and returns whether that is
// new. The camera itself logs why.
func (p *Pipeline) down(err error) bool {
	p.condition.fails(err)
	p.doubt = doubt{}
	if !p.isDown() {
		return false
	}
	p.o.Log.Debug("the camera is down", "camera", p.o.Name, "err", err)
	return true
}

// forget is for a camera that is switched off, of which nothing is wrong.
func (p *Pipeline) forget() {
	p.condition.reset()
	p.doubt = doubt{}
}

// isDown reports whether that is new.
func (p *Pipeline) isDown() bool {
	if p.up.Swap(-1) == -1 {
		return false
	}
	for _, sink := range p.o.Sinks {
		sink.Available(p.o.Name, false)
	}
	return true
}

func (p *Pipeline) isUp() {
	if p.up.Swap(1) == 1 {
		return
	}
	for _, sink := range p.o.Sinks {
		sink.Available(p.o.Name, true)
	}
}

// failed logs what is wrong with the model, once for each fault.
func (p *Pipeline) failed(err error) {
	if text := err.Error(); text != p.failure {
		p.failure = text
		p.o.Log.Error("a frame could not be classified", "camera", p.o.Name, "err", err)
	}
}

// String is the name in logs.
func (p *Pipeline) String() string { return fmt.Sprintf("camera %s", p.o.Name) }
