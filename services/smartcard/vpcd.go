package smartcard

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// The messages of vpcd that are one byte long, from the sources of vsmartcard: every message both ways is
// [length U16 big-endian][data], and what is none of these is a command APDU, answered by a response APDU.
const (
	vpcdOff   = 0x00 // no answer
	vpcdOn    = 0x01 // no answer
	vpcdReset = 0x02 // no answer
	vpcdATR   = 0x04 // answered by the ATR; vpcd asks for it to see whether there is a card
)

const frameHeader = 2

// errEmptyFrame is a message without data, which vpcd never sends: the stream is not in step any more.
var errEmptyFrame = errors.New("vpcd sent an empty message")

// readFrame reads one message into buf, which holds MaxPayload bytes, and returns the part that was filled.
func readFrame(r io.Reader, buf []byte) ([]byte, error) {
	var header [frameHeader]byte
	return readFrameInto(r, header[:], buf)
}

// readFrameInto is readFrame with a header that the caller keeps, so that a message costs no memory.
func readFrameInto(r io.Reader, header, buf []byte) ([]byte, error) {
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(header))
	if n == 0 {
		return nil, errEmptyFrame
	}
	if _, err := io.ReadFull(r, buf[:n]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return buf[:n], nil
}

// appendFrame appends one message. Data has 1 to MaxPayload bytes: a message without data is a removed card to vpcd.
func appendFrame(b, data []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// readAhead is what one read takes at most, so that length and data of a short message need one only.
const readAhead = 4 << 10

// quickReader wraps a TCP connection so that what arrives is acknowledged at once. Debian 12's vpcd writes the length and
// the data of a message apart: its kernel holds the data back until the length is acknowledged, and ours would delay that for
// 40 ms. Other connections are returned as they are.
func quickReader(conn net.Conn) (io.Reader, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn, nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("reach the socket of vpcd: %w", err)
	}
	return bufio.NewReaderSize(newQuickAck(raw), readAhead), nil
}
