package publish

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// look is how often it is looked whether the status has changed.
const look = 5 * time.Second

// Facts are what the status says that others than the publisher know.
type Facts struct {
	QueueLen   int
	Dropped    uint64 // messages
	Reconnects uint64
	Problems   []string
	NextModel  string // SHA256 of a model file that waits; empty: none
}

// RunStatus publishes the status every interval, and as soon as something in
// it changes that is not a mere count. It returns nil when ctx ends.
func (p *Publisher) RunStatus(ctx context.Context, interval time.Duration, facts func() Facts) error {
	return p.runStatus(ctx, interval, min(look, interval), facts)
}

func (p *Publisher) runStatus(ctx context.Context, interval, look time.Duration, facts func() Facts) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	var last Status
	var lastTime time.Time
	for {
		p.CheckClock()
		now := time.Now()
		s := p.status(now, facts())
		if lastTime.IsZero() || now.Sub(lastTime) >= interval || s.differs(last) {
			if !lastTime.IsZero() {
				s.FPS = round(float64(s.Frames.Classified-last.Frames.Classified)/now.Sub(lastTime).Seconds(), 100)
			}
			p.publishStatus(s)
			last, lastTime = s, now
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// publishStatus also says "online" again: it heals a will that an older
// connection of ours left behind.
func (p *Publisher) publishStatus(s Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Seq = p.next(p.o.Topics.Status())
	p.o.Link.Retain(p.o.Topics.Availability(), []byte(online))
	p.o.Link.Retain(p.o.Topics.Status(), encode(s))
}

// differs compares what is worth a message of its own.
func (s Status) differs(o Status) bool {
	return s.Clock != o.Clock || s.Model != o.Model || s.Reconnects != o.Reconnects ||
		!slices.Equal(s.Throttled, o.Throttled) || !slices.Equal(s.Problems, o.Problems) ||
		(s.Queue.Dropped > 0) != (o.Queue.Dropped > 0)
}

func (p *Publisher) status(now time.Time, f Facts) Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	model := p.o.Model()
	health := p.o.Machine.Health()
	s := Status{
		V: Version, Session: p.o.Session, Version: p.o.Version,
		Model: StatusModel{model.Name, model.SHA256, cmp.Or(f.NextModel, model.SHA256)}, Kernel: model.Kernel,
		UptimeS: int64(now.Sub(p.o.Started).Seconds()), Clock: p.clock(),
		Queue: Queue{Len: f.QueueLen, Dropped: f.Dropped}, Frames: p.tally.frames, Outages: p.tally.outages,
		TempC: health.TemperatureC, RSSBytes: p.o.Machine.ResidentBytes(),
		Reconnects: f.Reconnects, Problems: append([]string{}, f.Problems...),
	}
	s.InferP50, s.InferP95 = p.tally.percentiles()
	if health.Throttled != nil {
		s.Throttled = health.Throttled.Names()
	}
	return s
}
