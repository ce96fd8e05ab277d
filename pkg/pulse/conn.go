package pulse

import (
	"io"
	"net"
	"sync"
	"time"

	"ghostaux/pkg/nbio"
)

// writeTimeout is how long the server may leave its socket full.
const writeTimeout = 2 * time.Second

// headerSize is the size of what precedes every packet: length, channel, offset (8), flags.
const headerSize = 20

// packetConn is what the proto package reads and writes. The package writes a packet's header and its body one after
// the other, under its own lock; packetConn joins them, which saves a system call and a wake-up of the server each. It
// reads and writes through nbio: a stream is many small packets in a second.
type packetConn struct {
	socket *nbio.Socket
	packet []byte // the header that waits for its body, and room for both

	whole sync.Mutex // held while a packet is written
}

func newPacketConn(conn net.Conn) (*packetConn, error) {
	socket, err := nbio.Adopt(conn)
	if err != nil {
		return nil, err
	}
	return &packetConn{socket: socket, packet: make([]byte, 0, 1<<10)}, nil
}

// Read turns every error into io.EOF, the only one that the proto package reports.
func (c *packetConn) Read(p []byte) (int, error) {
	n, err := c.socket.Read(p)
	if err != nil {
		return n, io.EOF
	}
	return n, nil
}

// Write is for the proto package. It holds a header back until its body comes.
func (c *packetConn) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	begins := len(c.packet) == 0 && len(p) == headerSize
	c.packet = append(c.packet, p...)
	if begins {
		return len(p), nil
	}
	err := c.send(c.packet)
	c.packet = c.packet[:0]
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// send writes a whole packet. There is room as a rule; only a server that takes nothing costs a timer. A failure closes
// the connection, since the proto package does not look at it and what follows half a packet is lost; the reader then
// reports the end.
func (c *packetConn) send(packet []byte) error {
	c.whole.Lock()
	defer c.whole.Unlock()
	n, err := c.socket.TryWrite(packet)
	if err == nil && n < len(packet) {
		_ = c.socket.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err = c.socket.Write(packet[n:])
	}
	if err != nil {
		_ = c.Close()
	}
	return err
}

// Close ends the connection.
func (c *packetConn) Close() error { return c.socket.Close() }
