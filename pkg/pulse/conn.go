package pulse

import (
	"io"
	"net"
	"time"
)

// writeTimeout is how long the server may leave its socket full.
const writeTimeout = 2 * time.Second

// headerSize is the size of what precedes every packet: length, channel, offset (8), flags.
const headerSize = 20

// packetConn is what the proto package reads and writes. The package writes a packet's header and its body one after
// the other, under its own lock; packetConn joins them, which saves a system call and a wake-up of the server each.
type packetConn struct {
	net.Conn
	packet []byte // the header that waits for its body, and room for both
}

// Read turns every error into io.EOF, the only one that the proto package reports.
func (c *packetConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		return n, io.EOF
	}
	return n, nil
}

// Write holds a header back until its body comes. A failure closes the connection, since the proto package does not
// look at it; the reader then reports the end.
func (c *packetConn) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.packet) == 0 && len(p) == headerSize {
		c.packet = append(c.packet, p...)
		return len(p), nil
	}
	c.packet = append(c.packet, p...)
	_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := c.Conn.Write(c.packet)
	c.packet = c.packet[:0]
	if err != nil {
		_ = c.Close()
		return 0, err
	}
	return len(p), nil
}
