package cameratest

import (
	"time"
)

// Bits of a payload's header (UVC 2.4.3.2.2).
const (
	payloadHeader = 2 // bytes: its length and the bits

	bitFrame = 1 << 0 // toggles with every frame
	bitEnd   = 1 << 1 // the frame ends here
	bitError = 1 << 6
	bitLast  = 1 << 7 // of the header
)

// stream sends frames as payloads. The camera's mutex guards it.
type stream struct {
	on       bool
	mode     mode
	interval time.Duration

	due     time.Time // of the next frame
	sending bool      // a frame is on its way
	rest    []byte    // of that frame
	bits    byte      // of each of its payloads
}

// start begins anew: the guest's driver expects no rest of an older frame.
func (s *stream) start(m mode, ticks uint32) {
	*s = stream{on: true, mode: m, interval: time.Duration(ticks) * tick, bits: s.bits}
}

func (s *stream) stop() { s.on, s.sending, s.rest = false, false, nil }

// never is a wait that only a change ends.
const never = time.Duration(1<<63 - 1)

// payload takes the next payload of at most limit bytes off the stream, or
// says how long there will be none. c.mu is held.
func (c *Camera) payload(now time.Time, limit int) (data []byte, wait time.Duration) {
	s := &c.stream
	if !s.on || limit <= payloadHeader {
		return nil, never
	}
	if !s.sending {
		if c.faults.Freeze {
			return nil, never
		}
		if wait := s.due.Sub(now); wait > 0 {
			return nil, wait
		}
		c.nextFrame(now)
	}
	n := min(len(s.rest), min(limit, maxPayload)-payloadHeader)
	bits := s.bits
	if n == len(s.rest) {
		bits |= bitEnd
		s.sending = false
		c.frames++
	}
	data = append(make([]byte, 0, payloadHeader+n), payloadHeader, bits)
	data = append(data, s.rest[:n]...)
	s.rest = s.rest[n:]
	return data, 0
}

// nextFrame puts the picture of now on the stream and plans the one after.
func (c *Camera) nextFrame(now time.Time) {
	s := &c.stream
	interval := s.interval
	if c.fps > 0 {
		interval = time.Duration(float64(time.Second) / c.fps)
	}
	s.due = s.due.Add(interval)
	if s.due.Before(now) { // a guest that was slow gets no burst
		s.due = now.Add(interval)
	}
	frame, ok := c.encoded[s.mode]
	if !ok {
		frame = c.faults.Break(Encode(c.image, s.mode.format, s.mode.size), s.mode.format)
		if c.encoded == nil {
			c.encoded = map[mode][]byte{}
		}
		c.encoded[s.mode] = frame
	}
	s.rest, s.sending = frame, true
	s.bits = s.bits&bitFrame ^ bitFrame | bitLast
	if c.faults.ErrorBit {
		s.bits |= bitError
	}
}
