// Package brokertest runs a real mosquitto for tests, and breaks the
// connection to it in the ways that networks do.
package brokertest

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"
)

// Patience is the limit of every wait in tests that talk to a broker, unless a
// Subscriber has another. It is only reached when something is broken.
const Patience = time.Minute

// Broker is a mosquitto on a loopback port that stays the same over restarts.
type Broker struct {
	Port      int
	PlainPort int // of a listener without TLS for Subscribe, if Port is not one

	t    testing.TB
	conf string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

// RequireTool skips the test when a program is missing, by its name, or fails
// it where every test must run.
func RequireTool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if sbin, err := exec.LookPath("/usr/sbin/" + name); err == nil {
			return sbin
		}
		if os.Getenv("VITEDGE_TEST_REQUIRE") == "1" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// Start runs a mosquitto that takes anonymous clients until the test ends.
// Lines of conf that begin with "listener" replace the plain listener; "PORT"
// in conf stands for the port, "PLAINPORT" for another one, without TLS.
func Start(t testing.TB, conf ...string) *Broker {
	t.Helper()
	RequireTool(t, "mosquitto")
	b := &Broker{t: t, Port: FreePort(t)}
	dir := t.TempDir()
	b.conf, b.log = filepath.Join(dir, "mosquitto.conf"), filepath.Join(dir, "mosquitto.log")

	text := strings.Join(conf, "\n") + "\n"
	if !strings.Contains(text, "listener ") {
		text = "listener PORT 127.0.0.1\n" + text
	}
	if !strings.Contains(text, "allow_anonymous") {
		text += "allow_anonymous true\n"
	}
	if strings.Contains(text, "PLAINPORT") {
		b.PlainPort = FreePort(t)
		text = strings.ReplaceAll(text, "PLAINPORT", fmt.Sprint(b.PlainPort))
	}
	text = strings.ReplaceAll(text, "PORT", fmt.Sprint(b.Port))
	// Root would otherwise become the user mosquitto, who cannot read the
	// test's files.
	text += "user root\nmax_queued_messages 1000000\nlog_type all\nlog_dest file " + b.log + "\n"
	require.NoError(t, os.WriteFile(b.conf, []byte(text), 0o600))
	b.Restart()
	t.Cleanup(func() {
		b.Kill()
		if t.Failed() {
			log, _ := os.ReadFile(b.log)
			t.Logf("mosquitto's log ends:\n%s", log[max(0, len(log)-4000):])
		}
	})
	return b
}

// FreePort is a loopback TCP port that was free a moment ago. It is below those
// that the kernel gives to outgoing connections: one of them could take the port
// while a broker is down.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 20_000 + rand.IntN(10_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// Addr is the host and port of the broker.
func (b *Broker) Addr() string { return fmt.Sprintf("127.0.0.1:%d", b.Port) }

// URL is the address as the configuration takes it.
func (b *Broker) URL() string { return "mqtt://" + b.Addr() }

// Restart starts a broker that was killed; nothing of the old one is left.
func (b *Broker) Restart() {
	b.t.Helper()
	b.cmd = exec.Command(RequireTool(b.t, "mosquitto"), "-c", b.conf)
	var output bytes.Buffer
	b.cmd.Stdout, b.cmd.Stderr = &output, &output
	require.NoError(b.t, b.cmd.Start())
	done := make(chan struct{})
	cmd := b.cmd
	go func() {
		cmd.Wait()
		close(done)
	}()
	b.done = done
	b.await(b.Port, output.String)
	if b.PlainPort != 0 {
		b.await(b.PlainPort, output.String)
	}
}

// await waits until the broker listens on port.
func (b *Broker) await(port int, output func() string) {
	b.t.Helper()
	deadline := time.Now().Add(Patience)
	for {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-b.done:
			b.t.Fatalf("mosquitto ended: %s\n%s", output(), b.Log())
		case <-time.After(5 * time.Millisecond):
		}
		require.True(b.t, time.Now().Before(deadline), "mosquitto does not listen")
	}
}

