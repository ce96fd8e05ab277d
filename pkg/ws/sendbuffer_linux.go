package ws

import (
	"net"
	"net/http"
	"syscall"

	"golang.org/x/sys/unix"
)

// setSendBuffer bounds what the kernel queues for a peer that does not read. The kernel doubles the
// value for its own bookkeeping (socket(7)). A failure costs only the bound.
func (c *Conn) setSendBuffer() {
	if c.opts.SendBuffer != 0 {
		setSendBuffer(c.raw, c.opts.SendBuffer)
	}
}

// LimitSendBuffer does for a plain HTTP response what Options.SendBuffer does for a WebSocket.
func LimitSendBuffer(r *http.Request, bytes int) {
	if c, ok := r.Context().Value(netConnKey{}).(net.Conn); ok {
		setSendBuffer(rawConn(c), bytes)
	}
}

func setSendBuffer(raw syscall.RawConn, bytes int) {
	if raw == nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, bytes)
	})
}
