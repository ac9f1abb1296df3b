package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/brokertest"
)

// TestMutualTLSExample runs the shipped mosquitto configuration and access
// list with certificates made on the fly: two devices and Home Assistant. Each
// device uses its own topics and cannot touch the other's.
func TestMutualTLSExample(t *testing.T) {
	authority := brokertest.NewAuthority(t)
	soon := time.Now().Add(time.Hour)
	cert, key := authority.Issue("broker", soon, "127.0.0.1")
	acl, err := filepath.Abs("examples/mosquitto.acl")
	require.NoError(t, err)

	example, err := os.ReadFile("examples/mosquitto.conf")
	require.NoError(t, err)
	conf := strings.NewReplacer(
		"listener 8883", "listener PORT 127.0.0.1",
		"/etc/mosquitto/certs/ca.crt", authority.File,
		"/etc/mosquitto/certs/broker.crt", cert,
		"/etc/mosquitto/certs/broker.key", key,
		"/etc/mosquitto/vitedge.acl", acl,
		"/var/lib/mosquitto/", t.TempDir()+"/",
	).Replace(string(example))
	b := brokertest.Start(t, conf)

	subscriber := func(name string) *brokertest.Subscriber {
		cert, key := authority.Issue(name, soon)
		pair, err := tls.LoadX509KeyPair(cert, key)
		require.NoError(t, err)
		ca, err := os.ReadFile(authority.File)
		require.NoError(t, err)
		roots := x509.NewCertPool()
		require.True(t, roots.AppendCertsFromPEM(ca))
		return brokertest.SubscribeWith(t, mqtt.NewClientOptions().AddBroker("ssl://"+b.Addr()).
			SetTLSConfig(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}), "#")
	}
	home, thief := subscriber("homeassistant"), subscriber("back-door")

	cert, key = authority.Issue("front-door", soon)
	args := colors(t, "mqtts://"+b.Addr(), "red")
	for _, kv := range []string{
		"device.id=front-door", "mqtt.tls.ca_file=" + authority.File, "mqtt.tls.cert_file=" + cert, "mqtt.tls.key_file=" + key,
	} {
		args = append(args, "--set", kv)
	}
	d := startDaemon(t, nil, args...)
	home.UntilOn("vitedge/front-door/cam/state", "red")
	home.UntilOn("homeassistant/device/front-door/config", "front-door")
	home.Publish("vitedge/front-door/cmd/rebirth", `{"id":"1"}`, false)
	home.UntilOn("vitedge/front-door/cmd/result", `{"id":"1","cmd":"rebirth","ok":true`)

	// Another device neither sees nor commands this one.
	thief.Publish("vitedge/front-door/cmd/restart", `{"id":"2"}`, false)
	thief.Publish("vitedge/back-door/marker", "mine", false)
	home.UntilOn("vitedge/back-door/marker", "mine")
	require.Len(t, thief.Messages(), 1, fmt.Sprint(thief.Messages()))
	require.Equal(t, []string{`{"id":"1","cmd":"rebirth","ok":true,"error":""}`}, home.On("vitedge/front-door/cmd/result"))
	require.NotContains(t, d.output(), "PRIVATE")
}
