package camera

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	// The first attempt to open a camera again is quick, since most failures
	// are short. Later ones are rare enough to cost nothing and often enough
	// that a camera is back within five seconds of its return.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
	// maxReasons bounds what one outage reports.
	maxReasons = 8
)

// recovering keeps a camera that can go away. When it fails, it is closed at
// once, so that its device number is free for its return, and opened again by
// later calls of Next.
//
// An outage shows to the owner as one error for each different reason; further
// calls block until a frame comes or the reason is another. The log gets one
// line for each of these and one when frames come again.
type recovering struct {
	open  func(context.Context) (Camera, error)
	log   *slog.Logger
	clock Clock

	cam     Camera          // nil while it is down
	up      bool            // the last thing that happened was a frame
	reasons map[string]bool // of this outage, that the owner knows
	delay   time.Duration
	retry   time.Time
	frame   Frame  // as the camera gave it, numbered through
	first   uint64 // sequence number of the first frame since the last open
	last    uint64 // sequence number after that of the last frame
	closed  bool
}

func newRecovering(open func(context.Context) (Camera, error), c Config) *recovering {
	return &recovering{open: open, log: c.Log, clock: c.Clock, reasons: map[string]bool{}}
}

func (r *recovering) Next(ctx context.Context) (*Frame, error) {
	for {
		if r.closed {
			return nil, ErrClosed
		}
		if r.cam == nil {
			if err := r.clock.WaitUntil(ctx, r.retry); err != nil {
				return nil, err
			}
		}
		f, err := r.attempt(ctx)
		switch {
		case err == nil:
			r.recovered(f)
			return f, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, ErrCorrupt):
			return nil, err
		}
		if r.failed(err) {
			return nil, err
		}
	}
}

// attempt opens the camera if need be and asks it for a frame.
func (r *recovering) attempt(ctx context.Context) (*Frame, error) {
	if r.cam == nil {
		cam, err := r.open(ctx)
		if err != nil {
			return nil, err
		}
		r.cam, r.first = cam, r.last
	}
	f, err := r.cam.Next(ctx)
	if err != nil {
		return nil, err
	}
	r.frame = *f
	r.frame.Sequence += r.first
	r.last = r.frame.Sequence + 1
	return &r.frame, nil
}

// recovered notes that there are frames.
func (r *recovering) recovered(f *Frame) {
	if r.up {
		return
	}
	r.up, r.delay = true, 0
	clear(r.reasons)
	r.log.Info("camera delivers frames", "format", f.Format.String(), "width", f.Width, "height", f.Height)
}

// failed closes the camera, plans the next attempt and reports whether the
// owner does not know the reason yet.
func (r *recovering) failed(err error) bool {
	r.up = false
	r.shut()
	r.delay = min(max(2*r.delay, firstRetry), lastRetry)
	// Jitter keeps several cameras of one hub from coming back in step.
	r.retry = r.clock.Now().Add(r.delay*3/4 + rand.N(r.delay/2))
	reason := err.Error()
	for _, sentinel := range []error{ErrGone, ErrBusy, ErrTimeout} {
		if errors.Is(err, sentinel) {
			reason = sentinel.Error()
		}
	}
	if r.reasons[reason] || len(r.reasons) == maxReasons {
		return false
	}
	r.reasons[reason] = true
	r.log.Warn("camera is down", "err", err)
	return true
}

// Reopen is for an owner to whom frames come that cannot be believed. The log
// gets a line only if the camera cannot be opened.
func (r *recovering) Reopen() {
	r.shut()
	r.retry = r.clock.Now()
}

// shut closes the camera. Its error would only repeat why.
func (r *recovering) shut() {
	if r.cam != nil {
		r.cam.Close()
		r.cam = nil
	}
}

func (r *recovering) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	if r.cam == nil {
		return nil
	}
	return r.cam.Close()
}
