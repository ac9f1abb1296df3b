package pipeline

import (
	"context"
	"errors"
	"time"

	"vitedge/camera"
	"vitedge/vitlite"
)

// Viewer looks at frames beside the classification. Its methods are called from
// one goroutine at a time and must not block.
type Viewer interface {
	// Due is when the next frame is wanted; false says that nobody looks.
	Due() (time.Time, bool)
	// Show looks at a frame, which is valid during the call.
	Show(f *camera.Frame)
}

// show lets the viewer look at a frame that was taken for something else.
func (p *Pipeline) show(f *camera.Frame) {
	if p.o.Viewer == nil {
		return
	}
	if due, ok := p.o.Viewer.Due(); ok && !due.After(time.Now()) {
		p.o.Viewer.Show(f)
	}
}

// classify lets the viewer look at newer frames while the model looks at f, so
// that a model that takes a second does not make a picture of one frame a second.
// It returns the frame that the answer is for, which is a copy then.
func (p *Pipeline) classify(ctx context.Context, f *camera.Frame) (*camera.Frame, []vitlite.Prediction, Report, error) {
	if p.viewed() {
		data := append(p.held.Data[:0], f.Data...) // the camera overwrites its own
		p.held = *f
		p.held.Data = data
		f = &p.held
		defer p.view(ctx)()
	}
	p.looked = f
	best, report, err := p.o.Classifier.Classify(p.top, f, p.fresh)
	return f, best, report, err
}

// viewed reports whether somebody looks at a source that can be looked at. The
// pictures of a folder are all for the model.
func (p *Pipeline) viewed() bool {
	if p.o.Viewer == nil || p.cam == nil || !p.live {
		return false
	}
	_, ok := p.o.Viewer.Due()
	return ok
}

// view takes frames for the viewer until stop is called, which is before the
// pipeline uses the camera again. A fault ends it, and is left for the pipeline.
func (p *Pipeline) view(ctx context.Context) (stop func()) {
	if !p.viewed() || p.fault != nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			due, ok := p.o.Viewer.Due()
			if !ok || !sleepUntil(ctx, due) {
				return
			}
			f, err := p.cam.Next(ctx)
			switch {
			case err == nil:
				p.o.Viewer.Show(f)
			case err == ctx.Err(): // itself: a fault can come at the same time
				return
			case !errors.Is(err, camera.ErrCorrupt):
				p.fault = err
				p.Wake()
				return
			case !sleepUntil(ctx, time.Now().Add(errorPause)):
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// sleepUntil reports whether t was reached before ctx ended.
func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
