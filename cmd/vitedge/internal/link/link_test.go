package link

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/brokertest"
	"vitedge/cmd/vitedge/internal/outbox"
)

const availability = "vitedge/pi/availability"

// logBuffer is a log that tests read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// running is a Link whose Run is under way.
type running struct {
	*Link
	t    testing.TB
	log  *logBuffer
	q    *outbox.Queue
	stop context.CancelFunc
	done chan struct{}
}

// start runs a link to addr with short times; edit may change its options.
func start(t testing.TB, addr string, edit func(*Options)) *running {
	t.Helper()
	r := &running{t: t, log: &logBuffer{}, q: outbox.New(100_000, 64<<20), done: make(chan struct{})}
	o := Options{
		URL:          "mqtt://" + addr,
		ClientID:     "pi",
		Availability: availability,
		Keepalive:    30 * time.Second,
		PingTimeout:  10 * time.Second,
		Timeout:      10 * time.Second,
		ReconnectMin: 5 * time.Millisecond,
		ReconnectMax: 50 * time.Millisecond,
		Handle:       func(Inbound) {},
		MaxPayload:   4096,
		Outbox:       r.q,
		Log:          slog.New(slog.NewTextHandler(r.log, nil)),
	}
	if edit != nil {
		edit(&o)
	}
	var err error
	r.Link, err = New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	r.stop = cancel
	go func() {
		defer close(r.done)
		r.Link.Run(ctx)
	}()
	t.Cleanup(r.finish)
	return r
}

// finish ends Run and waits for it.
func (r *running) finish() {
	r.stop()
	select {
	case <-r.done:
	case <-time.After(brokertest.Patience):
		r.t.Error("Run does not end")
	}
}

// push sends event i.
func (r *running) push(i int) {
	r.Send(outbox.Message{Topic: "vitedge/pi/cam/event", Payload: fmt.Appendf(nil, `{"seq":%d}`, i)})
}

func seqs(t *testing.T, payloads []string) []int {
	var got []int
	for _, p := range payloads {
		var m struct{ Seq int }
		require.NoError(t, json.Unmarshal([]byte(p), &m))
		got = append(got, m.Seq)
	}
	return got
}

func TestBirthEventAndFarewell(t *testing.T) {
	b := brokertest.Start(t)
	s := b.Subscribe("#")
	l := start(t, b.Addr(), nil)
	s.UntilOn(availability, Online)
	l.push(1)
	m := s.UntilOn("vitedge/pi/cam/event", `{"seq":1}`)
	require.Equal(t, byte(1), m.QoS)
	l.finish()
	s.UntilOn(availability, Offline)
	require.Equal(t, []string{Online, Offline}, s.On(availability))
	late := b.Subscribe("#")
	require.True(t, late.UntilOn(availability, Offline).Retained)
	require.Equal(t, outbox.Stats{Accepted: 1, Acked: 1}, l.q.Stats())
}

func TestWillWhenTheProcessDies(t *testing.T) {
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	s := b.Subscribe(availability)
	start(t, p.Addr(), nil)
	s.UntilOn(availability, Online)
	p.Refuse(true)
	p.Cut()
	s.UntilOn(availability, Offline)
	p.Refuse(false)
	s.Until("online again", func([]brokertest.Message) bool {
		got := s.On(availability)
		return got[len(got)-1] == Online && len(got) >= 3
	})
}

