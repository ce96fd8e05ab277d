package ws

import (
	"net"
	"net/http"

	"golang.org/x/sys/unix"
)

// LimitSendBuffer does for a plain HTTP response what Options.SendBuffer does for a WebSocket. Of that, unsent bytes at
// most wait for room at the peer (TCP_NOTSENT_LOWAT, tcp(7)), with a segment's excess: what is on its way may be as much
// as a long path needs.
func LimitSendBuffer(r *http.Request, bytes, unsent int) {
	c, _ := r.Context().Value(netConnKey{}).(net.Conn)
	if w := wireOf(c); w != nil {
		w.setSendBuffer(bytes)
		w.set(unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsent)
	}
}

// setSendBuffer bounds what the kernel queues for a peer that does not read; 0 leaves it as it is. The kernel doubles the
// value for its own bookkeeping (socket(7)).
func (w *Wire) setSendBuffer(bytes int) {
	w.set(unix.SOL_SOCKET, unix.SO_SNDBUF, bytes)
}

// set sets a bound of the socket unless it is 0. A failure costs only the bound.
func (w *Wire) set(level, option, value int) {
	if w.raw == nil || value == 0 {
		return
	}
	_ = w.raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), level, option, value) })
}
