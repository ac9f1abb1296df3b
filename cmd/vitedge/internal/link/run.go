package link

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Run connects, serves, and connects again until ctx ends. Then it publishes
// "offline", waits for the acknowledgment and disconnects. It returns nil.
func (l *Link) Run(ctx context.Context) error {
	b := backoff{low: l.o.ReconnectMin, high: l.o.ReconnectMax}
	for ctx.Err() == nil {
		began := time.Now()
		c, err := l.connect(ctx)
		lasted := time.Duration(0)
		if err == nil {
			began = time.Now()
			err = l.serve(ctx, c)
			if err == nil {
				return nil // ended as ctx asked
			}
			l.kicked(err)
			lasted = time.Since(began)
		}
		if ctx.Err() != nil {
			return nil
		}
		l.complain(err, lasted > 0)

		pause := b.pause(lasted)
		l.o.Log.Debug("waiting before the next try", "pause", pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return nil
}

// A broker closes the connection of a client when another one connects with the
// same client id; then they take turns. So many closed connections in so long a
// time are taken for that.
const (
	rivalKicks = 3
	rivalSpan  = 5 * time.Minute
)

// kicked notes the end of a connection that the broker had accepted, if it was
// the broker that ended it.
func (l *Link) kicked(err error) {
	if !closedByBroker(err) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kicks = append(l.kicks, time.Now())
}

// rival says that another client seems to use the client id, or nothing.
func (l *Link) rival() string {
	l.kicks = slices.DeleteFunc(l.kicks, func(t time.Time) bool { return time.Since(t) > rivalSpan })
	if len(l.kicks) < rivalKicks {
		return ""
	}
	return fmt.Sprintf("the broker keeps closing the connection; does another client use the client id %s?", l.o.ClientID)
}

// complain records why there is no connection, or none any more, and logs it
// when it is something new.
func (l *Link) complain(err error, lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := explain(err)
	if closedByBroker(err) {
		if rival := l.rival(); rival != "" {
			text = rival
		}
	}
	l.stats.Connected = false
	l.stats.LastError = text
	waiting := len(l.live)
	l.live = slices.DeleteFunc(l.live, func(m live) bool { return !m.retain })
	l.stats.LiveLost += uint64(waiting - len(l.live))
	if lost {
		l.stats.Lost++
	}
	if text == l.logged {
		l.o.Log.Debug("no connection to the broker", "broker", l.o.URL, "reason", text, "err", err)
		return
	}
	l.logged = text
	l.o.Log.Warn("no connection to the broker", "broker", l.o.URL, "reason", text)
}

// deny records the subscriptions that the broker refused, and logs them when
// they are others than before.
func (l *Link) deny(filters []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := fmt.Sprint(filters) == fmt.Sprint(l.stats.Denied)
	l.stats.Denied = filters
	if len(filters) > 0 && !same {
		l.o.Log.Warn("the broker does not authorize these subscriptions; commands and settings on them are not received", "filters", filters)
	}
}

// up records a connection.
func (l *Link) up() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Connected = true
	l.stats.Connects++
	l.stats.LastError = ""
	l.busy = false // what was on its way is stale again
	l.refresh()
	if l.rival() != "" { // not at every turn
		l.o.Log.Debug("connected to the broker", "broker", l.o.URL, "client_id", l.o.ClientID)
		return
	}
	l.logged = ""
	l.o.Log.Info("connected to the broker", "broker", l.o.URL, "client_id", l.o.ClientID)
}

// serve sends until the connection is lost, which is an error, or ctx ends.
func (l *Link) serve(ctx context.Context, c *connection) error {
	l.up()
	defer l.o.Outbox.Release()

	// hard outlives ctx, so that what is on the wire may be acknowledged.
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(hardLimit, cancel) })
	defer stop()

	var deadline time.Time // of what still waits when ctx has ended
	for {
		if ctx.Err() != nil {
			if deadline.IsZero() {
				deadline = time.Now().Add(linger)
			}
			if time.Now().After(deadline) {
				break
			}
		}
		sent, err := l.sendOne(hard, c)
		if err != nil {
			l.blame(err)
			// Without a DISCONNECT: the broker is to publish the will.
			c.guard.abort()
			if hard.Err() != nil {
				l.silent(err)
				return nil
			}
			return err
		}
		if sent {
			continue
		}
		l.signalIdle()
		if ctx.Err() != nil {
			break
		}
		select {
		case <-l.wake:
		case <-l.o.Outbox.Ready():
		case <-ctx.Done():
		case <-c.lost:
			l.blame(c.err)
			return c.err
		}
	}
	return l.farewell(hard, c)
}

