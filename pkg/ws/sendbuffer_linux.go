package ws

import "golang.org/x/sys/unix"

// setSendBuffer bounds what the kernel queues for a peer that does not read. The kernel doubles the
// value for its own bookkeeping (socket(7)). A failure costs only the bound.
func (c *Conn) setSendBuffer() {
	if c.raw == nil || c.opts.SendBuffer == 0 {
		return
	}
	_ = c.raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, c.opts.SendBuffer)
	})
}
