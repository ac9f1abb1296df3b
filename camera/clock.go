package camera

import (
	"context"
	"time"
)

// A Clock paces sources and times recovery. Tests and simulations replace it
// to let a day of camera time pass in seconds.
type Clock interface {
	Now() time.Time
	// WaitUntil returns nil at t, or the error of ctx if that comes first. A
	// time that has passed still looks at ctx.
	WaitUntil(ctx context.Context, t time.Time) error
}

// systemClock is the machine's own time.
type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) WaitUntil(ctx context.Context, t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pace hands out the due times of frames at a fixed rate.
type pace struct {
	clock  Clock
	period time.Duration // 0: no waiting
	due    time.Time     // of the next frame; zero before the first
}

// newPace paces fps frames a second; 0 is as fast as frames are asked for.
func newPace(clock Clock, fps float64) pace {
	p := pace{clock: clock}
	if fps > 0 {
		p.period = time.Duration(float64(time.Second) / fps)
	}
	return p
}

// wait blocks until the next frame is due. An owner that is late gets its
// frame at once and the schedule starts anew from there: the time that was
// lost is not made up by a burst.
func (p *pace) wait(ctx context.Context) error {
	now := p.clock.Now()
	if p.due.IsZero() || now.Sub(p.due) >= p.period {
		p.due = now
	}
	if err := p.clock.WaitUntil(ctx, p.due); err != nil {
		return err
	}
	p.due = p.due.Add(p.period)
	return nil
}
