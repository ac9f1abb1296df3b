package cameratest

import (
	"bufio"
	"context"
	"encoding/binary"
	"image"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is the limit of every wait.
const patience = 30 * time.Second

// guest is the other end of the cable: what QEMU and the driver of a webcam do
// together.
type guest struct {
	t      testing.TB
	cam    *Camera
	conn   net.Conn
	reader *bufio.Reader
	id     uint64
	info   deviceConnect

	waiting []uint64          // bulk requests on their way
	arrived map[uint64]packet // answers that nobody has waited for yet
}

// listen makes a socket as QEMU does.
func listen(t testing.TB) (net.Listener, string) {
	path := filepath.Join(t.TempDir(), "cam.sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l, path
}

// plug connects a webcam to a new guest until the test ends.
func plug(t testing.TB, cam *Camera) *guest {
	l, path := listen(t)
	return plugInto(t, cam, l, path)
}

func plugInto(t testing.TB, cam *Camera, l net.Listener, path string) *guest {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	plugged := make(chan error, 1)
	go func() { plugged <- cam.Plug(ctx, path) }()
	conn, err := l.Accept()
	require.NoError(t, err)
	conn.SetDeadline(time.Now().Add(patience))
	g := &guest{t: t, cam: cam, conn: conn, reader: bufio.NewReader(conn), arrived: map[uint64]packet{}}
	t.Cleanup(func() {
		cam.Unplug()
		conn.Close()
	})

	var h hello
	g.expect(packetHello, 0, false, &h)
	require.EqualValues(t, capabilities, h.Capabilities)
	g.write(packet{packetHello, 0, pack(hello{Capabilities: 0xff}, nil)}, false)
	var interfaces interfaceInfo
	g.expect(packetInterfaceInfo, 0, true, &interfaces)
	require.EqualValues(t, 2, interfaces.Count)
	require.Equal(t, []uint8{1, 2, 0}, interfaces.Subclass[:3])
	var endpoints endpointInfo
	g.expect(packetEndpointInfo, 0, true, &endpoints)
	require.EqualValues(t, 2, endpoints.Type[17])
	require.EqualValues(t, 512, endpoints.MaxPacket[17])
	require.EqualValues(t, 1, endpoints.Interface[17])
	g.expect(packetDeviceConnect, 0, true, &g.info)
	require.NoError(t, <-plugged)
	return g
}

func (g *guest) write(p packet, wide bool) {
	g.t.Helper()
	_, err := g.conn.Write(p.append(nil, wide))
	require.NoError(g.t, err)
}

// expect reads the next packet, of one kind, into header.
func (g *guest) expect(kind packetType, id uint64, wide bool, header any) (data []byte) {
	g.t.Helper()
	p, err := readPacket(g.reader, wide)
	require.NoError(g.t, err)
	require.Equal(g.t, kind, p.kind)
	require.Equal(g.t, id, p.id)
	data, err = p.unpack(header)
	require.NoError(g.t, err)
	return data
}

// send sends a packet with an id of its own.
func (g *guest) send(kind packetType, header any, data []byte) (id uint64) {
	g.t.Helper()
	g.id++
	g.write(packet{kind, g.id, pack(header, data)}, true)
	return g.id
}

// answer waits for the packet with the id. What comes before it is kept.
func (g *guest) answer(id uint64) packet {
	g.t.Helper()
	for {
		if p, ok := g.arrived[id]; ok {
			delete(g.arrived, id)
			return p
		}
		p, err := readPacket(g.reader, true)
		require.NoError(g.t, err)
		if p.id != 0 {
			g.arrived[p.id] = p
		}
	}
}

// control does a control transfer.
func (g *guest) control(requestType, request uint8, value, index uint16, out []byte, length int) (in []byte, status uint8) {
	g.t.Helper()
	id := g.send(packetControl, controlTransfer{
		RequestType: requestType, Request: request, Value: value, Index: index, Length: uint16(length),
	}, out)
	p := g.answer(id)
	require.Equal(g.t, packetControl, p.kind)
	var h controlTransfer
	in, err := p.unpack(&h)
	require.NoError(g.t, err)
	require.Equal(g.t, [2]uint8{requestType, request}, [2]uint8{h.RequestType, h.Request})
	if requestType&0x80 != 0 {
		require.EqualValues(g.t, len(in), h.Length)
	}
	require.LessOrEqual(g.t, len(in), length)
	return in, h.Status
}

// get is a control transfer that must work.
func (g *guest) get(requestType, request uint8, value, index uint16, length int) []byte {
	g.t.Helper()
	in, status := g.control(requestType, request, value, index, nil, length)
	require.Zero(g.t, status, "request %#x of type %#x, value %#x, index %#x", request, requestType, value, index)
	return in
}

func (g *guest) set(requestType, request uint8, value, index uint16, out []byte) {
	g.t.Helper()
	_, status := g.control(requestType, request, value, index, out, len(out))
	require.Zero(g.t, status)
}

func (g *guest) descriptor(kind, index byte) []byte {
	g.t.Helper()
	return g.get(0x80, 6, uint16(kind)<<8|uint16(index), 0, 4096)
}

// enumerate sets the configuration as a USB core does.
func (g *guest) enumerate() {
	g.t.Helper()
	id := g.send(packetSetConfiguration, uint8(1), nil)
	var s configurationStatus
	p := g.answer(id)
	require.Equal(g.t, packetConfigurationStatus, p.kind)
	_, err := p.unpack(&s)
	require.NoError(g.t, err)
	require.Equal(g.t, configurationStatus{0, 1}, s)
}

// stream negotiates a format and size by their places in the descriptors, as
// drivers do, and starts.
func (g *guest) stream(f Format, size image.Point) probe {
	g.t.Helper()
	index := findMode(g.t, g.descriptor(2, 0), f, size)
	ask := pack(probe{Hint: 1, Format: index[0], Frame: index[1], Interval: 333333}, nil)
	g.set(0x21, 0x01, 1<<8, 1, ask)
	agreed := g.get(0xa1, 0x81, 1<<8, 1, len(ask))
	g.set(0x21, 0x01, 2<<8, 1, agreed)
	var p probe
	_, err := binary.Decode(agreed, binary.LittleEndian, &p)
	require.NoError(g.t, err)
	return p
}

// request asks for bulk data.
func (g *guest) request(size int) (id uint64) {
	g.t.Helper()
	h := bulkTransfer{Endpoint: 0x81}
	h.setLength(size)
	return g.send(packetBulk, h, nil)
}

// payload keeps five requests on their way, as Linux does, and waits for the
// answer to the oldest.
func (g *guest) payload() (header byte, data []byte) {
	g.t.Helper()
	for len(g.waiting) < 5 {
		g.waiting = append(g.waiting, g.request(16384))
	}
	p := g.answer(g.waiting[0])
	g.waiting = g.waiting[1:]
	var h bulkTransfer
	data, err := p.unpack(&h)
	require.NoError(g.t, err)
	require.Zero(g.t, h.Status)
	require.Equal(g.t, len(data), h.length())
	require.GreaterOrEqual(g.t, len(data), 2)
	require.EqualValues(g.t, 2, data[0], "length of the payload header")
	require.NotZero(g.t, data[1]&0x80, "the header has only these two bytes")
	return data[1], data[2:]
}

// frame puts the payloads of one frame together.
func (g *guest) frame() (frame []byte, erroneous bool) {
	g.t.Helper()
	header, data := g.payload()
	for first := header; ; {
		require.Equal(g.t, first&1, header&1, "the bit that toggles with every frame")
		require.Equal(g.t, first&0x40, header&0x40)
		frame = append(frame, data...)
		if header&2 != 0 {
			return frame, header&0x40 != 0
		}
		header, data = g.payload()
	}
}

// until reads frames until one is what is wanted: those on their way when the
// picture changes are still the old ones.
func (g *guest) until(want []byte) {
	g.t.Helper()
	for range 100 {
		if frame, _ := g.frame(); string(frame) == string(want) {
			return
		}
	}
	g.t.Fatal("the frame does not come")
}

// findMode walks the descriptors of a configuration, holds the lengths in them
// against each other, and returns the indices of a format and size.
func findMode(t testing.TB, config []byte, f Format, size image.Point) (index [2]byte) {
	t.Helper()
	require.EqualValues(t, len(config), binary.LittleEndian.Uint16(config[2:]), "total length of the configuration")
	var class []byte // of the interface, as its header counts them
	total, format := 0, byte(0)
	for rest := config; len(rest) > 0; {
		n := int(rest[0])
		require.Greater(t, n, 1)
		require.LessOrEqual(t, n, len(rest))
		d := rest[:n]
		rest = rest[n:]
		switch d[1] {
		case 4, 5: // the class descriptors of the interface before are over
			require.Equal(t, total, len(class))
			class, total = nil, 0
			continue
		case 0x24:
		default:
			continue
		}
		if d[2] == 1 && len(class) == 0 { // header of either interface
			at := 4
			if n == 13 && d[3] == 0 && d[4] == 1 { // video control: the version of UVC goes first
				at = 5
			}
			total = int(binary.LittleEndian.Uint16(d[at:]))
		}
		class = append(class, d...)
		switch {
		case n == 27 && d[2] == 4 && string(d[5:9]) == "YUY2" && f == YUYV, n == 11 && d[2] == 6 && f == MJPEG:
			format = d[3]
		case n == 27 && d[2] == 4, n == 11 && d[2] == 6:
			format = 0
		case format != 0 && (d[2] == 5 || d[2] == 7) && n == 26+4*int(d[25]):
			if image.Pt(int(binary.LittleEndian.Uint16(d[5:])), int(binary.LittleEndian.Uint16(d[7:]))) == size {
				index = [2]byte{format, d[3]}
			}
		}
	}
	require.NotZero(t, index[0], "%v %v is not in the descriptors", f, size)
	return index
}
