package web

import (
	"encoding/json"
	"maps"
	"sync"
	"time"

	"vitedge/cmd/vitedge/internal/pipeline"
	"vitedge/cmd/vitedge/internal/publish"
)

// Feed is the sink that keeps what each camera has seen of late and hands new
// predictions to whoever listens.
type Feed struct {
	payload func(*pipeline.Result) publish.Prediction

	mu        sync.Mutex
	cameras   map[string]*seen
	listeners map[chan Event]struct{}
}

// seen is what is known of one camera.
type seen struct {
	latest  *Prediction // nil: nothing yet
	up      *bool       // nil: not known yet
	counts  Counts
	history history
}

// Counts are those of one camera since the session began.
type Counts struct {
	Classified uint64            `json:"classified"`
	Dropped    map[string]uint64 `json:"dropped"` // frames by reason, see pipeline.Reasons
	Changes    uint64            `json:"changes"` // of the stable label
}

// Prediction is the payload of MQTT and what only the page shows.
type Prediction struct {
	publish.Prediction
	Best   []publish.Score `json:"best"`      // at least pipeline.Shown classes
	State  *State          `json:"state"`     // the stable label; null before there is one
	Stages Stages          `json:"stages_ms"` // where the time of this frame went
}

// State is a stable label.
type State struct {
	MonoMS int64   `json:"mono_ms"` // since when, since the session began
	Label  string  `json:"label"`
	Score  float64 `json:"score"` // of the last prediction that agreed
}

// Stages are the times of one frame in milliseconds.
type Stages struct {
	Capture    float64 `json:"capture"` // age of the frame when it was taken
	Decode     float64 `json:"decode"`
	Preprocess float64 `json:"preprocess"`
	Infer      float64 `json:"infer"`
	Publish    float64 `json:"publish"` // until the link has the message
}

// Event is one server-sent event.
type Event struct {
	Name string // "prediction", or "state" when the stable label is announced
	Data []byte // Prediction as JSON
}

// NewFeed makes a feed that describes results with payload.
func NewFeed(payload func(*pipeline.Result) publish.Prediction) *Feed {
	return &Feed{payload: payload, cameras: make(map[string]*seen), listeners: make(map[chan Event]struct{})}
}

var _ pipeline.Sink = (*Feed)(nil)

// camera is what is known of the one that is named. f is locked.
func (f *Feed) camera(name string) *seen {
	c := f.cameras[name]
	if c == nil {
		c = &seen{counts: Counts{Dropped: make(map[string]uint64)}}
		f.cameras[name] = c
	}
	return c
}

// Classified keeps the result and hands it on.
func (f *Feed) Classified(r *pipeline.Result) {
	p := &Prediction{Prediction: f.payload(r), Stages: Stages{
		Capture: milliseconds(r.Age), Decode: milliseconds(r.Timing.Decode), Preprocess: milliseconds(r.Timing.Preprocess),
		Infer: milliseconds(r.Timing.Infer), Publish: milliseconds(r.Publish),
	}}
	for _, b := range r.Best {
		p.Best = append(p.Best, publish.Score{Label: b.Label, Score: probability(b.Score)})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.camera(r.Source)
	p.Seq = c.counts.Classified + 1
	if d := &r.Decision; d.Decided {
		state := State{MonoMS: p.MonoMS, Label: d.Stable.Label, Score: probability(d.Stable.Score)}
		if c.latest != nil && c.latest.State != nil && !d.Changed {
			state.MonoMS = c.latest.State.MonoMS
		}
		p.State = &state
	}
	c.latest = p
	c.counts.Classified++
	if r.Decision.Changed {
		c.counts.Changes++
	}
	c.history.add(p, r.Decision.First || r.Decision.Changed)
	if len(f.listeners) == 0 {
		return
	}
	data, err := json.Marshal(p)
	if err != nil {
		panic("web: " + err.Error()) // the payload holds nothing that JSON has no form for
	}
	e := Event{Name: "prediction", Data: data}
	if r.Decision.Announce {
		e.Name = "state"
	}
	for c := range f.listeners {
		select {
		case c <- e:
		default: // a slow listener misses this one
		}
	}
}

// Dropped counts frames that were not classified.
func (f *Feed) Dropped(source, reason string, n uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.camera(source).counts.Dropped[reason] += n
}

// Available keeps whether a camera delivers.
func (f *Feed) Available(source string, up bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.camera(source).up = &up
}

// Latest is the last prediction of each camera.
func (f *Feed) Latest() map[string]*Prediction {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]*Prediction)
	for name, c := range f.cameras {
		if c.latest != nil {
			all[name] = c.latest
		}
	}
	return all
}

// History is what a camera has seen of late.
func (f *Feed) History(camera string) History {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.camera(camera).history.snapshot()
}

// known is whether a camera delivers, nil if that is not known, and its counts.
func (f *Feed) known(camera string) (*bool, Counts) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.camera(camera)
	counts := c.counts
	counts.Dropped = maps.Clone(counts.Dropped)
	return c.up, counts
}

// Subscribe listens until stop is called.
func (f *Feed) Subscribe() (events <-chan Event, stop func()) {
	c := make(chan Event, 16)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners[c] = struct{}{}
	return c, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.listeners, c)
	}
}

// milliseconds has two decimals: a workstation decodes in less than a tenth.
func milliseconds(d time.Duration) float64 { return float64(d.Round(10*time.Microsecond)) / 1e6 }
