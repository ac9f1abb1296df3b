package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	broker "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"vitedge/cmd/vitedge/internal/link"
	"vitedge/cmd/vitedge/internal/outbox"
	"vitedge/cmd/vitedge/internal/publish"
)

// demoBroker is an MQTT broker inside this process.
type demoBroker struct {
	*broker.Server
	address string // HOST:PORT
}

// startBroker starts a broker on a free port of the loopback interface. heard
// gets every message but the broker's own.
func startBroker(heard func(topic string, payload []byte)) (*demoBroker, error) {
	b := broker.New(&broker.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	if err := b.AddHook(new(allowAll), nil); err != nil {
		return nil, err
	}
	l := listeners.NewTCP(listeners.Config{ID: "loopback", Address: "127.0.0.1:0"})
	if err := b.AddListener(l); err != nil {
		return nil, err
	}
	if err := b.Serve(); err != nil {
		return nil, err
	}
	err := b.Subscribe("#", 1, func(_ *broker.Client, _ packets.Subscription, m packets.Packet) {
		if !strings.HasPrefix(m.TopicName, "$") {
			heard(m.TopicName, m.Payload)
		}
	})
	if err != nil {
		b.Close()
		return nil, err
	}
	return &demoBroker{b, l.Address()}, nil
}

// close ends the broker when the client has taken its leave. One that is cut off
// before is announced as dead, by its will.
func (b *demoBroker) close(client string) {
	for end := time.Now().Add(farewellTime); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if c, ok := b.Clients.Get(client); !ok || c.Closed() {
			break
		}
	}
	b.Close()
}

// allowAll lets every client of the demo's broker, which are this machine's, do
// everything.
type allowAll struct{ broker.HookBase }

func (*allowAll) ID() string { return "allow-all" }

func (*allowAll) Provides(hook byte) bool {
	return hook == broker.OnConnectAuthenticate || hook == broker.OnACLCheck
}

func (*allowAll) OnConnectAuthenticate(*broker.Client, packets.Packet) bool { return true }

func (*allowAll) OnACLCheck(*broker.Client, string, bool) bool { return true }

// farewellTime is how long the last message of the daemon may take to come back
// from the broker.
const farewellTime = 2 * time.Second

// watch subscribes to the daemon's topics at a real broker, over a connection of
// its own. end waits for the daemon's last message and hangs up.
func (d *daemon) watch(heard func(topic string, payload []byte)) (end func(), err error) {
	topics := publish.Topics{Base: d.named(d.cfg.MQTT.BaseTopic)}
	o := d.linkOptions(topics)
	o.ClientID += "-watch"
	o.Availability = ""
	o.Log = slog.New(slog.DiscardHandler) // the daemon says the same of its own
	o.Outbox = outbox.New(1, 1<<10)
	o.Filters = []string{topics.Base + "/#"}
	offline := make(chan struct{})
	var once sync.Once
	o.Handle = func(m link.Inbound) {
		heard(m.Topic, m.Payload)
		if !m.Retained && m.Topic == topics.Availability() && string(m.Payload) == link.Offline {
			once.Do(func() { close(offline) })
		}
	}
	l, err := link.New(o)
	if err != nil {
		return nil, configError{fmt.Errorf("mqtt.url: %w", err)}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Run(ctx)
	}()
	return func() {
		if l.Stats().Connected {
			select {
			case <-offline:
			case <-time.After(farewellTime):
			}
		}
		cancel()
		<-ended
	}, nil
}