// Kill ends the broker as a crash would and waits until it is gone.
func (b *Broker) Kill() {
	b.cmd.Process.Signal(syscall.SIGCONT)
	b.cmd.Process.Kill()
	<-b.done
}

// Freeze stops the broker without closing its connections: to a client the
// link is half open. Thaw lets it go on.
func (b *Broker) Freeze() { b.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (b *Broker) Thaw() { b.cmd.Process.Signal(syscall.SIGCONT) }

// Log is what the broker wrote.
func (b *Broker) Log() string {
	data, _ := os.ReadFile(b.log)
	return string(data)
}

// Message is one that a Subscriber received.
type Message struct {
	Topic    string
	Payload  string
	Retained bool
	QoS      byte
}

// Subscriber records what a client of its own receives.
type Subscriber struct {
	Patience time.Duration // the limit of every wait for a message

	t      testing.TB
	client mqtt.Client

	mu       sync.Mutex
	messages []Message
	changed  chan struct{} // closed and replaced with each message
}

// Subscribe connects to the broker and records filter until the test ends.
func (b *Broker) Subscribe(filter string) *Subscriber {
	b.t.Helper()
	return SubscribeWith(b.t, mqtt.NewClientOptions().AddBroker(fmt.Sprintf("tcp://127.0.0.1:%d", cmp.Or(b.PlainPort, b.Port))), filter)
}

// SubscribeWith is Subscribe with the client's own options.
func SubscribeWith(t testing.TB, o *mqtt.ClientOptions, filter string) *Subscriber {
	t.Helper()
	s := &Subscriber{Patience: Patience, t: t, changed: make(chan struct{})}
	o.SetClientID(fmt.Sprintf("test-%p", s)).SetAutoReconnect(false).SetProtocolVersion(4)
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { t.Logf("a subscriber lost its connection: %v", err) })
	s.client = mqtt.NewClient(o)
	token := s.client.Connect()
	require.True(t, token.WaitTimeout(Patience))
	require.NoError(t, token.Error())
	token = s.client.Subscribe(filter, 1, func(_ mqtt.Client, m mqtt.Message) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.messages = append(s.messages, Message{Topic: m.Topic(), Payload: string(m.Payload()), Retained: m.Retained(), QoS: m.Qos()})
		close(s.changed)
		s.changed = make(chan struct{})
	})
	require.True(t, token.WaitTimeout(Patience))
	require.NoError(t, token.Error())
	t.Cleanup(func() { s.client.Disconnect(0) })
	return s
}

// Publish sends a message with QoS 1 and waits for its acknowledgment.
func (s *Subscriber) Publish(topic, payload string, retain bool) {
	s.t.Helper()
	token := s.client.Publish(topic, 1, retain, payload)
	require.True(s.t, token.WaitTimeout(Patience))
	require.NoError(s.t, token.Error())
}

// Messages is what has arrived, in order.
func (s *Subscriber) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

// On is what has arrived on one topic, in order.
func (s *Subscriber) On(topic string) []string {
	var payloads []string
	for _, m := range s.Messages() {
		if m.Topic == topic {
			payloads = append(payloads, m.Payload)
		}
	}
	return payloads
}

// Forget drops what has arrived so far.
func (s *Subscriber) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = nil
}

// Until waits until enough holds of what has arrived.
func (s *Subscriber) Until(what string, enough func([]Message) bool) {
	s.t.Helper()
	deadline := time.After(s.Patience)
	for {
		s.mu.Lock()
		messages, changed := append([]Message(nil), s.messages...), s.changed
		s.mu.Unlock()
		if enough(messages) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			var b strings.Builder
			for _, m := range s.Messages() {
				fmt.Fprintf(&b, "%s %.200s\n", m.Topic, m.Payload)
			}
			s.t.Fatalf("waited in vain for %s; arrived:\n%s", what, b.String())
		}
	}
}

// UntilOn waits for a message on topic whose payload contains part.
func (s *Subscriber) UntilOn(topic, part string) (found Message) {
	s.t.Helper()
	s.Until(fmt.Sprintf("%q on %s", part, topic), func(messages []Message) bool {
		for _, m := range messages {
			if m.Topic == topic && strings.Contains(m.Payload, part) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}
