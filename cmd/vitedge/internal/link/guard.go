package link

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
)

// Packet types of MQTT 3.1.1, section 2.2.1.
const (
	packetPublish = 3
	packetSuback  = 9
)

// maxControl bounds in bytes every packet from the broker but PUBLISH.
const maxControl = 256

var errAborted = errors.New("the connection was given up")

// guard is a connection that protects the MQTT library from its broker. The
// library allocates what the length of a packet says, up to 256 MiB, before it
// looks at anything else, and indexes its filters by the number of return
// codes in a SUBACK. So guard reads the fixed headers itself:
//
//   - A PUBLISH with a payload of more than maxPayload bytes is cut to
//     maxPayload+1, without ever being in memory. It is still acknowledged, so
//     that the broker does not send it again for ever, and whoever handles the
//     message sees that it is too long.
//   - A SUBACK must answer the filters that were sent, no more and no less.
//   - Any other packet that is longer than MQTT allows ends the connection.
type guard struct {
	net.Conn
	in         *bufio.Reader
	maxPayload int
	filters    int // in the one SUBSCRIBE that is sent

	out     []byte // bytes to return first
	pass    int    // then bytes of the body to pass on
	discard int    // then bytes of the body to throw away

	aborted atomic.Bool
}

func newGuard(c net.Conn, maxPayload, filters int) *guard {
	return &guard{Conn: c, in: bufio.NewReaderSize(c, 4096), maxPayload: maxPayload, filters: filters}
}

// abort closes the connection without a DISCONNECT, so that the broker
// publishes the will. A plain Close would not be noticed by the library,
// which takes "use of closed network connection" for its own doing.
func (g *guard) abort() {
	g.aborted.Store(true)
	g.Conn.Close()
}

// Read returns bytes of packets that passed the guard.
func (g *guard) Read(p []byte) (int, error) {
	n, err := g.read(p)
	if err != nil && g.aborted.Load() {
		err = errAborted
	}
	return n, err
}

func (g *guard) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		switch {
		case len(g.out) > 0:
			n := copy(p, g.out)
			g.out = g.out[n:]
			return n, nil
		case g.pass > 0:
			n, err := g.in.Read(p[:min(len(p), g.pass)])
			g.pass -= n
			return n, err
		case g.discard > 0:
			n, err := g.in.Discard(min(g.discard, 1<<20))
			g.discard -= n
			if err != nil {
				return 0, err
			}
		default:
			if err := g.next(); err != nil {
				return 0, err
			}
		}
	}
}

// next reads a fixed header and decides about its packet.
func (g *guard) next() error {
	header, err := g.in.ReadByte()
	if err != nil {
		return err
	}
	length, err := readLength(g.in)
	if err != nil {
		return err
	}
	switch kind := header >> 4; {
	case kind == packetPublish:
		return g.publish(header, length)
	case kind == packetSuback && length != 2+g.filters:
		return fmt.Errorf("the broker answered %d of %d subscriptions", length-2, g.filters)
	case length > maxControl:
		return fmt.Errorf("the broker sent a packet of type %d with %d bytes; MQTT allows no such", kind, length)
	}
	g.out = appendLength(append(g.out[:0], header), length)
	g.pass = length
	return nil
}

// publish passes a PUBLISH on, cut if its payload is too long. Its body is the
// topic with 2 bytes of length, 2 bytes of packet id if the QoS is not 0, and
// the payload (section 3.3).
func (g *guard) publish(header byte, length int) error {
	var head [2]byte
	if length < len(head) {
		return fmt.Errorf("the broker sent a PUBLISH of %d bytes", length)
	}
	if _, err := io.ReadFull(g.in, head[:]); err != nil {
		return err
	}
	variable := 2 + int(binary.BigEndian.Uint16(head[:]))
	if header&0x06 != 0 {
		variable += 2
	}
	if variable > length {
		return fmt.Errorf("the broker sent a PUBLISH of %d bytes with a topic of %d", length, binary.BigEndian.Uint16(head[:]))
	}
	keep := min(length, variable+g.maxPayload+1)
	g.out = append(appendLength(append(g.out[:0], header), keep), head[:]...)
	g.pass = keep - len(head)
	g.discard = length - keep
	return nil
}

// readLength reads a remaining length: up to 4 bytes of 7 bits, the least
// significant first (section 2.2.3).
func readLength(r io.ByteReader) (int, error) {
	n := 0
	for shift := 0; shift < 28; shift += 7 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n, nil
		}
	}
	return 0, errors.New("the broker sent a packet whose length has more than 4 bytes")
}

func appendLength(dst []byte, n int) []byte {
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(dst, byte(n))
}
