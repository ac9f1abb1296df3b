package cameratest

import (
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var small = image.Pt(160, 120)

// checks is a picture whose pixels are all known and never flat.
func checks(a, b color.RGBA) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, 32, 24))
	for y := range 24 {
		for x := range 32 {
			c := a
			if (x/4+y/4)%2 == 1 {
				c = b
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

var (
	blueOrange = checks(color.RGBA{20, 40, 200, 255}, color.RGBA{250, 160, 20, 255})
	greenWhite = checks(color.RGBA{10, 190, 60, 255}, color.RGBA{255, 255, 255, 255})
)

func TestFramesOfEveryMode(t *testing.T) {
	cam := New(Config{})
	cam.SetImage(blueOrange)
	g := plug(t, cam)
	g.enumerate()
	for _, f := range []Format{YUYV, MJPEG} {
		for _, size := range cam.config.Sizes {
			t.Run(fmt.Sprint(f, size), func(t *testing.T) {
				agreed := g.stream(f, size)
				require.EqualValues(t, 333333, agreed.Interval)
				require.EqualValues(t, 2*size.X*size.Y, agreed.MaxFrame)
				require.EqualValues(t, 16384, agreed.MaxPayload)
				want := Encode(blueOrange, f, size)
				for range 3 {
					frame, erroneous := g.frame()
					require.False(t, erroneous)
					require.Equal(t, want, frame)
				}
				s := cam.State()
				require.True(t, s.Plugged)
				require.True(t, s.Streaming)
				require.Equal(t, f, s.Format)
				require.Equal(t, size, s.Size)
				g.waiting = nil // a new stream does not answer the requests of the old one
				g.set(0x02, 1, 0, 0x81, nil)
				require.False(t, cam.State().Streaming)
				g.cancelAll()
			})
		}
	}
}

// cancelAll takes back what sendVideo has not answered, as a driver does that
// stops.
func (g *guest) cancelAll() {
	s := g.cam.session
	g.cam.mu.Lock()
	var ids []uint64
	for _, r := range s.requests {
		ids = append(ids, r.id)
	}
	g.cam.mu.Unlock()
	for _, id := range ids {
		g.cancel(id)
	}
}

func (g *guest) cancel(id uint64) {
	g.t.Helper()
	g.write(packet{packetCancel, id, nil}, true)
	p := g.answer(id)
	var h bulkTransfer
	data, err := p.unpack(&h)
	require.NoError(g.t, err)
	require.Empty(g.t, data)
	require.EqualValues(g.t, statusCancelled, h.Status)
	require.Zero(g.t, h.length())
}

func TestSetImage(t *testing.T) {
	cam := New(Config{})
	g := plug(t, cam)
	g.stream(YUYV, small)
	black, _ := g.frame()
	require.Equal(t, Encode(image.Black, YUYV, small), black)
	cam.SetImage(greenWhite)
	g.until(Encode(greenWhite, YUYV, small))
	cam.SetImage(blueOrange)
	g.until(Encode(blueOrange, YUYV, small))
	require.GreaterOrEqual(t, cam.State().Frames, uint64(3))
}

func TestBrokenFrames(t *testing.T) {
	for _, f := range []Format{YUYV, MJPEG} {
		for name, faults := range map[string]Faults{
			"half": {Truncate: 0.5}, "nothing": {Truncate: 1}, "bare": {NoHuffmanTables: true}, "garbage": {Garbage: true},
		} {
			t.Run(fmt.Sprint(f, name), func(t *testing.T) {
				cam := New(Config{})
				cam.SetImage(blueOrange)
				g := plug(t, cam)
				g.stream(f, small)
				good := Encode(blueOrange, f, small)
				g.until(good)
				cam.SetFaults(faults)
				g.until(faults.Break(good, f))
				cam.SetFaults(Faults{})
				g.until(good)
			})
		}
	}
}

func TestErrorBit(t *testing.T) {
	cam := New(Config{})
	g := plug(t, cam)
	g.stream(YUYV, small)
	for _, want := range []bool{false, true, false} {
		cam.SetFaults(Faults{ErrorBit: want})
		for range 100 {
			if _, erroneous := g.frame(); erroneous == want {
				break
			}
		}
		_, erroneous := g.frame()
		require.Equal(t, want, erroneous)
	}
}

// A frozen webcam still answers control transfers, and goes on with the
// requests that have waited.
func TestFreeze(t *testing.T) {
	cam := New(Config{})
	g := plug(t, cam)
	g.stream(YUYV, small)
	g.frame()
	cam.SetFaults(Faults{Freeze: true})
	require.Equal(t, []byte{0, 0}, g.get(0x81, 0, 0, 0, 2))
	cam.SetImage(greenWhite)
	cam.SetFaults(Faults{})
	g.until(Encode(greenWhite, YUYV, small))
}

func TestUnplug(t *testing.T) {
	cam := New(Config{})
	require.NoError(t, cam.Unplug(), "it never was plugged in")
	l, path := listen(t)
	for range 3 {
		g := plugInto(t, cam, l, path)
		require.ErrorContains(t, cam.Plug(t.Context(), path), "plugged in already")
		conn, err := l.Accept() // of the attempt that was refused
		require.NoError(t, err)
		conn.Close()

		g.enumerate()
		g.stream(MJPEG, small)
		g.frame()
		require.True(t, cam.State().Streaming)
		require.NoError(t, cam.Unplug())
		require.False(t, cam.State().Plugged)
		require.False(t, cam.State().Streaming)
		if _, err = io.Copy(io.Discard, g.reader); err != nil { // else end of file
			require.ErrorIs(t, err, syscall.ECONNRESET, "requests were left unread")
		}
	}
	require.NoError(t, cam.Unplug())
}

func TestGuestGoesAway(t *testing.T) {
	cam := New(Config{})
	g := plug(t, cam)
	g.stream(YUYV, small)
	g.frame()
	g.conn.Close()
	require.Eventually(t, func() bool { return !cam.State().Plugged }, patience, time.Millisecond)
	require.False(t, cam.State().Streaming)
	require.Error(t, cam.Unplug())
	require.NoError(t, cam.Unplug(), "it is told once")
	plug(t, cam)
}

func TestPlugWaitsForSocket(t *testing.T) {
	cam := New(Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := cam.Plug(ctx, t.TempDir()+"/none.sock")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "none.sock")
}

func TestPlugRefusesStrangers(t *testing.T) {
	for name, c := range map[string]struct {
		greeting []byte
		want     string
	}{
		"no hello":        {packet{packetReset, 0, make([]byte, 68)}.append(nil, false), "type 3; want 0"},
		"no capabilities": {packet{packetHello, 0, make([]byte, 68)}.append(nil, false), "capabilities 0x0; want 0x72"},
		"short hello":     {packet{packetHello, 0, make([]byte, 64)}.append(nil, false), "64 bytes; want at least 68"},
		"too long":        {[]byte{0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0}, "131073 bytes; want at most 131072"},
		"hangs up":        {[]byte{0, 0, 0}, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			l, path := listen(t)
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				conn.Write(c.greeting)
				io.CopyN(io.Discard, conn, 12+68)
				conn.Close()
			}()
			cam := New(Config{})
			require.ErrorContains(t, cam.Plug(t.Context(), path), c.want)
			require.False(t, cam.State().Plugged)
			plug(t, cam)
		})
	}
}

// A guest that connects and says nothing is waited for as long as ctx says.
func TestPlugIsCancelled(t *testing.T) {
	l, path := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := l.Accept()
		if err == nil {
			io.CopyN(io.Discard, conn, 12+68)
			cancel()
		}
	}()
	require.ErrorIs(t, New(Config{}).Plug(ctx, path), context.Canceled)
}

