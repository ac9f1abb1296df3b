// Package publish is what the device says over MQTT and what it takes from
// there. Topics and payloads are a contract with everyone who subscribes:
//
//	BASE/availability       QoS 1, retained  online, offline (will)
//	BASE/status             QoS 1, retained  Status
//	BASE/SRC/availability   QoS 1, retained  online, offline
//	BASE/SRC/state          QoS 1, retained  Prediction, stable
//	BASE/SRC/prediction     QoS 0            Prediction
//	BASE/SRC/event          QoS 1            Event
//	BASE/SRC/image          QoS 0, retained  JPEG, only if switched on
//	BASE/SRC/SETTING/set    subscribed       enabled, threshold, interval
//	BASE/SRC/SETTING/state  QoS 1, retained  its value
//	BASE/cmd/COMMAND        subscribed       empty, or Command as JSON
//	BASE/cmd/result         QoS 1            CommandResult
package publish

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"vitedge/cmd/vitedge/internal/device"
	"vitedge/cmd/vitedge/internal/outbox"
	"vitedge/cmd/vitedge/internal/pipeline"
)

// Link is the connection to the broker; see package link.
type Link interface {
	Retain(topic string, payload []byte)
	Send(m outbox.Message)
	Live(topic string, payload []byte, retain bool)
	Refresh()
}

// Model says which model is loaded.
type Model struct {
	Name   string
	SHA256 string
	Kernel string
}

// ID is the short name in messages, "vit-tiny@ab12cd34".
func (m Model) ID() string { return m.Name + "@" + m.SHA256[:min(8, len(m.SHA256))] }

// Options make a Publisher.
type Options struct {
	Topics  Topics
	Sources []string // names of the cameras
	Session string
	Started time.Time
	Version string        // of the program
	Model   func() Model  // the one in use
	Live    time.Duration // least time between two live predictions of a camera; 0: none
	Machine device.FS
	Link    Link
	Log     *slog.Logger

	// Changed, if set, is told of every result that decided or changed the stable
	// label, when that has been published. It must not block for long.
	Changed func(r *pipeline.Result)
}

// NewSession is a name that no other run of the daemon has.
func NewSession() string {
	b := make([]byte, 4)
	rand.Read(b) // never fails, see its documentation
	return hex.EncodeToString(b)
}

// Publisher is the sink of all pipelines that turns results into messages.
type Publisher struct {
	o Options

	synced atomic.Bool

	mu      sync.Mutex
	seq     map[string]uint64 // of the last message, by topic
	sources map[string]*source
	tally   tally
}

// source is what is known of one camera.
type source struct {
	up       bool
	known    bool // up is
	lastLive time.Time
}

// New makes a publisher and announces that the state of each camera is not
// known to be good.
func New(o Options) *Publisher {
	p := &Publisher{o: o, seq: make(map[string]uint64), sources: make(map[string]*source)}
	for _, name := range o.Sources {
		p.sources[name] = &source{}
		o.Link.Retain(o.Topics.SourceAvailability(name), []byte(offline))
	}
	p.CheckClock()
	return p
}

const (
	online  = "online"
	offline = "offline"
)

var _ pipeline.Sink = (*Publisher)(nil)

// SetLive changes the least time between two live predictions.
func (p *Publisher) SetLive(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.o.Live = d
}

// Image publishes a picture of a camera.
func (p *Publisher) Image(src string, jpeg []byte) { p.o.Link.Live(p.o.Topics.Image(src), jpeg, true) }

// CheckClock looks whether the time of day can be trusted by now.
func (p *Publisher) CheckClock() { p.synced.Store(p.o.Machine.ClockSynced()) }

func (p *Publisher) clock() string {
	if p.synced.Load() {
		return synced
	}
	return unsynced
}

// next numbers a message. The lock is held from here until the message is with
// the link, so that numbers leave in order.
func (p *Publisher) next(topic string) uint64 {
	p.seq[topic]++
	return p.seq[topic]
}

// Classified publishes what one frame led to.
func (p *Publisher) Classified(r *pipeline.Result) {
	p.classified(r)
	if d := &r.Decision; (d.Changed || d.First) && p.o.Changed != nil {
		p.o.Changed(r)
	}
}

func (p *Publisher) classified(r *pipeline.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tally.classified(r.Timing.Infer, r.Light)
	d := &r.Decision

	s := p.sources[r.Source]
	now := time.Now()
	if r.Asked || p.o.Live > 0 && now.Sub(s.lastLive) >= p.o.Live {
		s.lastLive = now
		topic := p.o.Topics.Prediction(r.Source)
		payload := p.Describe(r)
		payload.Seq = p.next(topic)
		p.o.Link.Live(topic, encode(payload), false)
	}
	if !d.Announce {
		return
	}
	topic := p.o.Topics.State(r.Source)
	state := p.prediction(r, d.Stable, true)
	state.Seq = p.next(topic)
	p.o.Link.Send(outbox.Message{Topic: topic, Payload: encode(state), Retain: true})
	if d.Changed {
		topic := p.o.Topics.Event(r.Source)
		p.o.Link.Send(outbox.Message{Topic: topic, Payload: encode(Event{
			Type: "changed", From: d.From, To: d.Stable.Label, Score: probability(d.Stable.Score),
			TS: timestamp(r.Time), Seq: p.next(topic), Session: p.o.Session,
		})})
	}
	if d.Changed || d.First {
		p.o.Log.Info("label", "camera", r.Source, "from", d.From, "to", d.Stable.Label, "score", probability(d.Stable.Score))
	}
}

// Dropped counts frames that were not classified.
func (p *Publisher) Dropped(_, reason string, n uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tally.dropped(reason, n)
}

// Available publishes whether a camera delivers.
func (p *Publisher) Available(src string, up bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sources[src]
	s.up, s.known = up, true
	payload := online
	if !up {
		payload = offline
		p.tally.outages++
	}
	p.o.Link.Retain(p.o.Topics.SourceAvailability(src), []byte(payload))
}

// SourcesUp reports whether every camera delivers.
func (p *Publisher) SourcesUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sources {
		if !s.up {
			return false
		}
	}
	return true
}
