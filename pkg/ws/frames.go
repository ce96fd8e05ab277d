package ws

import (
	"encoding/binary"
	"net"
)

// FrameRoom is the most that AppendFrame and AppendPing add to a payload, in bytes.
const FrameRoom = 10

const (
	finBit     = 0x80
	opcodePing = 0x9
	maxControl = 125 // bytes of a control frame's payload, RFC 6455 section 5.5
)

// AppendFrame appends one whole unfragmented data frame, as a server sends it. A server does not mask, so
// the same bytes may go to any number of peers with WriteFrames.
func AppendFrame(dst []byte, typ MessageType, payload []byte) []byte {
	dst = append(dst, finBit|byte(typ))
	switch n := len(payload); {
	case n <= 125:
		dst = append(dst, byte(n))
	case n <= 0xFFFF:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, payload...)
}

// AppendPing appends a ping frame with the payload, of at most 125 bytes. The peer's pong, which comes when it has
// read everything before the ping, repeats the payload to Options.OnPongData.
func AppendPing(dst, payload []byte) []byte {
	payload = payload[:min(len(payload), maxControl)]
	dst = append(dst, finBit|opcodePing, byte(len(payload)))
	return append(dst, payload...)
}

// WriteFrames sends whole frames made by AppendFrame and AppendPing, without copying them. It is Write for what many
// peers get: no frame is built for each. It blocks while the peer does not take them, and belongs to one
// goroutine, which calls no Write beside it.
func (c *Conn) WriteFrames(frames []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.closing.Load() {
		return net.ErrClosed // no data frame may follow the close frame
	}
	_, err := c.net.Write(frames)
	return err
}

// endFrames lets no WriteFrames begin any more and waits for the one that is under way.
func (c *Conn) endFrames() {
	c.closing.Store(true)
	c.writing.Lock()
	//lint:ignore SA2001 only to wait
	c.writing.Unlock()
}
