package smartcard

import (
	"encoding/binary"
	"errors"
)

// Command is the first byte of a packet of KasmVNC's smart card channel, version 0:
// [command U8][length U16 big-endian][payload]. There is no identifier of a request, so a side that asks
// waits for the answer before it asks again.
type Command uint8

// The requests of ghostaux, and the two answers of the far end.
const (
	Status     Command = 0x01 // no payload; answered by Ack with the ATR, or without payload when there is no card
	PowerOn    Command = 0x02 // no payload; the far end connects to the card; empty Ack
	PowerOff   Command = 0x03 // no payload; the far end disconnects; empty Ack
	Reset      Command = 0x04 // no payload; empty Ack, and KasmVNC's client leaves the card alone
	Transmit   Command = 0x05 // command APDU; answered by Ack with the response APDU
	Initialize Command = 0x06 // no payload; empty Ack
	Ack        Command = 0x80
	Error      Command = 0x81 // text of an exception
)

// String is the name of the command in metrics and messages.
func (c Command) String() string {
	switch c {
	case Status:
		return "status"
	case PowerOn:
		return "power_on"
	case PowerOff:
		return "power_off"
	case Reset:
		return "reset"
	case Transmit:
		return "transmit"
	case Initialize:
		return "initialize"
	case Ack:
		return "ack"
	case Error:
		return "error"
	}
	return "unknown"
}

const (
	packetHeader = 3
	// MaxPayload is the longest payload of a packet, and the longest message of vpcd, in bytes.
	MaxPayload = 0xFFFF
	// MaxPacket is the longest packet in bytes.
	MaxPacket = packetHeader + MaxPayload
)

// Packet is one decoded packet. Payload points into the bytes it was decoded from.
type Packet struct {
	Command Command
	Payload []byte
}

var (
	// ErrShort is a packet that ends before its header or its payload does.
	ErrShort = errors.New("packet ends early")
	// ErrLong is a payload whose length does not fit into the packet's length field, which has wrapped around.
	ErrLong = errors.New("payload of more than 65,535 bytes")
	// ErrVersion is a packet of another version of the protocol, which begins with 0x10.
	ErrVersion = errors.New("packet of another version of the protocol")
)

const otherVersion = 0x10

// Decode reads one packet. Bytes behind the payload are ignored, as KasmVNC's client does.
func Decode(b []byte) (Packet, error) {
	if len(b) > 0 && b[0] == otherVersion {
		return Packet{}, ErrVersion
	}
	if len(b) < packetHeader {
		return Packet{}, ErrShort
	}
	n := int(binary.BigEndian.Uint16(b[1:packetHeader]))
	switch {
	case len(b) > MaxPacket:
		return Packet{Command: Command(b[0])}, ErrLong
	case len(b) < packetHeader+n:
		return Packet{}, ErrShort
	}
	return Packet{Command: Command(b[0]), Payload: b[packetHeader : packetHeader+n]}, nil
}

// AppendPacket appends the packet to b. The payload has at most MaxPayload bytes.
func AppendPacket(b []byte, c Command, payload []byte) []byte {
	b = append(b, byte(c))
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	return append(b, payload...)
}

// Limits of an ATR in bytes, ISO 7816-3: TS and T0 at least, TS and 32 more at most.
const (
	minATR = 2
	maxATR = 33
)

// isATR reports whether the bytes may be an ATR: the length is possible, and it begins with TS of the direct or
// the inverse convention. What else is wrong with the ATR of a real card is not for us to judge.
func isATR(b []byte) bool {
	return len(b) >= minATR && len(b) <= maxATR && (b[0] == 0x3B || b[0] == 0x3F)
}
