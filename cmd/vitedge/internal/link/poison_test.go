package link

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/brokertest"
	"vitedge/cmd/vitedge/internal/outbox"
)

func TestSuspect(t *testing.T) {
	p := poison{times: 3, span: 0, strikes: make(map[string]strike)}
	require.False(t, p.suspect("a", io.EOF))
	require.False(t, p.suspect("a", io.EOF))
	require.False(t, p.suspect("b", io.EOF))
	require.False(t, p.suspect("a", errors.New("no answer")), "only a broker that closes is meant")
	require.True(t, p.suspect("a", os.NewSyscallError("write", syscall.EPIPE)), "it may close before it has read all of it")
	require.False(t, p.suspect("b", io.EOF))
	require.False(t, p.suspect("b", nil))
	require.False(t, p.suspect("b", io.EOF), "one that went through starts anew")

	p.span = time.Hour
	for range 100 {
		require.False(t, p.suspect("c", io.EOF), "a short outage gives nothing up")
	}
}

// TestPoison plays a broker that closes the connection for every message on
// forbidden topics: the others go out all the same. Live messages, which are not
// acknowledged, are told from those that are on their way behind them.
func TestPoison(t *testing.T) {
	got := make(chan string, 100)
	addr := fakeBroker(t, func(c net.Conn) {
		defer c.Close()
		for {
			p, err := packets.ReadPacket(c)
			if err != nil {
				return
			}
			switch p := p.(type) {
			case *packets.ConnectPacket:
				packets.NewControlPacket(packets.Connack).Write(c)
			case *packets.PublishPacket:
				if strings.HasPrefix(p.TopicName, "forbidden/") {
					return
				}
				got <- p.TopicName
				ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
				ack.MessageID = p.MessageID
				ack.Write(c)
			}
		}
	})
	log := &logBuffer{}
	const forbidden = "forbidden/prediction"
	q := outbox.New(10, 64<<10)
	l, err := New(Options{
		URL: "mqtt://" + addr, ClientID: "pi", Availability: availability, Keepalive: 30 * time.Second, PingTimeout: 10 * time.Second,
		Timeout: 10 * time.Second, ReconnectMin: time.Millisecond, ReconnectMax: 2 * time.Millisecond,
		Outbox: q, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	require.NoError(t, err)
	l.poison.times, l.poison.span = 3, 0
	l.Retain("forbidden/config", []byte("x"))
	l.Send(outbox.Message{Topic: "forbidden/event", Payload: []byte("x")})
	l.Send(outbox.Message{Topic: "event", Payload: []byte("y")})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Run(ctx)
	}()
	brokertest.Eventually(t, "the forbidden predictions to be given up", func() bool {
		l.Live(forbidden, []byte("x"), false)
		return strings.Contains(log.String(), "topic="+forbidden)
	})
	for deadline := time.After(brokertest.Patience); ; {
		select {
		case topic := <-got:
			if topic == "event" {
				cancel()
				<-done
				require.Equal(t, uint64(1), q.Stats().Dropped)
				require.Contains(t, log.String(), "topic=forbidden/config")
				require.Contains(t, log.String(), "topic=forbidden/event")
				return
			}
		case <-deadline:
			t.Fatal("the event behind the forbidden one never came")
		}
	}
}
