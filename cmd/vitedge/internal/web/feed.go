package web

import (
	"encoding/json"
	"maps"
	"sync"

	"vitedge/cmd/vitedge/internal/pipeline"
	"vitedge/cmd/vitedge/internal/publish"
)

// Feed is the sink that keeps the last prediction of each camera and hands new
// ones to whoever listens.
type Feed struct {
	payload func(*pipeline.Result) publish.Prediction

	mu        sync.Mutex
	latest    map[string]publish.Prediction
	listeners map[chan Event]struct{}
}

// Event is one server-sent event.
type Event struct {
	Name string // "prediction", or "state" when the stable label is announced
	Data []byte // publish.Prediction as JSON
}

// NewFeed makes a feed that describes results with payload.
func NewFeed(payload func(*pipeline.Result) publish.Prediction) *Feed {
	return &Feed{payload: payload, latest: make(map[string]publish.Prediction), listeners: make(map[chan Event]struct{})}
}

var _ pipeline.Sink = (*Feed)(nil)

// Classified keeps the result and hands it on.
func (f *Feed) Classified(r *pipeline.Result) {
	p := f.payload(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	p.Seq = f.latest[r.Source].Seq + 1
	f.latest[r.Source] = p
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

// Dropped is of no interest here.
func (f *Feed) Dropped(string, string, uint64) {}

// Available is of no interest here.
func (f *Feed) Available(string, bool) {}

// Latest is the last prediction of each camera.
func (f *Feed) Latest() map[string]publish.Prediction {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.latest)
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
