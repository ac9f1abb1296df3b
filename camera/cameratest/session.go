package cameratest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// session is one connection to a guest, from plugging in to pulling out.
//
// Two goroutines serve it: one reads what the guest sends and answers control
// transfers, the other answers requests for bulk data with video whenever
// there is some.
type session struct {
	cam    *Camera
	conn   net.Conn
	reader *bufio.Reader

	ended chan struct{} // closed by end
	once  sync.Once
	err   error         // why it ended; nil if it was told to
	done  chan struct{} // closed when both goroutines are gone

	writing sync.Mutex
	wide    bool

	requests []bulkRequest // for video, oldest first; guarded by cam.mu
}

// bulkRequest is one of the buffers that the guest's driver wants filled.
type bulkRequest struct {
	id     uint64
	header bulkTransfer
}

// maxRequests is more than any driver has on its way.
const maxRequests = 1024

// writeTimeout is how long a guest may not read.
const writeTimeout = 30 * time.Second

func newSession(c *Camera, conn net.Conn) *session {
	return &session{cam: c, conn: conn, reader: bufio.NewReader(conn), ended: make(chan struct{}), done: make(chan struct{})}
}

func (s *session) alive() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// end closes the connection. The first reason counts.
func (s *session) end(reason error) {
	s.once.Do(func() {
		s.err = reason
		s.conn.Close()
		s.cam.mu.Lock()
		s.cam.stream.stop()
		s.cam.mu.Unlock()
		close(s.ended)
	})
}

// greet exchanges hellos and says what is plugged in.
func (s *session) greet(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.conn.SetDeadline(time.Now()) })
	defer stop()
	err := s.exchangeHellos()
	if err == nil {
		return nil
	}
	s.end(err)
	close(s.done) // serve will not
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

func (s *session) exchangeHellos() error {
	h := hello{Capabilities: capabilities}
	copy(h.Version[:], "vitedge cameratest")
	if err := s.send(packetHello, 0, h, nil); err != nil {
		return err
	}
	p, err := readPacket(s.reader, false)
	if err != nil {
		return err
	}
	var peer hello
	if p.kind != packetHello {
		return fmt.Errorf("usbredir: the first packet is of type %d; want %d", p.kind, packetHello)
	}
	if _, err := p.unpack(&peer); err != nil {
		return err
	}
	if peer.Capabilities&capabilities != capabilities {
		return fmt.Errorf("usbredir: the guest has capabilities %#x; want %#x among them", peer.Capabilities, capabilities)
	}
	s.wide = true
	return s.announce(true)
}

// announce sends the interfaces and endpoints, and with connect the device.
func (s *session) announce(connect bool) error {
	interfaces := interfaceInfo{Count: interfaceCount}
	for i, subclass := range []uint8{subclassControl, subclassStreaming} {
		interfaces.Number[i], interfaces.Class[i], interfaces.Subclass[i] = uint8(i), classVideo, subclass
	}
	var endpoints endpointInfo
	for i := range endpoints.Type {
		endpoints.Type[i] = endpointNone
	}
	const out, in = 0, 16
	const video = in + endpointVideo&0x0f
	endpoints.Type[out], endpoints.MaxPacket[out] = endpointControl, 64
	endpoints.Type[in], endpoints.MaxPacket[in] = endpointControl, 64
	endpoints.Type[video], endpoints.MaxPacket[video], endpoints.Interface[video] = endpointBulk, bulkPacket, interfaceStreaming
	err := errors.Join(
		s.send(packetInterfaceInfo, 0, interfaces, nil),
		s.send(packetEndpointInfo, 0, endpoints, nil),
	)
	if connect {
		device := deviceConnect{Speed: speedHigh, Class: classMisc, Subclass: 2, Protocol: 1, Vendor: vendorID, Product: productID, Version: deviceVersion}
		err = errors.Join(err, s.send(packetDeviceConnect, 0, device, nil))
	}
	return err
}

func (s *session) send(kind packetType, id uint64, header any, data []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := s.conn.Write(packet{kind, id, pack(header, data)}.append(nil, s.wide))
	return err
}

// serve works until the connection ends.
func (s *session) serve() {
	defer close(s.done)
	var streaming sync.WaitGroup
	streaming.Go(func() {
		if err := s.sendVideo(); err != nil {
			s.end(err)
		}
	})
	err := s.receive()
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the guest has closed the connection: %w", err)
	}
	s.end(err)
	s.cam.changed()
	streaming.Wait()
}

// receive reads packets until there is one that makes no sense or no more.
func (s *session) receive() error {
	for {
		p, err := readPacket(s.reader, true)
		if err != nil {
			return err
		}
		if err := s.handle(p); err != nil {
			return err
		}
	}
}