// sendOne sends the most urgent message and reports whether there was one.
func (l *Link) sendOne(ctx context.Context, c *connection) (bool, error) {
	if m, ok := l.takeLive(); ok {
		l.unproven = m.topic
		err := c.publish(ctx, m.topic, 0, m.retain, m.payload)
		l.written(m, err)
		return true, err
	}
	if topic, payload, ok := l.takeStale(); ok {
		// After an error the next connection publishes it again.
		err := c.publish(ctx, topic, 1, true, payload)
		if l.suspect(topic, err) {
			l.condemn(topic)
		} else if err == nil && len(payload) == 0 {
			l.forget(topic)
		}
		return true, err
	}
	m, ok := l.o.Outbox.Front()
	if !ok {
		return false, nil
	}
	if err := c.publish(ctx, m.Topic, 1, m.Retain, m.Payload); err != nil {
		if l.suspect(m.Topic, err) {
			l.o.Outbox.Drop(m)
			l.o.Log.Error("dropped a message: the broker closes the connection whenever it gets it", "topic", m.Topic, "bytes", len(m.Payload))
		}
		return true, err
	}
	l.suspect(m.Topic, nil)
	l.o.Outbox.Ack(m)
	if m.Retain {
		l.delivered(m.Topic, m.Payload)
	}
	return true, nil
}

func (l *Link) takeLive() (live, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.live) == 0 {
		return live{}, false
	}
	m := l.live[0]
	l.live = append(l.live[:0], l.live[1:]...)
	l.busy = true
	return m, true
}

// liveTries is how often a live message is sent that the broker is to retain and
// the connection breaks under. One that the broker answers by closing it, or that
// is too much for the time that a write may take, would else keep all others from
// going out.
const liveTries = 3

// written notes what became of a live message. One that the broker is to retain
// waits for the next connection, unless a newer one of its topic does.
func (l *Link) written(m live, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.stats.LiveSent++
		return
	}
	m.tries++
	newer := slices.ContainsFunc(l.live, func(o live) bool { return o.topic == m.topic })
	if m.retain && !newer && m.tries < liveTries {
		l.live = slices.Insert(l.live, 0, m)
		return
	}
	l.stats.LiveLost++
	if m.tries == liveTries {
		l.o.Log.Warn("gave up a message: the connection breaks whenever it is sent", "topic", m.topic, "bytes", len(m.payload))
	}
}

func (l *Link) takeStale() (topic string, payload []byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.stale()
	if r == nil {
		return "", nil, false
	}
	// It may be replaced while it is on its way, and then is not fresh again.
	r.fresh, l.busy = true, true
	return r.topic, r.payload, true
}

// delivered notes that the outbox has brought payload to a retained topic, which
// is up to date if nothing else is wanted there by now.
func (l *Link) delivered(topic string, payload []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.o.Outbox.Has(topic) {
		return
	}
	for _, r := range l.retained {
		if r.topic == topic && bytes.Equal(r.payload, payload) {
			r.fresh = true
		}
	}
}

// signalIdle notes that all that was sent is acknowledged, and wakes Flush.
func (l *Link) signalIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = false
	close(l.idle)
	l.idle = make(chan struct{})
}

// farewell says "offline" and leaves. A DISCONNECT makes the broker forget the
// will, so the message must have been acknowledged before.
func (l *Link) farewell(ctx context.Context, c *connection) error {
	var err error
	if l.o.Availability != "" {
		err = c.publish(ctx, l.o.Availability, 1, true, []byte(Offline))
	}
	l.mu.Lock()
	l.stats.Connected = false
	l.mu.Unlock()
	if err != nil {
		c.guard.abort()
		l.silent(err)
		return nil
	}
	c.client.Disconnect(250)
	l.o.Log.Info("disconnected from the broker")
	return nil
}

// forget drops a topic that the broker has removed, unless it has a payload
// again.
func (l *Link) forget(topic string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retained = slices.DeleteFunc(l.retained, func(r *retained) bool { return r.topic == topic && len(r.payload) == 0 })
}

// silent notes an end without a farewell.
func (l *Link) silent(err error) {
	l.o.Log.Warn("left without a word, the broker will publish the will", "reason", explain(err))
}

// suspect notes what became of a message with QoS 1. Acknowledged, it shows that
// the broker took the live message before it, too; else that one may be why.
func (l *Link) suspect(topic string, err error) bool {
	if err == nil && l.unproven != "" {
		l.poison.suspect(l.unproven, nil)
		l.unproven = ""
	}
	return l.unproven == "" && l.poison.suspect(topic, err)
}

// blame notes that the connection broke after a live message that the broker may
// have closed it for.
func (l *Link) blame(err error) {
	topic := l.unproven
	l.unproven = ""
	if topic == "" || !l.poison.suspect(topic, err) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.muted = append(l.muted, topic)
	l.live = slices.DeleteFunc(l.live, func(m live) bool { return m.topic == topic })
	l.o.Log.Error("gave up a topic until the next start: the broker closes the connection whenever it gets it; may this client publish it?", "topic", topic)
}

// condemn gives up a retained topic.
func (l *Link) condemn(topic string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, r := range l.retained {
		if r.topic == topic {
			l.retained = append(l.retained[:i], l.retained[i+1:]...)
			break
		}
	}
	l.o.Log.Error("gave up a topic: the broker closes the connection whenever it gets it; may this client publish it?", "topic", topic)
}

// Try makes one connection and leaves at once. The error says what is wrong.
func (l *Link) Try(ctx context.Context) error {
	c, err := l.connect(ctx)
	if err != nil {
		return errors.New(explain(err))
	}
	c.client.Disconnect(250)
	return nil
}
