package link

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/brokertest"
)

// chaosEvents is how many events a chaos test sends: few, or as many as
// VITEDGE_CHAOS_EVENTS says. 10000 take about a minute.
func chaosEvents(few int) int {
	if n, err := strconv.Atoi(os.Getenv("VITEDGE_CHAOS_EVENTS")); err == nil {
		return n
	}
	return few
}

// chaos hurts the connections through p until done is closed. On a busy machine
// a handshake may take longer than the pause between two faults: as long as
// progress stays what it is the pauses grow.
func chaos(p *brokertest.Proxy, done <-chan struct{}, seed uint64, timeout time.Duration, corrupt bool, progress func() uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	pause := func(low, high time.Duration) {
		select {
		case <-done:
		case <-time.After(low + rand.N(high-low)):
		}
	}
	const least, most = 5 * time.Millisecond, 500 * time.Millisecond
	rest, before := least, progress()
	for {
		select {
		case <-done:
			p.Refuse(false)
			p.Stall(false)
			return
		default:
		}
		pause(rest, 8*rest)
		rest = min(2*rest, most)
		if now := progress(); now != before {
			rest, before = least, now
		}
		switch rng.IntN(6) {
		case 0:
			p.Cut()
		case 1, 2:
			p.CutAfter(1 + rng.IntN(2000)) // in the middle of a packet
		case 3: // shorter than a timeout: slow, but alive
			p.Stall(true)
			pause(timeout/10, timeout/3)
			p.Stall(false)
		case 4: // longer: half open
			p.Stall(true)
			pause(timeout*3/2, timeout*2)
			p.Stall(false)
		case 5:
			if corrupt {
				p.Corrupt()
				break
			}
			p.Refuse(true)
			p.Cut()
			pause(10*time.Millisecond, 30*time.Millisecond)
			p.Refuse(false)
		}
	}
}

// TestChaos sends events through a connection that is cut, stalled, half open
// and refused all the time: each arrives, in order, and what arrives twice is
// seen by its number.
func TestChaos(t *testing.T) {
	b := brokertest.Start(t)
	checkChaos(t, b, chaosEvents(1500), 100*time.Millisecond, func(*Options) {}, false)
}

// TestChaosTLS also flips bits. TCP's checksum would not let these through,
// but TLS finds them whoever made them.
func TestChaosTLS(t *testing.T) {
	authority := brokertest.NewAuthority(t)
	cert, key := authority.Issue("broker", soon, "127.0.0.1")
	b := startTLS(t, authority.File, cert, key, "listener PLAINPORT 127.0.0.1")
	checkChaos(t, b, chaosEvents(400), 250*time.Millisecond, func(o *Options) {
		o.TLS = Files{CA: authority.File}
		o.URL = "mqtts" + o.URL[len("mqtt"):]
	}, true)
}

// enough is how many connections must have been lost for a test to be one.
const enough = 5

func checkChaos(t *testing.T, b *brokertest.Broker, n int, timeout time.Duration, edit func(*Options), corrupt bool) {
	p := brokertest.NewProxy(t, b.Addr())
	const topic = "vitedge/pi/cam/event"
	s := b.Subscribe(topic)
	l := start(t, p.Addr(), func(o *Options) {
		o.Timeout = timeout
		edit(o)
	})
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		chaos(p, done, 7, timeout, corrupt, func() uint64 { return l.q.Stats().Acked })
	}()
	for i := range n {
		l.push(i)
	}
	began := time.Now()
	for l.q.Stats().Len > 0 || l.Stats().Lost < enough {
		require.Less(t, time.Since(began), 10*time.Minute)
		if l.q.Stats().Len == 0 { // all went before the chaos did enough
			l.push(n)
			n++
		}
		time.Sleep(time.Millisecond)
	}
	close(done)
	<-ended
	last := strconv.Itoa(n - 1)
	s.UntilOn(topic, `{"seq":`+last+`}`)

	seen := make([]int, n)
	next, duplicates := 0, 0
	for _, seq := range seqs(t, s.On(topic)) {
		if seen[seq]++; seen[seq] > 1 {
			duplicates++
			continue
		}
		require.Equal(t, next, seq, "the first of each comes in order, with none missing")
		next++
	}
	require.Equal(t, n, next)
	stats := l.Stats()
	t.Logf("%d events, %d connections, %d duplicates, %v", n, stats.Connects, duplicates, time.Since(began).Round(time.Millisecond))
	require.LessOrEqual(t, uint64(duplicates), uint64(p.Accepts()), "one in flight, so one duplicate a connection at most")
	require.Zero(t, l.q.Stats().Dropped)
}