// TestBrokerRestart guards that a broker that lost all its memory gets every
// retained topic again, and the events that were made meanwhile in order.
func TestBrokerRestart(t *testing.T) {
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	l := start(t, p.Addr(), nil)
	l.Retain("vitedge/pi/status", []byte("status"))
	l.Send(outbox.Message{Topic: "vitedge/pi/cam/state", Payload: []byte("state 1"), Retain: true})
	s := b.Subscribe("#")
	s.UntilOn("vitedge/pi/cam/state", "state 1")
	s.UntilOn("vitedge/pi/status", "status")

	p.Refuse(true)
	b.Kill()
	brokertest.Eventually(t, "the loss", func() bool { return !l.Stats().Connected })
	for i := range 50 {
		l.push(i)
	}
	b.Restart()
	s = b.Subscribe("#")
	p.Refuse(false)
	s.UntilOn(availability, Online)
	s.UntilOn("vitedge/pi/status", "status")
	s.UntilOn("vitedge/pi/cam/state", "state 1")
	s.UntilOn("vitedge/pi/cam/event", `"seq":49`)
	late := b.Subscribe("vitedge/#")
	for _, topic := range []string{availability, "vitedge/pi/status", "vitedge/pi/cam/state"} {
		require.True(t, late.UntilOn(topic, "").Retained, topic)
	}
	require.Equal(t, uint64(1), l.Stats().Lost)
	require.Equal(t, 50, len(s.On("vitedge/pi/cam/event")))
}

// TestADayWithoutABroker makes the events of 24 hours, one a second, while the
// broker is away: memory is bounded, and those that a subscriber misses
// afterwards are as many as were counted.
func TestADayWithoutABroker(t *testing.T) {
	const day, room = 24 * 60 * 60, 1000
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	p.Refuse(true)
	q := outbox.New(room, 1<<20)
	l := start(t, p.Addr(), func(o *Options) { o.Outbox = q })
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	padding := strings.Repeat("x", 500) // all of them would be 50 MB
	for i := range day {
		l.Send(outbox.Message{Topic: "vitedge/pi/cam/event", Payload: fmt.Appendf(nil, `{"seq":%d,"padding":%q}`, i, padding)})
		l.Live("vitedge/pi/cam/prediction", []byte("{}"), false)
	}
	grown := heap() - before
	require.Less(t, grown, int64(8<<20), "bytes on the heap, of which the outbox may have 1 MiB")
	require.Equal(t, uint64(day-room), q.Stats().Dropped)
	require.Equal(t, uint64(day), l.Stats().LiveLost)

	s := b.Subscribe("vitedge/pi/cam/event")
	p.Refuse(false)
	s.UntilOn("vitedge/pi/cam/event", fmt.Sprintf(`{"seq":%d,`, day-1))
	require.NoError(t, l.Flush(t.Context())) // until the last is acknowledged
	var want []int
	for seq := day - room; seq < day; seq++ {
		want = append(want, seq)
	}
	require.Equal(t, want, seqs(t, s.On("vitedge/pi/cam/event")))
	require.Equal(t, outbox.Stats{Accepted: day, Acked: room, Dropped: day - room}, q.Stats())
	t.Logf("%d events, %d dropped, %d delivered, %d bytes more on the heap", day, q.Stats().Dropped, q.Stats().Acked, grown)
}

