package ws

import (
	"net"
	"net/http"

	"golang.org/x/sys/unix"
)

// LimitSendBuffer does for a plain HTTP response what Options.SendBuffer does for a WebSocket.
func LimitSendBuffer(r *http.Request, bytes int) {
	c, _ := r.Context().Value(netConnKey{}).(net.Conn)
	if w := wireOf(c); w != nil {
		w.setSendBuffer(bytes)
	}
}

// setSendBuffer bounds what the kernel queues for a peer that does not read; 0 leaves it as it is. The kernel doubles the
// value for its own bookkeeping (socket(7)). A failure costs only the bound.
func (w *Wire) setSendBuffer(bytes int) {
	if w.raw == nil || bytes == 0 {
		return
	}
	_ = w.raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, bytes)
	})
}
