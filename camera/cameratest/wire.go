package cameratest

import (
	"encoding/binary"
	"fmt"
	"io"
)

// packetType is what a packet of the redirection protocol is.
type packetType uint32

// The packets that webcams and their hosts exchange. Others are ignored, as
// the protocol wants it for packets that no capability announced.
const (
	packetHello               packetType = 0
	packetDeviceConnect       packetType = 1
	packetReset               packetType = 3
	packetInterfaceInfo       packetType = 4
	packetEndpointInfo        packetType = 5
	packetSetConfiguration    packetType = 6
	packetGetConfiguration    packetType = 7
	packetConfigurationStatus packetType = 8
	packetSetAlternate        packetType = 9
	packetGetAlternate        packetType = 10
	packetAlternateStatus     packetType = 11
	packetCancel              packetType = 21
	packetControl             packetType = 100
	packetBulk                packetType = 101
)

// Status of a transfer.
const (
	statusSuccess   = 0
	statusCancelled = 1
	statusInvalid   = 2
	statusStall     = 4
)

// speedHigh is 480 Mbit/s.
const speedHigh = 2

// Capabilities, as bits. Those here change the layout of packets, so both
// sides must have them.
const (
	capDeviceVersion   = 1 << 1 // deviceConnect has a version
	capMaxPacketSize   = 1 << 4 // endpointInfo has packet sizes
	capWideIDs         = 1 << 5 // ids have 64 bits
	capWideBulkLengths = 1 << 6 // bulkHeader has a high half of the length

	capabilities = capDeviceVersion | capMaxPacketSize | capWideIDs | capWideBulkLengths
)

// hello is the first packet of both sides.
type hello struct {
	Version      [64]byte
	Capabilities uint32
}

type deviceConnect struct {
	Speed, Class, Subclass, Protocol uint8
	Vendor, Product, Version         uint16
}

// interfaceInfo describes the first Count interfaces.
type interfaceInfo struct {
	Count                             uint32
	Number, Class, Subclass, Protocol [32]uint8
}

// endpointInfo describes endpoints: 0 to 15 to the device, 16 to 31 from it.
type endpointInfo struct {
	Type, Interval, Interface [32]uint8
	MaxPacket                 [32]uint16
}

// Types of endpoints.
const (
	endpointControl = 0
	endpointBulk    = 2
	endpointNone    = 255
)

type configurationStatus struct{ Status, Configuration uint8 }

type alternate struct{ Interface, Alternate uint8 }

type alternateStatus struct{ Status, Interface, Alternate uint8 }

// controlTransfer is a setup packet; data follow.
type controlTransfer struct {
	Endpoint, Request, RequestType, Status uint8
	Value, Index, Length                   uint16
}

// bulkTransfer has its length in two halves; data follow.
type bulkTransfer struct {
	Endpoint, Status uint8
	Length           uint16
	Stream           uint32
	LengthHigh       uint16
}

func (b bulkTransfer) length() int { return int(b.LengthHigh)<<16 | int(b.Length) }

func (b *bulkTransfer) setLength(n int) { b.Length, b.LengthHigh = uint16(n), uint16(n>>16) }

// packet is one message. An answer has the id of what it answers.
type packet struct {
	kind packetType
	id   uint64
	body []byte
}

// maxBody is more than any packet of a guest that knows our endpoints has.
const maxBody = 1 << 17

// readPacket reads one packet. Ids have 64 bits once hellos with capWideIDs
// were exchanged.
func readPacket(r io.Reader, wide bool) (packet, error) {
	head := make([]byte, headSize(wide))
	if _, err := io.ReadFull(r, head); err != nil {
		return packet{}, err
	}
	p := packet{kind: packetType(binary.LittleEndian.Uint32(head))}
	n := binary.LittleEndian.Uint32(head[4:])
	p.id = uint64(binary.LittleEndian.Uint32(head[8:]))
	if wide {
		p.id = binary.LittleEndian.Uint64(head[8:])
	}
	if n > maxBody {
		return packet{}, fmt.Errorf("usbredir: packet of type %d has %d bytes; want at most %d", p.kind, n, maxBody)
	}
	p.body = make([]byte, n)
	if _, err := io.ReadFull(r, p.body); err != nil {
		return packet{}, fmt.Errorf("usbredir: packet of type %d: %w", p.kind, err)
	}
	return p, nil
}

// append puts the packet as it is sent behind b.
func (p packet) append(b []byte, wide bool) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(p.kind))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p.body)))
	if wide {
		b = binary.LittleEndian.AppendUint64(b, p.id)
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(p.id))
	}
	return append(b, p.body...)
}

func headSize(wide bool) int {
	if wide {
		return 16
	}
	return 12
}

// pack lays out header, one of the structs above, with the data behind it.
func pack(header any, data []byte) []byte {
	b, err := binary.Append(make([]byte, 0, binary.Size(header)+len(data)), binary.LittleEndian, header)
	if err != nil {
		panic("cameratest: " + err.Error()) // a struct with a field of no fixed size
	}
	return append(b, data...)
}

// unpack reads header and returns the data behind it.
func (p packet) unpack(header any) ([]byte, error) {
	n, err := binary.Decode(p.body, binary.LittleEndian, header)
	if err != nil {
		return nil, fmt.Errorf("usbredir: packet of type %d has %d bytes; want at least %d", p.kind, len(p.body), binary.Size(header))
	}
	return p.body[n:], nil
}
