package cameratest

import (
	"encoding/binary"
	"slices"
	"time"
	"unicode/utf16"
)

// Descriptor types (USB 2.0 table 9-5, UVC table ).
const (
	descDevice      = 1
	descConfig      = 2
	descString      = 3
	descInterface   = 4
	descEndpoint    = 5
	descAssociation = 11
	descClass       = 0x24 // class-specific interface

	// Of the video control interface.
	controlHeader    = 1
	controlInput     = 2
	controlOutput    = 3
	controlProcessor = 5

	// Of the video streaming interface.
	streamHeader      = 1
	streamFormatRaw   = 4
	streamFrameRaw    = 5
	streamFormatMJPEG = 6
	streamFrameMJPEG  = 7
	streamColor       = 13
)

// Versions, binary coded decimal.
const (
	usbVersion    uint16 = 0x0200
	uvcVersion    uint16 = 0x0100
	deviceVersion uint16 = 0x0001
)

// Classes (UVC tables ).
const (
	classMisc           = 0xef // a device whose functions are associations of interfaces
	classVideo          = 0x0e
	subclassControl     = 1
	subclassStreaming   = 2
	subclassAssociation = 3
)

// The ids of the Linux Foundation's webcam gadget.
const (
	vendorID  uint16 = 0x1d6b
	productID uint16 = 0x0102
)

// Numbers of our own choice.
const (
	interfaceControl   = 0
	interfaceStreaming = 1
	interfaceCount     = 2

	unitCamera    = 1
	unitProcessor = 2
	unitOutput    = 3

	endpointVideo = 0x81 // bulk, to the host
	bulkPacket    = 512  // of high speed

	// maxPayload is one request of the Linux driver for bulk: 32 packets.
	maxPayload = 32 * bulkPacket

	// Index of each string. 0 is the list of languages.
	stringVendor  = 1
	stringProduct = 2
	stringSerial  = 3
)

// fields builds a descriptor, little-endian.
type fields []byte

func describe(kind ...byte) fields   { return append(fields{0}, kind...) }
func (f fields) u8(v ...byte) fields { return append(f, v...) }
func (f fields) u16(v ...uint16) fields {
	for _, v := range v {
		f = binary.LittleEndian.AppendUint16(f, v)
	}
	return f
}
func (f fields) u32(v ...uint32) fields {
	for _, v := range v {
		f = binary.LittleEndian.AppendUint32(f, v)
	}
	return f
}

// end puts the length in front.
func (f fields) end() []byte {
	f[0] = byte(len(f))
	return f
}

// deviceDescriptor is that of USB 2.0 table 9-8.
func deviceDescriptor() []byte {
	return describe(descDevice).u16(usbVersion).u8(classMisc, 2, 1, 64).
		u16(vendorID, productID, deviceVersion).u8(stringVendor, stringProduct, stringSerial, 1).end()
}

// configDescriptor is the configuration with everything in it.
func (c Config) configDescriptor() []byte {
	body := describe(descAssociation).u8(interfaceControl, interfaceCount, classVideo, subclassAssociation, 0, stringProduct).end()
	body = append(body, videoControl()...)
	body = append(body, c.videoStreaming()...)
	const busPowered, milliamps = 0x80, 500
	head := describe(descConfig).u16(uint16(9+len(body))).u8(interfaceCount, 1, 0, busPowered, milliamps/2).end()
	return append(head, body...)
}

