package link

import "time"

// Some brokers close the connection for a message that the client may not
// publish, or that is too large for them. Sent first after every connect, such
// a message would keep all others from going out, for ever. So a topic on which
// the broker has closed the connection so many times in a row, over so long a
// time, is given up. A link that is merely bad loses a connection now on this
// message and now on that.
const (
	poisonTimes = 10
	poisonSpan  = 5 * time.Minute
)

// poison counts what breaks connections. It belongs to one goroutine.
type poison struct {
	times int
	span  time.Duration

	strikes map[string]strike // by topic
}

type strike struct {
	n     int
	first time.Time
}

// suspect notes what became of a message on topic and reports whether the
// topic is to be given up.
func (p *poison) suspect(topic string, err error) bool {
	if err == nil {
		delete(p.strikes, topic)
		return false
	}
	if !closedByBroker(err) {
		return false
	}
	s := p.strikes[topic]
	if s.n == 0 {
		s.first = time.Now()
	}
	s.n++
	if s.n >= p.times && time.Since(s.first) >= p.span {
		delete(p.strikes, topic)
		return true
	}
	p.strikes[topic] = s
	return false
}
