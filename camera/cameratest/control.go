package cameratest

import (
	"encoding/binary"
	"image"
	"math"
)

// setup is the head of a control transfer (USB 2.0 table 9-2).
type setup struct {
	requestType uint8 // direction, type and recipient
	request     uint8
	value       uint16
	index       uint16
	length      uint16
}

// Standard requests by type and code (USB 2.0 tables 9-3 and 9-4).
const (
	getStatusDevice    = 0x80<<8 | 0
	getStatusInterface = 0x81<<8 | 0
	getStatusEndpoint  = 0x82<<8 | 0
	clearFeature       = 0x02<<8 | 1 // of an endpoint: its halt
	getDescriptor      = 0x80<<8 | 6
	getConfiguration   = 0x80<<8 | 8
	setConfiguration   = 0x00<<8 | 9
	getInterface       = 0x81<<8 | 10
	setInterface       = 0x01<<8 | 11
)

// Class requests to an interface (UVC 4.1 and table A-8).
const (
	toInterface   = 0x21
	fromInterface = 0xa1

	setCur  = 0x01
	getCur  = 0x81
	getMin  = 0x82
	getMax  = 0x83
	getRes  = 0x84
	getLen  = 0x85
	getInfo = 0x86
	getDef  = 0x87
)

// Controls (UVC tables ).
const (
	controlErrorCode  = 2 // of the video control interface
	controlBrightness = 2 // of the processing unit
	controlProbe      = 1 // of the video streaming interface
	controlCommit     = 2
)

const (
	infoGetSet = 3 // a control that can be read and set

	// errorInvalidControl is why a request to the video control interface was
	// stalled, whichever it was (UVC 4.2.1.2).
	errorInvalidControl = 6

	defaultBrightness = 50
	maxBrightness     = 100
)

// busState is what the guest's USB core has set.
type busState struct {
	configuration byte
	probe, commit probe
}

// reset is what plugging in and a reset of the bus do.
func (b *busState) reset(c *Camera) {
	*b = busState{probe: c.config.negotiate(probe{}), commit: c.config.negotiate(probe{})}
	c.stream.stop()
}

// control answers a control transfer with the data for the guest, which are
// cut to what it asked for; ok is false to stall it. c.mu is held.
func (c *Camera) control(s setup, out []byte) (in []byte, ok bool) {
	in, ok = c.answer(s, out)
	return in[:min(len(in), int(s.length))], ok
}

func (c *Camera) answer(s setup, out []byte) (in []byte, ok bool) {
	switch s.requestType {
	case toInterface, fromInterface:
		return c.classRequest(s, out)
	}
	switch int(s.requestType)<<8 | int(s.request) {
	case getDescriptor:
		return c.config.descriptor(byte(s.value>>8), byte(s.value))
	case setConfiguration:
		c.bus.configuration = byte(s.value)
		c.stream.stop()
		return nil, s.value <= 1
	case getConfiguration:
		return []byte{c.bus.configuration}, true
	case setInterface:
		return nil, s.index < interfaceCount && s.value == 0
	case getInterface:
		return []byte{0}, s.index < interfaceCount
	case clearFeature:
		// UVC has no request that stops a bulk stream. This is the one that
		// drivers send.
		if s.index == endpointVideo {
			c.stream.stop()
		}
		return nil, true
	case getStatusDevice, getStatusInterface, getStatusEndpoint:
		return []byte{0, 0}, true
	}
	return nil, false
}

func (c Config) descriptor(kind, index byte) ([]byte, bool) {
	switch kind {
	case descDevice:
		return deviceDescriptor(), true
	case descConfig:
		return c.configDescriptor(), index == 0
	case descString:
		return c.stringDescriptor(index)
	}
	return nil, false
}

