package link

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// connection is one life of the MQTT client, from CONNECT to its loss. A new
// one is made for every try, because the library's clients are not safe to use
// again (its documentation of Disconnect says so).
type connection struct {
	client  mqtt.Client
	guard   *guard
	lost    chan struct{} // closed when the connection is gone
	err     error         // why; read after lost is closed
	timeout time.Duration
}

// refused is the return code of a subscription that was not granted (section
// 3.9.3 of MQTT 3.1.1).
const refused = 0x80

// connect makes one try. It returns when the broker has accepted and the
// subscriptions are answered, or with an error.
func (l *Link) connect(ctx context.Context) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, l.o.Timeout)
	defer cancel()
	password := ""
	if l.o.Password != nil {
		var err error
		if password, err = l.o.Password(); err != nil {
			return nil, err
		}
	}
	c := &connection{lost: make(chan struct{}), timeout: l.o.Timeout}
	var dialErr error // the library wraps it, but not always
	stop := func() bool { return true }
	keepalive, pingTimeout := pingTimes(l.o.Keepalive, l.o.PingTimeout)
	o := mqtt.NewClientOptions().
		AddBroker("tcp://" + l.address).
		SetProtocolVersion(4). // else a refused login is tried again with MQTT 3.1
		SetClientID(l.o.ClientID).
		SetUsername(l.o.Username).
		SetPassword(password).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetConnectTimeout(l.o.Timeout).
		SetWriteTimeout(l.o.Timeout).
		SetKeepAlive(keepalive).
		SetPingTimeout(pingTimeout).
		SetOrderMatters(true).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			l.o.Handle(Inbound{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained()})
		}).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) {
			c.err = err
			close(c.lost)
		}).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
			conn, err := l.dial(ctx)
			if err != nil {
				dialErr = err
				return nil, err
			}
			c.guard = newGuard(conn, l.o.MaxPayload, len(l.o.Filters))
			stop = context.AfterFunc(ctx, c.guard.abort) // ends the handshake that follows
			return c.guard, nil
		})
	if l.o.Availability != "" {
		o.SetWill(l.o.Availability, Offline, 1, true)
	}
	c.client = mqtt.NewClient(o)

	token := c.client.Connect()
	<-token.Done() // at the latest when ctx ends, see dial and stop
	if err := token.Error(); err != nil {
		if dialErr != nil {
			err = dialErr
		}
		return nil, err
	}
	if err := l.subscribe(ctx, c); err != nil {
		c.guard.abort()
		l.kicked(err)
		return nil, err
	}
	if !stop() {
		return nil, ctx.Err()
	}
	return c, nil
}

// dial opens the TCP or TLS connection. It ends with ctx, which the library's
// own dialer cannot do, and takes no proxy from the environment.
func (l *Link) dial(ctx context.Context) (net.Conn, error) {
	dialer := &net.Dialer{KeepAlive: 15 * time.Second}
	if !l.secure {
		return dialer.DialContext(ctx, "tcp", l.address)
	}
	config, err := l.o.TLS.config()
	if err != nil {
		return nil, err
	}
	return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", l.address)
}

// subscribe sends all filters in one packet. A filter that is refused is
// reported; the daemon works without it.
func (l *Link) subscribe(ctx context.Context, c *connection) error {
	if len(l.o.Filters) == 0 {
		return nil
	}
	filters := make(map[string]byte)
	for _, f := range l.o.Filters {
		filters[f] = 1
	}
	token := c.client.SubscribeMultiple(filters, nil)
	select {
	case <-token.Done():
	case <-c.lost:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := token.Error(); err != nil {
		return c.cause(err)
	}
	var denied []string
	for filter, code := range token.(*mqtt.SubscribeToken).Result() {
		if code == refused {
			denied = append(denied, filter)
		}
	}
	slices.Sort(denied)
	l.deny(denied)
	return nil
}

// publish sends one message and, for QoS 1, waits until the broker has
// acknowledged it. An error means that the connection is of no use any more.
func (c *connection) publish(ctx context.Context, topic string, qos byte, retain bool, payload []byte) error {
	token := c.client.Publish(topic, qos, retain, payload)
	timer := time.NewTimer(c.timeout)
	defer timer.Stop()
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			return c.cause(err)
		}
		return nil
	case <-c.lost:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("no acknowledgment within %v: %w", c.timeout, context.DeadlineExceeded)
	}
}

// cause is why a token failed. When the connection is lost the library fails
// the tokens first, with words that say nothing, and tells the reason after.
func (c *connection) cause(err error) error {
	select {
	case <-c.lost:
		return c.err
	case <-time.After(100 * time.Millisecond):
		return err
	}
}

// pingTimes chooses the library's keepalive and ping timeout so that a dead
// connection is found within keepalive + pingTimeout. The library looks only
// every 5 s, or every quarter of a keepalive of 10 s and less, so each of the
// two steps may take one look longer than it was told.
func pingTimes(keepalive, pingTimeout time.Duration) (k, p time.Duration) {
	const slow = 5 * time.Second
	if k, p = keepalive-slow, pingTimeout-slow; k > 10*time.Second && p > 0 {
		return k.Truncate(time.Second), p
	}
	// A quarter of k must leave room in pingTimeout too.
	k = min(keepalive*4/5, 10*time.Second, 2*pingTimeout)
	k = max(k.Truncate(time.Second), time.Second) // MQTT counts in seconds
	return k, pingTimeout - k/4
}
