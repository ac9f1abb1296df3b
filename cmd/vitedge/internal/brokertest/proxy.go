package brokertest

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Proxy stands between a client and a broker and hurts their connections.
type Proxy struct {
	upstream string
	listener net.Listener

	mu      sync.Mutex
	links   map[*proxyLink]struct{}
	refuse  bool
	stalled chan struct{} // non-nil while bytes are held back; closed to let go
	budget  int           // cut after so many more bytes; <= 0: no cut planned
	corrupt bool          // flip a bit in the next bytes of each direction
	accepts int
}

type proxyLink struct{ client, server net.Conn }

// NewProxy listens on a free loopback port and forwards to upstream.
func NewProxy(t testing.TB, upstream string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &Proxy{upstream: upstream, listener: l, links: make(map[*proxyLink]struct{})}
	go p.accept()
	t.Cleanup(func() {
		l.Close()
		p.Stall(false)
		p.Cut()
	})
	return p
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.accepts++
		refuse := p.refuse
		p.mu.Unlock()
		if refuse {
			reset(client)
			continue
		}
		server, err := net.Dial("tcp", p.upstream)
		if err != nil {
			reset(client)
			continue
		}
		l := &proxyLink{client, server}
		p.mu.Lock()
		p.links[l] = struct{}{}
		p.mu.Unlock()
		go p.copy(l, server, client)
		go p.copy(l, client, server)
	}
}

// copy forwards one direction. What arrives while stalled is held back.
func (p *Proxy) copy(l *proxyLink, dst, src net.Conn) {
	defer p.drop(l)
	buf := make([]byte, 4096)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			p.mu.Lock()
			stalled := p.stalled
			p.mu.Unlock()
			if stalled != nil {
				<-stalled
			}
			p.mu.Lock()
			cut := false
			if p.budget > 0 {
				if n >= p.budget {
					n, cut = p.budget-1, true // in the middle of a packet
				}
				p.budget -= n
				if cut {
					p.budget = 0
				}
			}
			if p.corrupt && n > 0 {
				buf[n/2] ^= 0x10
				p.corrupt = false
			}
			p.mu.Unlock()
			if _, err := dst.Write(buf[:n]); err != nil || cut {
				return
			}
		}
		if err != nil {
			if err != io.EOF {
				return
			}
			return
		}
	}
}

func (p *Proxy) drop(l *proxyLink) {
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
	reset(l.client)
	reset(l.server)
}

// reset closes with RST, as a vanished peer does.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// Cut resets every connection.
func (p *Proxy) Cut() {
	p.mu.Lock()
	links := p.links
	p.links = make(map[*proxyLink]struct{})
	p.mu.Unlock()
	for l := range links {
		reset(l.client)
		reset(l.server)
	}
}

// CutAfter resets the connection that carries the n-th byte from now, without
// that byte.
func (p *Proxy) CutAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.budget = n
}

// Refuse resets new connections while on.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = on
}

// Stall holds all bytes back while on; the connections stay open.
func (p *Proxy) Stall(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case on && p.stalled == nil:
		p.stalled = make(chan struct{})
	case !on && p.stalled != nil:
		close(p.stalled)
		p.stalled = nil
	}
}

// Corrupt flips one bit of the next bytes that pass.
func (p *Proxy) Corrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.corrupt = true
}

// Accepts counts the connections that clients made.
func (p *Proxy) Accepts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepts
}

// Open counts the connections that are up.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// pollEvery is how often a condition that nothing announces is looked at.
const pollEvery = 5 * time.Millisecond

// Eventually waits until f holds.
func Eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(pollEvery)
	}
}