// classRequest finds the control that a request of UVC is for.
func (c *Camera) classRequest(s setup, out []byte) ([]byte, bool) {
	intf, unit, selector := byte(s.index), byte(s.index>>8), byte(s.value>>8)
	switch {
	case intf == interfaceStreaming && selector == controlProbe:
		return c.negotiation(&c.bus.probe, s.request, out)
	case intf == interfaceStreaming && selector == controlCommit:
		in, ok := c.negotiation(&c.bus.commit, s.request, out)
		if ok && s.request == setCur {
			c.stream.start(c.config.streamOf(c.bus.commit))
			c.streams++
			c.config.Log.Debug("streaming", "format", c.stream.mode.format.String(), "size", c.stream.mode.size.String(), "interval", c.stream.interval)
		}
		return in, ok
	case intf == interfaceControl && unit == unitProcessor && selector == controlBrightness:
		return c.brightnessControl(s.request, out)
	case intf == interfaceControl && unit == 0 && selector == controlErrorCode && s.request == getCur:
		return []byte{errorInvalidControl}, true
	}
	return nil, false
}

// brightnessControl does as a real one and is kept, but does not change the
// picture: tests compare it.
func (c *Camera) brightnessControl(request byte, out []byte) ([]byte, bool) {
	number := func(v uint16) ([]byte, bool) { return binary.LittleEndian.AppendUint16(nil, v), true }
	switch request {
	case setCur:
		if len(out) < 2 {
			return nil, false
		}
		c.brightness = min(binary.LittleEndian.Uint16(out), maxBrightness)
		return nil, true
	case getCur:
		return number(c.brightness)
	case getMin:
		return number(0)
	case getMax:
		return number(maxBrightness)
	case getRes:
		return number(1)
	case getDef:
		return number(defaultBrightness)
	case getLen:
		return number(2)
	case getInfo:
		return []byte{infoGetSet}, true
	}
	return nil, false
}

// probe is the video probe and commit control of UVC 1.0 (table 4-47). Fields
// that only matter for temporal compression and still pictures stay 0.
type probe struct {
	Hint          uint16
	Format, Frame uint8  // indices, from 1
	Interval      uint32 // ticks
	_             [5]uint16
	MaxFrame      uint32 // bytes
	MaxPayload    uint32 // bytes
}

// negotiation answers a request to a probe or commit control.
func (c *Camera) negotiation(p *probe, request byte, out []byte) ([]byte, bool) {
	answer := func(p probe) ([]byte, bool) {
		b, err := binary.Append(nil, binary.LittleEndian, p)
		return b, err == nil
	}
	switch request {
	case setCur:
		var asked probe
		if _, err := binary.Decode(out, binary.LittleEndian, &asked); err != nil {
			return nil, false
		}
		*p = c.config.negotiate(asked)
		return nil, true
	case getCur:
		return answer(*p)
	case getMin:
		return answer(c.config.negotiate(probe{Format: p.Format, Frame: p.Frame, Interval: 1}))
	case getMax:
		return answer(c.config.negotiate(probe{Format: p.Format, Frame: p.Frame, Interval: math.MaxUint32}))
	case getDef:
		return answer(c.config.negotiate(probe{}))
	case getLen:
		return binary.LittleEndian.AppendUint16(nil, uint16(binary.Size(probe{}))), true
	case getInfo:
		return []byte{infoGetSet}, true
	}
	return nil, false
}

// negotiate turns what was asked for into the nearest that there is.
func (c Config) negotiate(asked probe) probe {
	if asked.Format < 1 || int(asked.Format) > int(formats) {
		asked.Format = 1
	}
	if asked.Frame < 1 || int(asked.Frame) > len(c.Sizes) {
		asked.Frame = 1
	}
	best := interval(c.FPS[0])
	if asked.Interval != 0 {
		distance := func(v uint32) int64 { return max(int64(v)-int64(asked.Interval), int64(asked.Interval)-int64(v)) }
		for _, rate := range c.FPS {
			if v := interval(rate); distance(v) < distance(best) {
				best = v
			}
		}
	}
	size := c.Sizes[asked.Frame-1]
	return probe{
		Hint: asked.Hint, Format: asked.Format, Frame: asked.Frame, Interval: best,
		MaxFrame: uint32(2 * size.X * size.Y), MaxPayload: maxPayload,
	}
}

// streamOf is the stream that was agreed on.
func (c Config) streamOf(p probe) (mode, uint32) {
	return mode{Format(p.Format - 1), image.Point(c.Sizes[p.Frame-1])}, p.Interval
}