// videoControl is the interface of the units (UVC 3.7): the sensor, a
// processing unit that knows brightness, and the way to USB.
func videoControl() []byte {
	const sensor, streaming uint16 = 0x0201, 0x0101
	const brightness = 1
	units := describe(descClass, controlInput, unitCamera).u16(sensor).u8(0, 0).u16(0, 0, 0).u8(3, 0, 0, 0).end()
	units = append(units, describe(descClass, controlProcessor, unitProcessor, unitCamera).u16(0).u8(2, brightness, 0, 0).end()...)
	units = append(units, describe(descClass, controlOutput, unitOutput).u16(streaming).u8(0, unitProcessor, 0).end()...)

	const headerSize, clock = 13, 48_000_000
	out := describe(descInterface, interfaceControl).u8(0, 0, classVideo, subclassControl, 0, stringProduct).end()
	out = append(out, describe(descClass, controlHeader).u16(uvcVersion, uint16(headerSize+len(units))).u32(clock).u8(1, interfaceStreaming).end()...)
	return append(out, units...)
}

// videoStreaming is the interface of the frames (UVC 3.9). A bulk endpoint
// needs no alternate settings.
func (c Config) videoStreaming() []byte {
	var all []byte
	for f := range formats {
		all = append(all, c.format(f)...)
	}
	const headerSize = 13 + int(formats)
	out := describe(descInterface, interfaceStreaming).u8(0, 1, classVideo, subclassStreaming, 0, 0).end()
	out = append(out, describe(descClass, streamHeader, byte(formats)).u16(uint16(headerSize+len(all))).
		u8(endpointVideo, 0, unitOutput, 0, 0, 0, 1).u8(make([]byte, formats)...).end()...)
	out = append(out, all...)
	const bulk = 2
	return append(out, describe(descEndpoint, endpointVideo, bulk).u16(bulkPacket).u8(0).end()...)
}

// guidYUY2 is the packed 4:2:2 of UVC's payload specification for uncompressed
// formats.
var guidYUY2 = []byte{'Y', 'U', 'Y', '2', 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71}

// format is a format with its sizes and its colors.
func (c Config) format(f Format) []byte {
	index, count := formatIndex(f), byte(len(c.Sizes))
	var out []byte
	frame := byte(streamFrameMJPEG)
	switch f {
	case MJPEG:
		out = describe(descClass, streamFormatMJPEG, index, count).u8(1, 1, 0, 0, 0, 0).end()
	case YUYV:
		frame = streamFrameRaw
		out = describe(descClass, streamFormatRaw, index, count).u8(guidYUY2...).u8(16, 1, 0, 0, 0, 0).end()
	}
	for i, s := range c.Sizes {
		bytes := uint32(2 * s.X * s.Y)
		d := describe(descClass, frame, byte(i+1), 0).u16(uint16(s.X), uint16(s.Y)).
			u32(8*bytes*uint32(slices.Min(c.FPS)), 8*bytes*uint32(slices.Max(c.FPS)), bytes, interval(c.FPS[0])).u8(byte(len(c.FPS)))
		for _, rate := range c.FPS {
			d = d.u32(interval(rate))
		}
		out = append(out, d.end()...)
	}
	const bt709, gamma709, bt601 = 1, 1, 4 // primaries, transfer, matrix
	return append(out, describe(descClass, streamColor, bt709, gamma709, bt601).end()...)
}

// formatIndex counts from 1, as UVC does.
func formatIndex(f Format) byte { return byte(f) + 1 }

// tick is UVC's unit of time for frame intervals.
const tick = 100 * time.Nanosecond

// interval is the time of a frame in ticks.
func interval(fps int) uint32 { return uint32(time.Second / tick / time.Duration(fps)) }

// stringDescriptor is string i in UTF-16 (USB 2.0 table 9-15 and 9-16).
func (c Config) stringDescriptor(i byte) ([]byte, bool) {
	const english uint16 = 0x0409
	switch i {
	case 0:
		return describe(descString).u16(english).end(), true
	case stringVendor:
		return describe(descString).u16(utf16.Encode([]rune("vitedge"))...).end(), true
	case stringProduct:
		return describe(descString).u16(utf16.Encode([]rune(c.Product))...).end(), true
	case stringSerial:
		return describe(descString).u16(utf16.Encode([]rune(c.Serial))...).end(), true
	}
	return nil, false
}