func TestReasonIsLoggedOnce(t *testing.T) {
	b := brokertest.Start(t)
	b.Kill()
	debug := &logBuffer{}
	l := start(t, b.Addr(), func(o *Options) {
		o.Log = slog.New(slog.NewTextHandler(debug, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	brokertest.Eventually(t, "some tries", func() bool { return strings.Count(debug.String(), "the connection was refused") > 5 })
	require.Equal(t, 1, strings.Count(debug.String(), "level=WARN"))
	b.Restart()
	brokertest.Eventually(t, "a connection", func() bool { return l.Stats().Connected })
	require.Contains(t, debug.String(), "connected to the broker")
	require.Empty(t, l.Stats().LastError)
}

// TestStatesInTheOutboxComeInOrder guards that the newest state is not
// published before older ones that still wait.
func TestStatesInTheOutboxComeInOrder(t *testing.T) {
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	l := start(t, p.Addr(), nil)
	brokertest.Eventually(t, "a connection", func() bool { return l.Stats().Connected })
	p.Refuse(true)
	p.Cut()
	brokertest.Eventually(t, "the loss", func() bool { return !l.Stats().Connected })
	for i := range 5 {
		l.Send(outbox.Message{Topic: "state", Payload: fmt.Append(nil, i), Retain: true})
	}
	s := b.Subscribe("state")
	p.Refuse(false)
	s.UntilOn("state", "4")
	require.NoError(t, l.Flush(t.Context()))
	require.Equal(t, []string{"0", "1", "2", "3", "4"}, s.On("state"))

	l.Refresh()
	s.Until("the state again", func([]brokertest.Message) bool { return len(s.On("state")) == 6 })
	require.Equal(t, "4", s.On("state")[5])
}

// TestDroppedStateIsStillRetained guards that a state that the outbox dropped
// is published as the topic's last.
func TestDroppedStateIsStillRetained(t *testing.T) {
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	p.Refuse(true)
	q := outbox.New(2, 1<<20)
	l := start(t, p.Addr(), func(o *Options) { o.Outbox = q })
	l.Send(outbox.Message{Topic: "state", Payload: []byte("on"), Retain: true})
	l.push(0)
	l.push(1)
	require.Equal(t, uint64(1), q.Stats().Dropped)
	s := b.Subscribe("state")
	p.Refuse(false)
	s.UntilOn("state", "on")
}

// TestFlushWaitsForAcknowledgments stalls the broker while a retained message
// is on its way.
func TestFlushWaitsForAcknowledgments(t *testing.T) {
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	s := b.Subscribe("status")
	l := start(t, p.Addr(), nil)
	brokertest.Eventually(t, "a connection", func() bool { return l.Stats().Connected })
	require.NoError(t, l.Flush(t.Context()))
	p.Stall(true)
	l.Retain("status", []byte("x"))
	brokertest.Eventually(t, "the message on its way", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.stale() == nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, l.Flush(ctx), context.DeadlineExceeded)
	p.Stall(false)
	require.NoError(t, l.Flush(t.Context()))
	s.UntilOn("status", "x")
}

// TestRemovedTopicIsForgotten guards that a topic is removed from the broker
// once, and not again after every connect.
func TestRemovedTopicIsForgotten(t *testing.T) {
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	s := b.Subscribe("#")
	s.Publish("old", "x", true)
	l := start(t, p.Addr(), nil)
	l.Retain("old", nil)
	require.NoError(t, l.Flush(t.Context()))
	s.Until("the removal", func([]brokertest.Message) bool { return len(s.On("old")) == 2 })
	require.Empty(t, s.On("old")[1])
	s.Forget()
	p.Cut()
	s.UntilOn(availability, Online)
	require.NoError(t, l.Flush(t.Context()))
	require.Empty(t, s.On("old"))

	l.Retain("old", []byte("y"))
	s.UntilOn("old", "y")
}

// TestRemovedBehindTheOutbox guards that a topic is removed although an older
// state of it waits, as one of a camera that is configured no more does.
func TestRemovedBehindTheOutbox(t *testing.T) {
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	s := b.Subscribe("#")
	p.Refuse(true)
	l := start(t, p.Addr(), nil)
	l.Retain("old", nil)
	l.q.Push(outbox.Message{Topic: "old", Payload: []byte("x"), Retain: true}) // as from its file
	p.Refuse(false)
	require.NoError(t, l.Flush(t.Context()))
	s.Publish("end", "", false) // comes behind all that the broker has
	s.UntilOn("end", "")
	require.Equal(t, []string{"x", ""}, s.On("old"))
}

func TestLiveIsNeverQueued(t *testing.T) {
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	p.Refuse(true)
	l := start(t, p.Addr(), nil)
	for range 10 {
		l.Live("live", []byte("old"), false)
	}
	require.Equal(t, uint64(10), l.Stats().LiveLost)
	s := b.Subscribe("#")
	p.Refuse(false)
	s.UntilOn(availability, Online)
	l.Live("live", []byte("new"), false)
	m := s.UntilOn("live", "new")
	require.Equal(t, byte(0), m.QoS)
	require.Equal(t, []string{"new"}, s.On("live"))
}

// TestRetainedLiveWaits guards that the broker does not retain a picture that
// is older than the last one.
func TestRetainedLiveWaits(t *testing.T) {
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	p.Refuse(true)
	l := start(t, p.Addr(), nil)
	l.Live("image", []byte("old"), true)
	brokertest.Eventually(t, "a try", func() bool { return l.Stats().LastError != "" })
	l.Live("image", []byte("new"), true)
	s := b.Subscribe("image")
	p.Refuse(false)
	m := s.UntilOn("image", "new")
	require.Equal(t, byte(0), m.QoS)
	require.Equal(t, []string{"new"}, s.On("image"))
	require.Equal(t, uint64(1), l.Stats().LiveLost)
}

// TestRetainedLiveIsSentAgain plays a broker that resets the connection in the
// middle of a picture, first less often than the link tries, then whenever it comes.
func TestRetainedLiveIsSentAgain(t *testing.T) {
	const large = 32 << 20 // bytes, more than the buffers between the two ends hold
	var breaks atomic.Int64
	got := make(chan *packets.PublishPacket, 100)
	addr := fakeBroker(t, func(c net.Conn) {
		defer c.Close()
		packets.ReadPacket(c)
		packets.NewControlPacket(packets.Connack).Write(c)
		for {
			var header [1]byte
			if _, err := io.ReadFull(c, header[:]); err != nil {
				return
			}
			const picture = packets.Publish<<4 | 1 // QoS 0, retained
			if header[0] == picture && breaks.Add(-1) >= 0 {
				return
			}
			p, err := packets.ReadPacket(io.MultiReader(bytes.NewReader(header[:]), c))
			if err != nil {
				return
			}
			if p, ok := p.(*packets.PublishPacket); ok {
				got <- p
				if p.Qos == 0 {
					continue
				}
				ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
				ack.MessageID = p.MessageID
				ack.Write(c)
			}
		}
	})
	until := func(topic string) *packets.PublishPacket {
		t.Helper()
		for deadline := time.After(brokertest.Patience); ; {
			select {
			case p := <-got:
				if p.TopicName == topic {
					return p
				}
			case <-deadline:
				t.Fatal("waited in vain for ", topic)
			}
		}
	}
	l := start(t, addr, nil)
	breaks.Store(liveTries - 1)
	l.Live("image", make([]byte, large), true)
	require.Len(t, until("image").Payload, large)
	require.NoError(t, l.Flush(t.Context()))
	require.Equal(t, uint64(1), l.Stats().LiveSent)
	require.Zero(t, l.Stats().LiveLost)

	breaks.Store(1000)
	l.Live("image", make([]byte, large), true)
	l.push(1)
	until("vitedge/pi/cam/event")
	require.Equal(t, int64(1000-liveTries), breaks.Load())
	require.Equal(t, uint64(1), l.Stats().LiveLost)
	require.Contains(t, l.log.String(), "gave up a message: the connection breaks whenever it is sent")
}

// TestRetainedLiveIsOvertaken: a picture that the connection broke under is not
// sent again behind or in place of a newer one.
func TestRetainedLiveIsOvertaken(t *testing.T) {
	l, err := New(Options{URL: "mqtt://127.0.0.1"})
	require.NoError(t, err)
	take := func(payload string) live {
		t.Helper()
		m, ok := l.takeLive()
		require.True(t, ok)
		require.Equal(t, payload, string(m.payload))
		return m
	}
	l.Live("image", []byte("old"), true)
	m := take("old")
	l.Live("other", []byte("x"), true)
	l.written(m, io.EOF)
	m = take("old") // before what came later
	l.Live("image", []byte("new"), true)
	l.written(m, io.EOF)
	take("x")
	m = take("new")
	l.written(m, io.EOF)
	l.Live("image", []byte("newest"), true)
	take("newest")
	_, ok := l.takeLive()
	require.False(t, ok)
	require.Equal(t, uint64(2), l.Stats().LiveLost)
}

// TestLiveKeepsTheNewest stalls the broker, so that live messages meet.
func TestLiveKeepsTheNewest(t *testing.T) {
	b := brokertest.Start(t)
	p := brokertest.NewProxy(t, b.Addr())
	s := b.Subscribe("live")
	l := start(t, p.Addr(), nil)
	brokertest.Eventually(t, "a connection", func() bool { return l.Stats().Connected })
	require.NoError(t, l.Flush(t.Context()))
	p.Stall(true)
	l.push(1) // waits for its acknowledgment
	brokertest.Eventually(t, "the event in flight", func() bool { return l.inFlight() })
	for i := range 100 {
		l.Live("live", fmt.Append(nil, i), false)
	}
	p.Stall(false)
	s.UntilOn("live", "99")
	require.Equal(t, []string{"99"}, s.On("live"))
	require.Equal(t, uint64(99), l.Stats().LiveLost)
}

// inFlight reports whether the outbox waits for an acknowledgment: then
// nothing else is left to send.
func (l *Link) inFlight() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.live) == 0 && l.stale() == nil && l.o.Outbox.InFlight()
}

// TestHalfOpen freezes the broker: the connection stays, but nothing answers.
func TestHalfOpen(t *testing.T) {
	b := brokertest.Start(t)
	const keepalive, pingTimeout = 2 * time.Second, time.Second
	l := start(t, b.Addr(), func(o *Options) {
		o.Keepalive, o.PingTimeout = keepalive, pingTimeout
		o.Timeout = time.Second
	})
	brokertest.Eventually(t, "a connection", func() bool { return l.Stats().Connected })
	require.NoError(t, l.Flush(t.Context()))
	b.Freeze()
	began := time.Now()
	brokertest.Eventually(t, "the loss", func() bool { return !l.Stats().Connected })
	t.Logf("found after %v", time.Since(began))
	require.Contains(t, l.log.String(), "the connection is dead")
	b.Thaw()
	brokertest.Eventually(t, "a new connection", func() bool { return l.Stats().Connected })
}

func TestPingTimes(t *testing.T) {
	for _, c := range []struct{ keepalive, pingTimeout time.Duration }{
		{2 * time.Second, time.Second}, {5 * time.Second, 2 * time.Second}, {12 * time.Second, 3 * time.Second},
		{15 * time.Second, 5 * time.Second}, {16 * time.Second, time.Second}, {18 * time.Hour, time.Second}, {30 * time.Second, 10 * time.Second}, {time.Minute, 10 * time.Second}, {time.Hour, time.Minute},
	} {
		k, p := pingTimes(c.keepalive, c.pingTimeout)
		require.Zero(t, k%time.Second, "MQTT counts in seconds")
		require.Positive(t, k)
		require.Positive(t, p)
		look := 5 * time.Second // how often the library looks
		if k <= 10*time.Second {
			look = k / 4
		}
		require.LessOrEqual(t, k+look, c.keepalive, "%v: the ping goes out at the first look after k", c)
		require.LessOrEqual(t, p+look, c.pingTimeout, "%v: its silence is seen at the first look after p", c)
	}
}

// TestRival lets two clients fight over one id: each CONNECT ends the other's
// connection right after it was accepted. Both say so, in the log once.
func TestRival(t *testing.T) {
	b := brokertest.Start(t)
	edit := func(o *Options) { o.ReconnectMin, o.ReconnectMax = 5*time.Millisecond, 20*time.Millisecond }
	first, second := start(t, b.Addr(), edit), start(t, b.Addr(), edit)
	const rival = "does another client use the client id pi?"
	for _, l := range []*running{first, second} {
		brokertest.Eventually(t, "the suspicion", func() bool { return strings.Contains(l.log.String(), rival) })
		require.Contains(t, l.Stats().Rival, rival)
		connects := l.Stats().Connects
		brokertest.Eventually(t, "more turns", func() bool { return l.Stats().Connects > connects+5 })
		require.Equal(t, 1, strings.Count(l.log.String(), rival), l.log.String())
	}
	second.finish()
	first.mu.Lock()
	for i := range first.kicks { // five minutes pass
		first.kicks[i] = first.kicks[i].Add(-rivalSpan)
	}
	first.mu.Unlock()
	require.Empty(t, first.Stats().Rival)
}

// TestRivalBeforeTheSubscriptions plays a broker that closes the connection when
// it has accepted it and not answered the subscription yet, as another client may
// have it do.
func TestRivalBeforeTheSubscriptions(t *testing.T) {
	addr := fakeBroker(t, func(c net.Conn) {
		defer c.Close()
		packets.ReadPacket(c)
		packets.NewControlPacket(packets.Connack).Write(c)
		packets.ReadPacket(c)
	})
	l := start(t, addr, func(o *Options) { o.Filters = []string{"a"} })
	brokertest.Eventually(t, "the suspicion", func() bool { return l.Stats().Rival != "" })
	l.reason("does another client use the client id pi?")
	require.Zero(t, l.Stats().Connects)
}

// TestRivalSeenByWrites guards that it is the same fault, and is logged once,
// whether a read or a write finds that the broker has closed the connection.
func TestRivalSeenByWrites(t *testing.T) {
	log := &logBuffer{}
	l, err := New(Options{URL: "mqtt://127.0.0.1", ClientID: "pi", Log: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	for range rivalKicks {
		for _, err := range []error{io.EOF, os.NewSyscallError("write", syscall.EPIPE), os.NewSyscallError("read", syscall.ECONNRESET)} {
			l.kicked(err)
			l.complain(err, true)
		}
	}
	require.Len(t, l.kicks, 3*rivalKicks)
	require.Equal(t, 1, strings.Count(log.String(), "does another client use the client id pi?"), log.String())
	require.Equal(t, 2, strings.Count(log.String(), "no connection to the broker"), log.String())
}

// TestAcceptedAndKickedBacksOff plays a broker that accepts every connection and
// closes it at once: the pauses grow as if it refused.
func TestAcceptedAndKickedBacksOff(t *testing.T) {
	addr := fakeBroker(t, func(c net.Conn) {
		packets.ReadPacket(c)
		packets.NewControlPacket(packets.Connack).Write(c)
		c.Close()
	})
	debug := &logBuffer{}
	start(t, addr, func(o *Options) {
		o.ReconnectMin, o.ReconnectMax, o.Timeout = time.Millisecond, time.Hour, 200*time.Millisecond
		o.Log = slog.New(slog.NewTextHandler(debug, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	pauses := regexp.MustCompile(`pause=(\S+)`)
	brokertest.Eventually(t, "a pause that is a hundred times the least", func() bool {
		return slices.ContainsFunc(pauses.FindAllStringSubmatch(debug.String(), -1), func(found []string) bool {
			pause, err := time.ParseDuration(found[1])
			return err == nil && pause > 100*time.Millisecond
		})
	})
}

func TestBackoff(t *testing.T) {
	b := backoff{low: time.Second, high: time.Minute}
	var limits []time.Duration
	for range 9 {
		p := b.pause(0)
		require.Positive(t, p)
		require.LessOrEqual(t, p, b.limit())
		limits = append(limits, b.limit())
	}
	require.Equal(t, []time.Duration{1e9, 2e9, 4e9, 8e9, 16e9, 32e9, 60e9, 60e9, 60e9}, limits)
	b.pause(time.Second) // kicked soon after it was accepted
	require.Equal(t, time.Minute, b.limit())
	b.pause(settled)
	require.Equal(t, time.Second, b.limit())

	// Full jitter: the pauses of many devices fill the whole range.
	low, high := 0, 0
	for range 1000 {
		b := backoff{low: time.Second, high: time.Minute, failures: 5}
		switch p := b.pause(0); {
		case p < 8*time.Second:
			low++
		case p > 24*time.Second:
			high++
		}
	}
	require.InDelta(t, 250, low, 100)
	require.InDelta(t, 250, high, 100)
}

func TestInbound(t *testing.T) {
	b := brokertest.Start(t)
	var mu sync.Mutex
	var got []Inbound
	s := b.Subscribe("none")
	s.Publish("vitedge/pi/cmd/stored", "retained", true)
	l := start(t, b.Addr(), func(o *Options) {
		o.Filters = []string{"vitedge/pi/cmd/+", "homeassistant/status"}
		o.MaxPayload = 16
		o.Handle = func(m Inbound) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, m)
		}
	})
	brokertest.Eventually(t, "a connection", func() bool { return l.Stats().Connected })
	s.Publish("vitedge/pi/cmd/long", strings.Repeat("x", 1<<20), false)
	s.Publish("homeassistant/status", "online", false)
	brokertest.Eventually(t, "three messages", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) == 3
	})
	require.Equal(t, []Inbound{
		{"vitedge/pi/cmd/stored", []byte("retained"), true},
		{"vitedge/pi/cmd/long", []byte(strings.Repeat("x", 17)), false},
		{"homeassistant/status", []byte("online"), false},
	}, got)
	require.Equal(t, uint64(1), l.Stats().Connects, "a long message must not end the connection")
}

// TestFarewellToADeadBroker measures that a broker that does not answer does
// not hold the end up.
func TestFarewellToADeadBroker(t *testing.T) {
	b := brokertest.Start(t)
	l := start(t, b.Addr(), nil)
	brokertest.Eventually(t, "a connection", func() bool { return l.Stats().Connected })
	b.Freeze()
	l.push(1)
	began := time.Now()
	l.finish()
	t.Logf("ended after %v", time.Since(began))
	require.Equal(t, 1, l.q.Stats().Len, "what was not acknowledged stays in the outbox")
	b.Thaw()
}

// TestFarewellToABrokerThatDoesNotRead fills the connection, so that a write
// waits: that does not hold the end up either.
func TestFarewellToABrokerThatDoesNotRead(t *testing.T) {
	const more = 32 << 20 // bytes than the buffers between the two ends hold
	began := make(chan error, 1)
	addr := fakeBroker(t, func(c net.Conn) {
		packets.ReadPacket(c)
		packets.NewControlPacket(packets.Connack).Write(c)
		p, err := packets.ReadPacket(c) // "online"
		if err != nil {
			return
		}
		ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
		ack.MessageID = p.Details().MessageID
		ack.Write(c)
		_, err = io.ReadFull(c, make([]byte, 1)) // of the message that does not go through
		began <- err
		<-t.Context().Done()
		c.Close()
	})
	l := start(t, addr, func(o *Options) { o.Timeout = time.Hour })
	brokertest.Eventually(t, "a connection", func() bool { return l.Stats().Connected })
	require.NoError(t, l.Flush(t.Context()))
	l.Live("image", make([]byte, more), true)
	select {
	case err := <-began:
		require.NoError(t, err)
	case <-time.After(brokertest.Patience):
		t.Fatal("the message is not written")
	}
	l.finish()
	require.Contains(t, l.log.String(), "left without a word")
}

func TestEndWhileConnecting(t *testing.T) {
	p := brokertest.NewProxy(t, "127.0.0.1:1") // accepts, and has nothing behind it
	p.Refuse(true)
	l := start(t, p.Addr(), func(o *Options) { o.ReconnectMin, o.ReconnectMax = time.Hour, time.Hour })
	brokertest.Eventually(t, "a complaint", func() bool { return l.Stats().LastError != "" })
	l.finish()
}
