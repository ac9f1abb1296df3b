// Package link keeps one connection to an MQTT 3.1.1 broker and decides what
// goes over it.
//
// The protocol is github.com/eclipse/paho.mqtt.golang's; its own reconnecting
// and storing are not used. Measured, its automatic reconnect reports messages
// as sent that never were, its file store panics on a full disk, and its
// backoff has no jitter. Here every connection is a new client, and messages
// wait in places of ours:
//
//   - Events and states go through an outbox: QoS 1, in order, one in flight,
//     removed when the broker has acknowledged. What was in flight when a
//     connection broke is sent again, so a subscriber may see it twice.
//   - Retained messages of which only the last matters are kept here, one a
//     topic, and published again after every connect: a broker that lost its
//     memory has them back at once.
//   - Live messages are QoS 0 and never wait: without a connection they are
//     gone, and of two on one topic the newer is sent. One that the broker is to
//     retain waits for the connection, as what it retains would else be older, and
//     is sent again if the connection breaks under it.
//
// One message in flight makes the order certain and limits duplicates to one
// for each lost connection. It costs a round trip a message, which a device
// with a few messages a second does not notice.
package link

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"vitedge/cmd/vitedge/internal/outbox"
)

// The payloads of the availability topic.
const (
	Online  = "online"
	Offline = "offline"
)

// Times of a clean end. A live broker has everything within linger; a dead one
// is given up after hardLimit.
const (
	linger    = time.Second
	hardLimit = 3 * time.Second
)

// Inbound is a message from the broker.
type Inbound struct {
	Topic    string
	Payload  []byte // cut to Options.MaxPayload+1 bytes
	Retained bool   // stored by the broker from before the subscription
}

// Options say which broker, and how.
type Options struct {
	URL          string // mqtt://HOST:PORT or mqtts://HOST:PORT
	ClientID     string
	Username     string
	Password     func() (string, error) // read for every connection; nil: none
	TLS          Files
	Availability string // topic of the will, the birth and the farewell; empty: none of them
	Keepalive    time.Duration
	PingTimeout  time.Duration
	Timeout      time.Duration // of connecting, of a write, of an acknowledgment
	ReconnectMin time.Duration
	ReconnectMax time.Duration

	Filters    []string      // subscribed after every connect with QoS 1
	Handle     func(Inbound) // called in order; must not block
	MaxPayload int           // bytes of an inbound payload

	Outbox *outbox.Queue
	Log    *slog.Logger
}

// Stats is what there is to say about a link.
type Stats struct {
	Connected bool
	Connects  uint64 // connections made
	Lost      uint64 // connections lost
	LastError string // why there is no connection; empty when there is one
	LiveSent  uint64
	LiveLost  uint64 // live messages without a connection, broken off, or overtaken by a newer one
	Denied    []string
	Rival     string // why another client seems to use the client id; empty: none does
}

// Link is one supervised connection. Its methods may be called from several
// goroutines, before, during and after Run.
type Link struct {
	o       Options
	address string
	secure  bool
	wake    chan struct{}

	poison   poison // belongs to Run, as the next does
	unproven string // the topic of a live message that nothing acknowledged came after

	mu       sync.Mutex
	retained []*retained // in the order in which they were first published
	live     []live
	muted    []string // topics of live messages that are not sent any more
	stats    Stats
	busy     bool        // a live or retained message is on its way
	logged   string      // the last complaint
	kicks    []time.Time // when the broker closed a connection that it had accepted
	idle     chan struct{}
}

// retained is the last message of a topic.
type retained struct {
	topic   string
	payload []byte
	fresh   bool // acknowledged on this connection
}

type live struct {
	topic   string
	payload []byte
	retain  bool
	tries   int // under which the connection broke
}

// New checks nothing that the configuration has not checked already, but the
// form of the URL.
func New(o Options) (*Link, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, err
	}
	l := &Link{o: o, wake: make(chan struct{}, 1), idle: make(chan struct{})}
	l.poison = poison{times: poisonTimes, span: poisonSpan, strikes: make(map[string]strike)}
	port := u.Port()
	switch u.Scheme {
	case "mqtts", "ssl", "tls":
		l.secure = true
		if port == "" {
			port = "8883"
		}
	}
	if port == "" {
		port = "1883"
	}
	l.address = net.JoinHostPort(u.Hostname(), port)
	if o.Availability != "" {
		l.Retain(o.Availability, []byte(Online))
	}
	return l, nil
}

// Retain publishes payload on topic, retained with QoS 1, now and after every
// connect until it is replaced. An empty payload removes the topic from the
// broker, once.
func (l *Link) Retain(topic string, payload []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retain(topic, payload)
	l.notify()
}

func (l *Link) retain(topic string, payload []byte) {
	for _, r := range l.retained { // a few dozen at most
		if r.topic == topic {
			r.payload, r.fresh = payload, false
			return
		}
	}
	l.retained = append(l.retained, &retained{topic: topic, payload: payload})
}

// Send queues m in the outbox. A retained m is also published again after
// every later connect.
func (l *Link) Send(m outbox.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.Retain {
		l.retain(m.Topic, m.Payload)
	}
	l.o.Outbox.Push(m)
}

// Live publishes payload with QoS 0 if there is a connection, or when there is
// one if the broker is to retain it. Of two messages on one topic that have not
// gone out the newer is sent.
func (l *Link) Live(topic string, payload []byte, retain bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stats.Connected && !retain || slices.Contains(l.muted, topic) {
		l.stats.LiveLost++
		return
	}
	m := live{topic: topic, payload: payload, retain: retain}
	for i := range l.live {
		if l.live[i].topic == topic {
			l.live[i] = m
			l.stats.LiveLost++
			return
		}
	}
	l.live = append(l.live, m)
	l.notify()
}

// Refresh publishes every retained message again.
func (l *Link) Refresh() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refresh()
	l.notify()
}

func (l *Link) refresh() {
	for _, r := range l.retained {
		r.fresh = false
	}
}

// stale is a retained message that must be published. A topic with messages in
// the outbox is left to the outbox: its last state comes from there, and
// publishing that first would make the older ones look newer.
func (l *Link) stale() *retained {
	for _, r := range l.retained {
		if !r.fresh && !l.o.Outbox.Has(r.topic) {
			return r
		}
	}
	return nil
}

func (l *Link) notify() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Stats returns a copy.
func (l *Link) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Denied = append([]string(nil), s.Denied...)
	s.Rival = l.rival()
	return s
}

// Flush waits until nothing is waiting for the broker any more, or ctx ends.
func (l *Link) Flush(ctx context.Context) error {
	for {
		l.mu.Lock()
		idle := l.idle
		empty := l.stats.Connected && !l.busy && l.stale() == nil && len(l.live) == 0 && l.o.Outbox.Stats().Len == 0
		l.mu.Unlock()
		if empty {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