// A bus reset ends the stream, and so does setting the configuration.
func TestReset(t *testing.T) {
	cam := New(Config{})
	g := plug(t, cam)
	g.enumerate()
	g.stream(YUYV, small)
	g.write(packet{kind: packetReset}, true)
	id := g.send(packetGetConfiguration, struct{}{}, nil)
	require.Equal(t, []byte{0, 0}, g.answer(id).body)
	require.False(t, cam.State().Streaming)
	g.stream(YUYV, small)
	require.True(t, cam.State().Streaming)
	g.enumerate()
	require.False(t, cam.State().Streaming)
	id = g.send(packetGetConfiguration, struct{}{}, nil)
	require.Equal(t, []byte{0, 1}, g.answer(id).body)
}

func TestAlternateSettings(t *testing.T) {
	g := plug(t, New(Config{}))
	for _, c := range []struct {
		kind   packetType
		header any
		want   alternateStatus
	}{
		{packetSetAlternate, alternate{1, 0}, alternateStatus{statusSuccess, 1, 0}},
		{packetSetAlternate, alternate{1, 1}, alternateStatus{statusStall, 1, 0}},
		{packetSetAlternate, alternate{2, 0}, alternateStatus{statusStall, 2, 0}},
		{packetGetAlternate, uint8(1), alternateStatus{statusSuccess, 1, 0}},
	} {
		p := g.answer(g.send(c.kind, c.header, nil))
		var got alternateStatus
		_, err := p.unpack(&got)
		require.NoError(t, err)
		require.Equal(t, packetAlternateStatus, p.kind)
		require.Equal(t, c.want, got)
	}
}

