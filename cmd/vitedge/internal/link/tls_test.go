package link

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/brokertest"
)

var soon = time.Now().Add(time.Hour)

// startTLS runs a mosquitto with the certificate files and more lines of
// configuration.
func startTLS(t *testing.T, ca, cert, key string, conf ...string) *brokertest.Broker {
	t.Helper()
	return brokertest.Start(t, append([]string{
		"listener PORT 127.0.0.1", "cafile " + ca, "certfile " + cert, "keyfile " + key,
	}, conf...)...)
}

// reason waits until the link gives the reason that contains part.
func (r *running) reason(part string) {
	r.t.Helper()
	brokertest.Eventually(r.t, part, func() bool { return strings.Contains(r.Stats().LastError, part) })
}

// TestTLS guards that each fault of a certificate has its own words.
func TestTLS(t *testing.T) {
	authority, other := brokertest.NewAuthority(t), brokertest.NewAuthority(t)
	cert, key := authority.Issue("broker", soon, "127.0.0.1")
	b := startTLS(t, authority.File, cert, key)
	secure := func(files Files) func(*Options) {
		return func(o *Options) { o.URL, o.TLS = "mqtts://"+b.Addr(), files }
	}

	l := start(t, b.Addr(), secure(Files{CA: authority.File}))
	brokertest.Eventually(t, "a connection", func() bool { return l.Stats().Connected })
	l.finish()

	start(t, b.Addr(), secure(Files{CA: other.File})).reason("unknown authority; name the authority's certificate with mqtt.tls.ca_file")
	start(t, b.Addr(), secure(Files{})).reason("unknown authority")
	start(t, b.Addr(), secure(Files{CA: authority.File, ServerName: "broker.example"})).
		reason("is for another name (x509: certificate is not valid for any names, but wanted to match broker.example); set mqtt.tls.server_name")
	start(t, b.Addr(), secure(Files{CA: "/nonexistent/ca.crt"})).reason("mqtt.tls.ca_file: open /nonexistent/ca.crt: no such file")
	start(t, b.Addr(), secure(Files{CA: key})).reason("holds no certificate in PEM form")
	start(t, b.Addr(), secure(Files{CA: authority.File, Cert: cert, Key: authority.File})).reason("mqtt.tls.key_file")

	// Plain MQTT to a TLS listener.
	start(t, b.Addr(), nil).reason("the broker closed the connection")

	plain := brokertest.Start(t)
	start(t, plain.Addr(), func(o *Options) {
		o.URL, o.TLS, o.Timeout = "mqtts://"+plain.Addr(), Files{CA: authority.File}, time.Second
	}).
		reason("the broker ")
}

func TestExpiredCertificate(t *testing.T) {
	authority := brokertest.NewAuthority(t)
	cert, key := authority.Issue("broker", time.Now().Add(-time.Minute), "127.0.0.1")
	b := startTLS(t, authority.File, cert, key)
	start(t, b.Addr(), func(o *Options) { o.URL, o.TLS = "mqtts://"+b.Addr(), Files{CA: authority.File} }).
		reason("has expired or is not valid yet; renew it, or set the clock of this device")
}

func TestClientCertificate(t *testing.T) {
	authority, other := brokertest.NewAuthority(t), brokertest.NewAuthority(t)
	cert, key := authority.Issue("broker", soon, "127.0.0.1")
	b := startTLS(t, authority.File, cert, key, "require_certificate true", "use_identity_as_username true")
	with := func(cert, key string) func(*Options) {
		return func(o *Options) {
			o.URL, o.TLS = "mqtts://"+b.Addr(), Files{CA: authority.File, Cert: cert, Key: key}
		}
	}
	good, goodKey := authority.Issue("pi", soon)
	l := start(t, b.Addr(), with(good, goodKey))
	brokertest.Eventually(t, "a connection", func() bool { return l.Stats().Connected })
	l.finish()
	// The broker may close before its alert is read; one of the next tries
	// brings it.
	start(t, b.Addr(), with("", "")).reason("the broker refused the certificate of this device")
	bad, badKey := other.Issue("pi", soon)
	start(t, b.Addr(), with(bad, badKey)).reason("the broker refused the certificate of this device")
}

// TestOldTLS offers nothing newer than TLS 1.1.
func TestOldTLS(t *testing.T) {
	authority := brokertest.NewAuthority(t)
	cert, key := authority.Issue("broker", soon, "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(cert, key)
	require.NoError(t, err)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			c.(*tls.Conn).Handshake()
			c.Close()
		}
	}()
	addr := listener.Addr().String()
	l := start(t, addr, func(o *Options) { o.URL, o.TLS = "mqtts://"+addr, Files{CA: authority.File} })
	l.reason("the broker does not speak TLS 1.2 or newer")
}

