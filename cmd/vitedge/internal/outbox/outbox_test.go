package outbox

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func message(i int) Message {
	return Message{Topic: "t", Payload: fmt.Appendf(nil, "%d", i)}
}

// drain acknowledges everything and returns the payloads in order.
func drain(q *Queue) []string {
	var got []string
	for {
		m, ok := q.Front()
		if !ok {
			return got
		}
		got = append(got, string(m.Payload))
		q.Ack(m)
	}
}

func TestOrder(t *testing.T) {
	q := New(100, 1<<20)
	for i := range 5 {
		q.Push(message(i))
	}
	require.Equal(t, []string{"0", "1", "2", "3", "4"}, drain(q))
	require.Equal(t, Stats{Accepted: 5, Acked: 5}, q.Stats())
}

func TestFrontRepeatsUntilAck(t *testing.T) {
	q := New(10, 1<<20)
	q.Push(message(0))
	q.Push(message(1))
	for range 3 {
		m, ok := q.Front()
		require.True(t, ok)
		require.Equal(t, "0", string(m.Payload))
		q.Release()
	}
	require.Equal(t, []string{"0", "1"}, drain(q))
}

func TestDropsOldest(t *testing.T) {
	q := New(3, 1<<20)
	for i := range 10 {
		q.Push(message(i))
	}
	require.Equal(t, uint64(7), q.Stats().Dropped)
	require.Equal(t, []string{"7", "8", "9"}, drain(q))
}

func TestDropsByBytes(t *testing.T) {
	big := Message{Topic: "t", Payload: make([]byte, 1000)}
	q := New(1000, 3*big.cost()+10)
	for range 10 {
		q.Push(big)
	}
	require.Equal(t, 3, q.Stats().Len)
	require.Equal(t, uint64(7), q.Stats().Dropped)
	q.Push(Message{Topic: "t", Payload: make([]byte, 4000)})
	require.Equal(t, 3, q.Stats().Len, "a message that can never fit must not empty the queue")
	require.Equal(t, uint64(8), q.Stats().Dropped)
}

func TestInFlightIsNotDropped(t *testing.T) {
	q := New(3, 1<<20)
	q.Push(message(0))
	m, _ := q.Front()
	for i := 1; i < 10; i++ {
		q.Push(message(i))
	}
	q.Ack(m)
	require.Equal(t, []string{"8", "9"}, drain(q))
	require.Equal(t, Stats{Accepted: 10, Acked: 3, Dropped: 7}, q.Stats())

	q = New(1, 1<<20)
	q.Push(message(0))
	m, _ = q.Front()
	q.Push(message(1))
	q.Ack(m)
	require.Equal(t, Stats{Accepted: 2, Acked: 1, Dropped: 1}, q.Stats())
}

func TestDrop(t *testing.T) {
	q := New(3, 1<<20)
	q.Push(message(0))
	q.Push(message(1))
	m, _ := q.Front()
	q.Drop(m)
	require.Equal(t, []string{"1"}, drain(q))
	require.Equal(t, Stats{Accepted: 2, Acked: 1, Dropped: 1}, q.Stats())
}

func TestHas(t *testing.T) {
	q := New(2, 1<<20)
	q.Push(Message{Topic: "a"})
	q.Push(Message{Topic: "a"})
	q.Push(Message{Topic: "b"}) // drops one of a
	require.True(t, q.Has("a"))
	require.True(t, q.Has("b"))
	q.Push(Message{Topic: "b"}) // drops the other
	require.False(t, q.Has("a"))
	drain(q)
	require.False(t, q.Has("b"))
}

func TestAckOfAnotherMessagePanics(t *testing.T) {
	q := New(2, 1<<20)
	q.Push(message(0))
	require.Panics(t, func() { q.Ack(Message{id: 7}) })
	require.Panics(t, func() { q.Drop(Message{id: 7}) })
}

// TestAgainstModel compares a random history with a plain slice.
func TestAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		limit := 1 + rng.IntN(6)
		q := New(limit, 1<<20)
		var model []string
		var flying bool
		var dropped, acked uint64
		for i := range 100 {
			switch rng.IntN(4) {
			case 0, 1:
				q.Push(message(i))
				switch {
				case len(model) < limit:
					model = append(model, fmt.Sprint(i))
				case flying && limit == 1:
					dropped++
				case flying:
					model = append(append(model[:1:1], model[2:]...), fmt.Sprint(i))
					dropped++
				default:
					model = append(model[1:], fmt.Sprint(i))
					dropped++
				}
			case 2:
				if m, ok := q.Front(); ok {
					require.Equal(t, model[0], string(m.Payload))
					q.Ack(m)
					model, flying = model[1:], false
					acked++
				} else {
					require.Empty(t, model)
				}
			case 3:
				if _, ok := q.Front(); ok {
					flying = true
				}
				if rng.IntN(2) == 0 {
					q.Release()
					flying = false
				}
			}
			s := q.Stats()
			require.Equal(t, len(model), s.Len)
			require.Equal(t, dropped, s.Dropped)
			require.Equal(t, acked, s.Acked)
			require.Equal(t, s.Accepted, s.Acked+s.Dropped+uint64(s.Len))
		}
	}
}

// TestMemoryIsBounded pushes a day of events, one a second, at a dead broker.
func TestMemoryIsBounded(t *testing.T) {
	const day = 24 * 60 * 60
	q := New(1000, 64<<10)
	for range day {
		q.Push(Message{Topic: "vitedge/pi/cam/event", Payload: make([]byte, 200)})
	}
	s := q.Stats()
	require.LessOrEqual(t, s.Bytes, 64<<10)
	require.LessOrEqual(t, s.Len, 1000)
	require.Equal(t, uint64(day), s.Dropped+uint64(s.Len))
	require.LessOrEqual(t, len(q.messages), 1000)
	require.Zero(t, testing.AllocsPerRun(100, func() { q.Push(Message{Topic: "vitedge/pi/cam/event", Payload: nil}) }))
}