// What the guest need not send is answered or left alone.
func TestStrangePackets(t *testing.T) {
	g := plug(t, New(Config{}))
	g.write(packet{200, 7, []byte("unknown")}, true)
	g.write(packet{packetCancel, 12345, nil}, true)
	h := bulkTransfer{Endpoint: 0x82}
	h.setLength(1 << 20)
	p := g.answer(g.send(packetBulk, h, nil))
	_, err := p.unpack(&h)
	require.NoError(t, err)
	require.EqualValues(t, statusInvalid, h.Status)
	require.Zero(t, h.length())
	_, status := g.control(0x21, 0x01, 2<<8, 2<<8, []byte{1}, 2)
	require.EqualValues(t, statusStall, status, "the setup packet announces two bytes")
}

func TestTooManyRequests(t *testing.T) {
	cam := New(Config{})
	g := plug(t, cam)
	for range maxRequests + 1 {
		g.request(512)
	}
	require.Eventually(t, func() bool { return !cam.State().Plugged }, patience, time.Millisecond)
	require.ErrorContains(t, cam.Unplug(), "more than 1024 bulk transfers")
}

// Whatever a guest sends, the session answers or ends, and unplugging works.
func FuzzSession(f *testing.F) {
	add := func(packets ...packet) {
		var b []byte
		for _, p := range packets {
			b = p.append(b, true)
		}
		f.Add(b)
	}
	ask := pack(probe{Format: 2, Frame: 3}, nil)
	commit := controlTransfer{RequestType: 0x21, Request: 1, Value: 2 << 8, Index: 1, Length: uint16(len(ask))}
	add(packet{packetSetConfiguration, 1, []byte{1}}, packet{packetControl, 2, pack(commit, ask)},
		packet{packetBulk, 3, pack(bulkTransfer{Endpoint: 0x81, Length: 512}, nil)}, packet{packetCancel, 3, nil})
	add(packet{packetReset, 1, nil}, packet{packetGetConfiguration, 1, nil}, packet{packetSetAlternate, 1, []byte{1, 0}}, packet{packetGetAlternate, 1, []byte{1}})
	for kind := range uint16(8) {
		add(packet{packetControl, 1, pack(controlTransfer{RequestType: 0x80, Request: 6, Value: kind << 8, Length: 255}, nil)})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cam := New(Config{})
		g := plug(t, cam)
		go io.Copy(io.Discard, g.reader)
		g.conn.Write(data)
		g.conn.Close()
		require.Eventually(t, func() bool { return !cam.State().Plugged }, patience, 100*time.Microsecond)
		require.Error(t, cam.Unplug())
	})
}

// The bytes of packets, by hand from the protocol's text.
func TestWire(t *testing.T) {
	control := controlTransfer{Endpoint: 0x80, Request: 6, RequestType: 0x80, Status: 4, Value: 0x0102, Index: 0x0304, Length: 0x0506}
	bulk := bulkTransfer{Endpoint: 0x81, Status: 1, Stream: 0x01020304}
	bulk.setLength(0x0a0b0c0d)
	for _, c := range []struct {
		p    packet
		wide bool
		want []byte
	}{
		{packet{packetControl, 0x1122334455667788, pack(control, []byte{9})}, true, []byte{
			100, 0, 0, 0, 11, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
			0x80, 6, 0x80, 4, 2, 1, 4, 3, 6, 5, 9,
		}},
		{packet{packetBulk, 5, pack(bulk, nil)}, false, []byte{
			101, 0, 0, 0, 10, 0, 0, 0, 5, 0, 0, 0,
			0x81, 1, 0x0d, 0x0c, 4, 3, 2, 1, 0x0b, 0x0a,
		}},
		{packet{packetDeviceConnect, 0, pack(deviceConnect{2, 0xef, 2, 1, 0x1d6b, 0x0102, 1}, nil)}, true, []byte{
			1, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
			2, 0xef, 2, 1, 0x6b, 0x1d, 2, 1, 1, 0,
		}},
	} {
		require.Equal(t, c.want, c.p.append(nil, c.wide))
	}
	require.Equal(t, 68, binary.Size(hello{}))
	require.Equal(t, 132, binary.Size(interfaceInfo{}))
	require.Equal(t, 160, binary.Size(endpointInfo{}))
}
