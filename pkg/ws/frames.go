package ws

import (
	"encoding/binary"
	"errors"
)

// FrameRoom is the most that AppendFrame and AppendPing add to a payload, in bytes.
const FrameRoom = 10

const (
	finBit     = 0x80
	opcodePing = 0x9
	maxControl = 125 // bytes of a control frame's payload, RFC 6455 section 5.5
)

// ErrClosing is WriteFrames' error after Close: no data frame may follow the close frame. The peer's answer to that is still to
// come, so the connection is not to be cut for it.
var ErrClosing = errors.New("the socket is being closed")

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

// WriteFrames sends whole frames made by AppendFrame and AppendPing, of at most 64 KiB together, on a socket with
// Options.Frames. It does not copy them, so that what many peers get is built once, and it never waits for the peer: it
// returns false when some of it is not yet with the kernel, and Flush must be called before the next.
func (c *Conn) WriteFrames(frames []byte) (all bool, err error) {
	c.framing.Lock()
	defer c.framing.Unlock()
	if c.closing {
		return false, ErrClosing
	}
	if _, err := c.net.Write(frames); err != nil {
		return false, err
	}
	return !c.wire.backlog(), nil
}

// Flush sends what WriteFrames has left. It blocks while the peer does not take it.
func (c *Conn) Flush() error { return c.wire.drain() }

// endFrames lets no WriteFrames begin any more.
func (c *Conn) endFrames() {
	c.framing.Lock()
	defer c.framing.Unlock()
	c.closing = true
}
