package link

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/brokertest"
	"vitedge/cmd/vitedge/internal/outbox"
	"vitedge/cmd/vitedge/internal/publish"
)

// fleetSize is how many devices the load test simulates: few, or as many as
// VITEDGE_FLEET says. 1000 take about a minute and 4000 open files.
func fleetSize() int {
	if n, err := strconv.Atoi(os.Getenv("VITEDGE_FLEET")); err == nil {
		return n
	}
	return 50
}

// TestFleet starts many devices at the same moment against one broker, each
// with the publisher, the commands and the description for Home Assistant of the
// daemon, kills the broker under them and starts it again. Every event of every
// device arrives, and every device is online at the end.
func TestFleet(t *testing.T) {
	const changes = 4 // of each device's label, half of them while the broker is away
	n := fleetSize()
	b := brokertest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	links, queues, publishers := make([]*Link, n), make([]*outbox.Queue, n), make([]*publish.Publisher, n)
	for i := range n {
		id := fmt.Sprintf("device-%d", i)
		queues[i] = outbox.New(100, 64<<10)
		topics := publish.Topics{Base: "vitedge/" + id}
		l, err := New(Options{
			URL: b.URL(), ClientID: id, Availability: "vitedge/" + id + "/availability",
			Keepalive: 30 * time.Second, PingTimeout: 10 * time.Second, Timeout: 30 * time.Second,
			ReconnectMin: 50 * time.Millisecond, ReconnectMax: 2 * time.Second,
			Filters: publish.Filters(topics, []string{"cam"}, "homeassistant/status"), Handle: func(Inbound) {}, MaxPayload: publish.MaxPayload,
			Outbox: queues[i], Log: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		links[i] = l
		discovery := publish.Discovery{Topics: topics, Prefix: "homeassistant", ID: id, Name: id, Sources: []string{"cam"}, Commands: true}
		l.Retain(discovery.Topic(), discovery.Payload())
		publishers[i] = publisher(id, l)
	}
	push := func(first, last int) {
		for _, p := range publishers {
			for i := first; i < last; i++ {
				p.Classified(change(i, true)) // a prediction, a state and an event
			}
		}
	}
	all := func(f func(i int) bool) func() bool {
		return func() bool {
			for i := range n {
				if !f(i) {
					return false
				}
			}
			return true
		}
	}
	connected := all(func(i int) bool { return links[i].Stats().Connected })
	drained := all(func(i int) bool { return queues[i].Stats().Len == 0 })

	s := b.Subscribe("vitedge/+/cam/event")
	push(0, changes/2)
	began := time.Now()
	for _, l := range links {
		running.Go(func() { l.Run(ctx) })
	}
	brokertest.Eventually(t, "all devices connected", connected)
	brokertest.Eventually(t, "the first events delivered", drained)
	storm := time.Since(began)
	s.Until("the first events", func(m []brokertest.Message) bool { return len(m) >= n*changes/2 })
	before := s.Messages()

	b.Kill()
	brokertest.Eventually(t, "all devices without a connection", all(func(i int) bool { return !links[i].Stats().Connected }))
	push(changes/2, changes)
	b.Restart()
	began = time.Now()
	brokertest.Eventually(t, "all devices connected again", connected)
	brokertest.Eventually(t, "the other events delivered", drained)
	t.Logf("%d devices: all up and heard after %v, again after %v", n, storm.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	for i, q := range queues {
		stats := q.Stats()
		require.Equal(t, uint64(2*changes), stats.Acked, "device %d", i)
		require.Zero(t, stats.Dropped)
	}
	next := make(map[string]int)
	for _, m := range before {
		var e struct{ Seq int }
		require.NoError(t, json.Unmarshal([]byte(m.Payload), &e))
		require.LessOrEqual(t, e.Seq, next[m.Topic]+1, "in order on %s", m.Topic)
		next[m.Topic] = max(next[m.Topic], e.Seq)
	}
	require.Len(t, next, n)

	late := b.Subscribe("vitedge/+/availability")
	late.Until("every device online", func(messages []brokertest.Message) bool {
		online := make(map[string]bool)
		for _, m := range messages {
			online[m.Topic] = m.Payload == Online
		}
		return len(online) == n && !strings.Contains(fmt.Sprint(online), "false")
	})
	cancel()
	running.Wait()
}

// TestSharedSubscription lets two workers share the events of all devices, as
// those of a fleet do: each event comes to one of them.
func TestSharedSubscription(t *testing.T) {
	b := brokertest.Start(t)
	l := start(t, b.Addr(), nil)
	const filter = "$share/workers/vitedge/+/+/event"
	first, second := b.Subscribe(filter), b.Subscribe(filter)
	for i := range 100 {
		l.push(i)
	}
	require.NoError(t, l.Flush(t.Context()))
	brokertest.Eventually(t, "all events", func() bool { return len(first.Messages())+len(second.Messages()) == 100 })
	require.NotEmpty(t, first.Messages())
	require.NotEmpty(t, second.Messages())
	seen := make(map[string]bool)
	for _, m := range append(first.Messages(), second.Messages()...) {
		seen[m.Payload] = true
	}
	require.Len(t, seen, 100)
}