func TestPassword(t *testing.T) {
	tool := brokertest.RequireTool(t, "mosquitto_passwd")
	users := filepath.Join(t.TempDir(), "users")
	output, err := exec.Command(tool, "-b", "-c", users, "me", "secret").CombinedOutput()
	require.NoError(t, err, string(output))
	b := brokertest.Start(t, "allow_anonymous false", "password_file "+users)
	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte("wrong"), 0o600))
	l := start(t, b.Addr(), func(o *Options) {
		o.Username = "me"
		o.Password = func() (string, error) {
			data, err := os.ReadFile(password)
			return string(data), err
		}
	})
	l.reason("the broker does not authorize this client; check mqtt.username, mqtt.password_file")
	require.NoError(t, os.WriteFile(password, []byte("secret"), 0o600))
	brokertest.Eventually(t, "a connection with the new password", func() bool { return l.Stats().Connected })
	require.NotContains(t, l.log.String(), "secret")
	require.NotContains(t, l.log.String(), "wrong")
	require.NoError(t, os.Remove(password))
	b.Kill()
	b.Restart()
	l.reason("no such file or directory")
}

// TestRefusals plays a broker that answers CONNECT with each return code of
// MQTT 3.1.1 (section 3.2.2.3). None makes the link try an older protocol.
func TestRefusals(t *testing.T) {
	versions := make(chan byte, 10_000)
	for code, want := range map[byte]string{
		1: "the broker does not speak MQTT 3.1.1",
		2: "the broker refused the client id",
		3: "the broker says that it is unavailable",
		4: "the broker refused the user name or password",
		5: "the broker does not authorize this client",
	} {
		addr := fakeBroker(t, func(c net.Conn) {
			defer c.Close()
			p, err := packets.ReadPacket(c)
			if err != nil {
				return
			}
			versions <- p.(*packets.ConnectPacket).ProtocolVersion
			ack := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
			ack.ReturnCode = code
			ack.Write(c)
		})
		l := start(t, addr, nil)
		l.reason(want)
		for range 5 {
			select {
			case version := <-versions:
				require.Equal(t, byte(4), version)
			case <-time.After(brokertest.Patience):
				t.Fatal("it does not try again")
			}
		}
		l.finish()
	}
}

// fakeBroker serves every connection with serve until the test ends.
func fakeBroker(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String()
}

// TestSilentBroker accepts connections and says nothing.
func TestSilentBroker(t *testing.T) {
	addr := fakeBroker(t, func(net.Conn) {})
	start(t, addr, func(o *Options) { o.Timeout = 100 * time.Millisecond }).reason("the broker did not answer in time")
}

// TestHostileBroker answers a subscription with more codes than filters, which
// would panic inside the library.
func TestHostileBroker(t *testing.T) {
	addr := fakeBroker(t, func(c net.Conn) {
		packets.ReadPacket(c)
		packets.NewControlPacket(packets.Connack).Write(c)
		p, err := packets.ReadPacket(c)
		if err != nil {
			return
		}
		ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
		ack.MessageID = p.Details().MessageID
		ack.ReturnCodes = make([]byte, 100)
		ack.Write(c)
	})
	start(t, addr, func(o *Options) { o.Filters = []string{"a"} }).reason("the broker answered 100 of 1 subscriptions")
}

// TestNotTLS plays a server that answers a handshake with something else.
func TestNotTLS(t *testing.T) {
	addr := fakeBroker(t, func(c net.Conn) {
		c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		c.Close()
	})
	start(t, addr, func(o *Options) { o.URL = "mqtts://" + addr }).reason("the broker does not speak TLS on this port; use mqtt://")
}

// TestExplainIsTheSameEachTime guards that the port of a connection does not make
// a fault look new, which would be logged each time.
func TestExplainIsTheSameEachTime(t *testing.T) {
	failed := func(port int) error {
		return fmt.Errorf("network Error : %w", &net.OpError{
			Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: port}, Addr: &net.TCPAddr{Port: 1883}, Err: os.NewSyscallError("read", syscall.ENETDOWN),
		})
	}
	require.Equal(t, "the connection failed: read: read: network is down", explain(failed(40_001)))
	require.Equal(t, explain(failed(40_001)), explain(failed(40_002)))
}

func TestUnknownHost(t *testing.T) {
	start(t, "name.invalid:1883", nil).reason("the host name.invalid is not known")
}

// TestDeniedSubscription plays a broker that grants one of two filters, and leaves
// at the first message. (mosquitto grants all, and holds back the messages.)
func TestDeniedSubscription(t *testing.T) {
	addr := fakeBroker(t, func(c net.Conn) {
		defer c.Close()
		packets.ReadPacket(c)
		packets.NewControlPacket(packets.Connack).Write(c)
		p, err := packets.ReadPacket(c)
		if err != nil {
			return
		}
		ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
		ack.MessageID = p.Details().MessageID
		for _, topic := range p.(*packets.SubscribePacket).Topics {
			if topic == "homeassistant/status" {
				ack.ReturnCodes = append(ack.ReturnCodes, refused)
			} else {
				ack.ReturnCodes = append(ack.ReturnCodes, 1)
			}
		}
		ack.Write(c)
		packets.ReadPacket(c)
	})
	l := start(t, addr, func(o *Options) { o.Filters = []string{"vitedge/pi/cmd/+", "homeassistant/status"} })
	brokertest.Eventually(t, "the filter", func() bool { return len(l.Stats().Denied) > 0 })
	require.Equal(t, []string{"homeassistant/status"}, l.Stats().Denied)
	brokertest.Eventually(t, "some connections", func() bool { return l.Stats().Connects > 3 })
	require.Equal(t, 1, strings.Count(l.log.String(), "the broker does not authorize these subscriptions"))
}
