package host

import (
	"net"
	"sync"

	"ghostaux/pkg/nbio"
	"ghostaux/pkg/ws"
)

// limitedListener keeps at most cap(free) connections open; further ones wait in the kernel's queue. Unlike those of
// netutil.LimitListener, its connections are what pkg/ws needs.
type limitedListener struct {
	net.Listener
	free   chan struct{}
	blocks *blocks
}

// Accept waits for a connection while there is room, and for room while there is none.
func (l *limitedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c, nil
	}
	socket, err := nbio.New(tcp)
	if err != nil {
		_ = tcp.Close()
		return nil, err
	}
	l.free <- struct{}{}
	return &limitedConn{
		Wire: ws.NewWire(tcp), in: readAhead{conn: tcp, small: socket, blocks: l.blocks}, free: l.free,
	}, nil
}

type limitedConn struct {
	*ws.Wire
	in   readAhead
	free chan struct{}
	once sync.Once
}

// Read reads what has come.
func (c *limitedConn) Read(p []byte) (int, error) { return c.in.Read(p) }

// Close closes the connection and makes room.
func (c *limitedConn) Close() error {
	err := c.Wire.Close()
	c.once.Do(func() {
		c.in.close()
		<-c.free
	})
	return err
}
