package link

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/stretchr/testify/require"
)

// fakeConn reads from a stream of bytes.
type fakeConn struct {
	net.Conn
	io.Reader
}

func (f fakeConn) Read(p []byte) (int, error) { return f.Reader.Read(p) }

func guarded(r io.Reader, maxPayload, filters int) *guard {
	return newGuard(fakeConn{Reader: r}, maxPayload, filters)
}

func encode(t testing.TB, ps ...packets.ControlPacket) []byte {
	var b bytes.Buffer
	for _, p := range ps {
		require.NoError(t, p.Write(&b))
	}
	return b.Bytes()
}

func publishPacket(qos byte, topic, payload string) *packets.PublishPacket {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.Qos, p.TopicName, p.MessageID, p.Payload = qos, topic, 7, []byte(payload)
	return p
}

func TestGuardPassesWhatIsAllowed(t *testing.T) {
	connack := packets.NewControlPacket(packets.Connack)
	suback := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
	suback.MessageID, suback.ReturnCodes = 1, []byte{1, 0x80}
	stream := encode(t, connack, suback, publishPacket(0, "a", ""), publishPacket(1, "a/b", strings.Repeat("x", 100)),
		packets.NewControlPacket(packets.Pingresp), packets.NewControlPacket(packets.Puback))
	for name, r := range map[string]io.Reader{"whole": bytes.NewReader(stream), "byte by byte": iotest.OneByteReader(bytes.NewReader(stream))} {
		got, err := io.ReadAll(guarded(r, 100, 2))
		require.NoError(t, err, name)
		require.Equal(t, stream, got, name)
	}
}

func TestGuardCutsLongPayloads(t *testing.T) {
	for _, qos := range []byte{0, 1} {
		stream := encode(t, publishPacket(qos, "topic", strings.Repeat("x", 100_000)), publishPacket(qos, "next", "y"))
		g := guarded(bytes.NewReader(stream), 10, 0)
		p, err := packets.ReadPacket(g)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("x", 11), string(p.(*packets.PublishPacket).Payload))
		require.Equal(t, qos, p.(*packets.PublishPacket).Qos)
		if qos == 1 {
			require.Equal(t, uint16(7), p.(*packets.PublishPacket).MessageID)
		}
		p, err = packets.ReadPacket(g)
		require.NoError(t, err)
		require.Equal(t, "next", p.(*packets.PublishPacket).TopicName)
	}
}

func TestGuardRefuses(t *testing.T) {
	suback := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
	suback.ReturnCodes = []byte{1, 1, 1}
	for _, c := range []struct {
		name   string
		stream []byte
		want   string
	}{
		{"more return codes than filters", encode(t, suback), "the broker answered 3 of 2 subscriptions"},
		{"fewer return codes than filters", []byte{0x90, 2, 0, 1}, "the broker answered 0 of 2 subscriptions"},
		{"256 MiB of PUBACK", []byte{0x40, 0xff, 0xff, 0xff, 0x7f}, "a packet of type 4 with 268435455 bytes"},
		{"a length without end", []byte{0x30, 0xff, 0xff, 0xff, 0xff, 0x01}, "more than 4 bytes"},
		{"an empty PUBLISH", []byte{0x30, 0}, "a PUBLISH of 0 bytes"},
		{"a topic beyond the packet", []byte{0x30, 4, 0, 9, 'a', 'b'}, "a PUBLISH of 4 bytes with a topic of 9"},
	} {
		_, err := io.ReadAll(guarded(bytes.NewReader(c.stream), 10, 2))
		require.ErrorContains(t, err, c.want, c.name)
	}
}

// FuzzGuard feeds the library what any broker might send, through the guard:
// nothing panics, and no packet is larger than allowed.
func FuzzGuard(f *testing.F) {
	f.Add(encode(f, publishPacket(1, "a", strings.Repeat("x", 300)), packets.NewControlPacket(packets.Pingresp)))
	f.Add([]byte{0x90, 3, 0, 1, 1})
	f.Add([]byte{0x30, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, stream []byte) {
		const maxPayload = 64
		g := guarded(bytes.NewReader(stream), maxPayload, 1)
		for {
			p, err := packets.ReadPacket(g)
			if err != nil {
				return
			}
			switch p := p.(type) {
			case *packets.PublishPacket:
				require.LessOrEqual(t, len(p.Payload), maxPayload+1)
			case *packets.SubackPacket:
				require.LessOrEqual(t, len(p.ReturnCodes), 1)
			}
		}
	})
}