func (s *session) handle(p packet) error {
	c := s.cam
	switch p.kind {
	case packetReset:
		c.change(func() { c.bus.reset(c) })
	case packetSetConfiguration:
		var configuration uint8
		if _, err := p.unpack(&configuration); err != nil {
			return err
		}
		return s.configure(p.id, configuration)
	case packetGetConfiguration:
		c.mu.Lock()
		configuration := c.bus.configuration
		c.mu.Unlock()
		return s.send(packetConfigurationStatus, p.id, configurationStatus{statusSuccess, configuration}, nil)
	case packetSetAlternate:
		var a alternate
		if _, err := p.unpack(&a); err != nil {
			return err
		}
		return s.sendAlternate(p.id, a)
	case packetGetAlternate:
		var a alternate
		if _, err := p.unpack(&a.Interface); err != nil {
			return err
		}
		return s.sendAlternate(p.id, a)
	case packetCancel:
		return s.cancel(p.id)
	case packetControl:
		return s.control(p)
	case packetBulk:
		return s.request(p)
	default:
		c.config.Log.Debug("ignored", "packet", uint32(p.kind), "bytes", len(p.body))
	}
	return nil
}

// configure is SET_CONFIGURATION, which has a packet of its own. The protocol
// wants to know the endpoints anew after it.
func (s *session) configure(id uint64, configuration uint8) error {
	c := s.cam
	var ok bool
	c.change(func() {
		_, ok = c.control(setup{requestType: setConfiguration >> 8, request: setConfiguration & 0xff, value: uint16(configuration)}, nil)
		configuration = c.bus.configuration
	})
	if err := s.announce(false); err != nil {
		return err
	}
	return s.send(packetConfigurationStatus, id, configurationStatus{status(ok), configuration}, nil)
}

// sendAlternate answers SET_INTERFACE and GET_INTERFACE, which have packets of
// their own, too. There are no alternate settings but 0.
func (s *session) sendAlternate(id uint64, a alternate) error {
	ok := a.Interface < interfaceCount && a.Alternate == 0
	return s.send(packetAlternateStatus, id, alternateStatus{status(ok), a.Interface, 0}, nil)
}

func status(ok bool) uint8 {
	if ok {
		return statusSuccess
	}
	return statusStall
}

// control answers a control transfer.
func (s *session) control(p packet) error {
	var h controlTransfer
	out, err := p.unpack(&h)
	if err != nil {
		return err
	}
	const fromDevice = 0x80
	var in []byte
	var ok bool
	if h.RequestType&fromDevice != 0 || len(out) == int(h.Length) {
		c := s.cam
		c.change(func() {
			in, ok = c.control(setup{h.RequestType, h.Request, h.Value, h.Index, h.Length}, out)
		})
	}
	h.Status = status(ok)
	if !ok {
		in, h.Length = nil, 0
	}
	if h.RequestType&fromDevice != 0 {
		h.Length = uint16(len(in))
	}
	return s.send(packetControl, p.id, h, in)
}

// request queues a request for video, which sendVideo answers. The protocol
// answers requests to other endpoints, too.
func (s *session) request(p packet) error {
	var h bulkTransfer
	if _, err := p.unpack(&h); err != nil {
		return err
	}
	if h.Endpoint != endpointVideo {
		h.Status = statusInvalid
		h.setLength(0)
		return s.send(packetBulk, p.id, h, nil)
	}
	var full bool
	s.cam.change(func() {
		if full = len(s.requests) == maxRequests; !full {
			s.requests = append(s.requests, bulkRequest{p.id, h})
		}
	})
	if full {
		return fmt.Errorf("usbredir: the guest waits for more than %d bulk transfers", maxRequests)
	}
	return nil
}

// cancel answers the request that is taken back. One that was answered
// meanwhile is left at that.
func (s *session) cancel(id uint64) error {
	c := s.cam
	c.mu.Lock()
	for i, r := range s.requests {
		if r.id != id {
			continue
		}
		s.requests = append(s.requests[:i], s.requests[i+1:]...)
		c.mu.Unlock()
		r.header.Status = statusCancelled
		r.header.setLength(0)
		return s.send(packetBulk, id, r.header, nil)
	}
	c.mu.Unlock()
	return nil
}

// sendVideo answers requests for video until the session ends.
func (s *session) sendVideo() error {
	timer := time.NewTimer(never)
	defer timer.Stop()
	for {
		r, data, wait := s.next(time.Now())
		if data != nil {
			r.header.Status = statusSuccess
			r.header.setLength(len(data))
			if err := s.send(packetBulk, r.id, r.header, data); err != nil {
				return err
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-s.cam.wake:
		case <-s.ended:
			return nil
		}
	}
}

// next takes the oldest request and its payload, or says how long there will
// be none.
func (s *session) next(now time.Time) (r bulkRequest, data []byte, wait time.Duration) {
	c := s.cam
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.alive() || len(s.requests) == 0 {
		return r, nil, never
	}
	r = s.requests[0]
	if data, wait = c.payload(now, r.header.length()); data != nil {
		s.requests = s.requests[1:]
	}
	return r, data, wait
}
