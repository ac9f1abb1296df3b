// Package outbox holds the messages that a broker must acknowledge.
//
// A Queue is bounded in messages and in bytes. When it is full the oldest
// message makes room, because a subscriber is better served by what is true
// now; every drop is counted. Push never blocks and never fails, so that a
// dead broker cannot stop who publishes.
//
// A message leaves the queue only through Ack. Between Front and Ack it is in
// flight and is never the one that is dropped: the broker may have it already,
// and a drop that was delivered would make the count a lie.
package outbox

import "sync"

// Message is one publication with QoS 1.
type Message struct {
	Topic   string
	Payload []byte // not changed after Push
	Retain  bool

	id uint64
}

// overhead is the estimate in bytes of what a message costs beside its topic
// and payload.
const overhead = 96

func (m Message) cost() int { return len(m.Topic) + len(m.Payload) + overhead }

// Stats counts messages since the queue was made.
type Stats struct {
	Accepted uint64 // pushed, or restored from disk
	Acked    uint64 // acknowledged by the broker
	Dropped  uint64 // made room for newer ones, or were larger than the queue
	Len      int    // waiting
	Bytes    int    // waiting, with overhead
}

// Queue is a bounded first-in first-out queue. Its methods may be called from
// several goroutines; one of them sends.
type Queue struct {
	maxMessages, maxBytes int
	journal               *Journal // nil: nothing outlives the process

	ready chan struct{}

	mu       sync.Mutex
	messages []Message // a ring: first is the oldest, n are in use
	first, n int
	bytes    int
	next     uint64 // id of the next message
	inFlight bool   // of the oldest message
	topics   map[string]int
	stats    Stats
}

// New makes a queue of at most maxMessages messages and maxBytes bytes.
func New(maxMessages, maxBytes int) *Queue {
	return &Queue{
		maxMessages: maxMessages,
		maxBytes:    maxBytes,
		ready:       make(chan struct{}, 1),
		topics:      make(map[string]int),
	}
}

// Push appends m and drops as many of the oldest messages as that takes. A
// message that could not fit into the empty queue is itself dropped.
func (q *Queue) Push(m Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Accepted++
	if m.cost() > q.maxBytes {
		q.stats.Dropped++
		return
	}
	for q.n >= q.maxMessages || q.bytes+m.cost() > q.maxBytes {
		if !q.dropOldest() {
			// Only the message in flight is left, and there is no room beside it.
			q.stats.Dropped++
			return
		}
	}
	m.id = q.next
	q.next++
	q.append(m)
	q.journal.pushed(m)
	q.wake()
}

// append puts m at the end of the ring, which grows up to maxMessages.
func (q *Queue) append(m Message) {
	if q.n == len(q.messages) {
		grown := make([]Message, min(max(16, 2*q.n), q.maxMessages))
		for i := range q.n {
			grown[i] = *q.at(i)
		}
		q.messages, q.first = grown, 0
	}
	*q.at(q.n) = m
	q.n++
	q.bytes += m.cost()
	q.topics[m.Topic]++
}

// at is the i-th oldest place.
func (q *Queue) at(i int) *Message { return &q.messages[(q.first+i)%len(q.messages)] }

// dropOldest removes the oldest message that is not in flight.
func (q *Queue) dropOldest() bool {
	switch {
	case q.n == 0 || q.n == 1 && q.inFlight:
		return false
	case q.inFlight:
		// The second oldest goes: let the oldest take its place.
		m := *q.at(1)
		*q.at(1) = *q.at(0)
		q.shift(m)
	default:
		q.shift(*q.at(0))
	}
	q.stats.Dropped++
	return true
}

// shift gives the first place of the ring back, and takes m, which had it or has
// left it to another, out of the sums and the journal. The journal comes last: it
// may write its file anew, with all that is in the ring.
func (q *Queue) shift(m Message) {
	*q.at(0) = Message{}
	q.first = (q.first + 1) % len(q.messages)
	q.n--
	q.bytes -= m.cost()
	if q.topics[m.Topic]--; q.topics[m.Topic] == 0 {
		delete(q.topics, m.Topic)
	}
	q.journal.removed(m.id)
}

// Front is the oldest message, which is in flight from now on.
func (q *Queue) Front() (Message, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.n == 0 {
		return Message{}, false
	}
	q.inFlight = true
	return *q.at(0), true
}

// Ack removes m, the message that Front returned.
func (q *Queue) Ack(m Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.remove(m)
	q.stats.Acked++
}

// Drop removes m, the message that Front returned, without an acknowledgment,
// and counts it as dropped.
func (q *Queue) Drop(m Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.remove(m)
	q.stats.Dropped++
}

func (q *Queue) remove(m Message) {
	if q.n == 0 || q.at(0).id != m.id {
		panic("outbox: the message is not in flight")
	}
	q.inFlight = false
	q.shift(m)
}

// Release says that the message that Front returned is in flight no more,
// because its connection is gone. Front returns it again.
func (q *Queue) Release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inFlight = false
}

// Has reports whether a message for topic is waiting.
func (q *Queue) Has(topic string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.topics[topic] > 0
}

// Ready receives a value after a Push. One value may stand for several.
func (q *Queue) Ready() <-chan struct{} { return q.ready }

func (q *Queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// Stats is a consistent copy of the counters:
// Accepted = Acked + Dropped + Len.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Len, s.Bytes = q.n, q.bytes
	return s
}

// InFlight reports whether a message waits for its acknowledgment.
func (q *Queue) InFlight() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.inFlight
}
