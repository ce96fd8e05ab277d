package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/nbio"
)

const (
	// maxDatagram is the length that Xvnc's buffer has; it cuts what is longer, silently.
	maxDatagram = 1 << 20
	// recheck is how often a Send looks whether the socket files are still the ones it uses.
	recheck = time.Second
	// trust is how long it does not look while an answer comes to every Send.
	trust = 10 * time.Second
	// shortage is the pause when the kernel has no memory for a datagram, which it does not announce the end of.
	shortage = 20 * time.Millisecond
)

// link is the sending side of a socket. It belongs to whoever has the turn.
type link struct {
	conn      *nbio.Socket
	raw       syscall.RawConn
	bound     string // path of conn
	connected bool
	peer      identity // of the relay's socket file
	checked   time.Time

	// The argument and result of write, which is made once so that a datagram costs no memory.
	write    func(fd uintptr) bool
	datagram []byte
	err      error

	// Of a send that waits for room.
	ctx  context.Context // nil: it does not wait for room
	stop func() bool     // nil: it has not had to wait
	cut  chan struct{}   // closed when the end of ctx has ended the waiting
}

func (l *link) reset(conn *nbio.Socket, raw syscall.RawConn, bound string) {
	l.conn, l.raw, l.bound, l.connected = conn, raw, bound, false
}

// Send sends one datagram, and waits for room as long as ctx lets it. When there is no relay, or not the one of the
// last Send any more, the error is an *AbsentError and nothing was sent; the next Send connects anew.
func (c *Client) Send(ctx context.Context, datagram []byte) error {
	if len(datagram) == 0 {
		return ErrEmpty
	}
	if len(datagram) > maxDatagram {
		return fmt.Errorf("%w: %d bytes, Xvnc takes %d", ErrTooLarge, len(datagram), maxDatagram)
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := c.connect()
	if err == nil {
		err = c.send(ctx, datagram)
	}
	if err != nil {
		return c.judge(ctx, err, len(datagram))
	}
	c.metrics.sent.Inc()
	c.metrics.sentBytes.Add(len(datagram))
	return nil
}

// Begin connects to the relay that is there now, before messages that belong together: that an earlier one went away while
// nothing was sent is then no loss. What an earlier one has sent and Run has not read yet is dropped.
func (c *Client) Begin(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	c.link.connected = false
	if err := c.connect(); err != nil {
		return c.judge(ctx, err, 0)
	}
	return nil
}

// TrySend is Send without waiting: the error is ErrBusy when there is no room now, or another Send works.
func (c *Client) TrySend(datagram []byte) error {
	if len(datagram) == 0 {
		return ErrEmpty
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	default:
		return ErrBusy
	}
	err := c.connect()
	if err == nil {
		err = c.sendNow(datagram)
	}
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
		return ErrBusy
	case err != nil:
		return c.judge(context.Background(), err, len(datagram))
	}
	c.metrics.sent.Inc()
	c.metrics.sentBytes.Add(len(datagram))
	return nil
}

func (c *Client) sendNow(datagram []byte) error {
	l := &c.link
	l.datagram, l.ctx = datagram, nil
	defer func() { l.datagram = nil }()
	if err := l.raw.Write(l.write); err != nil {
		return err
	}
	return l.err
}

// connect makes the relay the peer of the socket. The file may have been bound anew while its old owner still lives, and our
// own may have been removed from a temporary directory: no send would ever fail of it, so it is looked for.
func (c *Client) connect() error {
	l := &c.link
	now := time.Now()
	since, answered := now.Sub(l.checked), c.heard.Swap(false)
	if l.connected && (since < recheck || answered && since < trust) {
		return nil
	}
	l.checked = now
	if l.bound != "" {
		if _, err := os.Lstat(l.bound); errors.Is(err, os.ErrNotExist) {
			return c.rebind()
		}
	}
	peer, err := identify(c.options.Path)
	switch {
	case l.connected && err == nil && peer != l.peer:
		return errReplaced
	case l.connected:
		return nil // a file that is gone does not end the connection
	case err != nil:
		return err
	}
	if err := connect(l.raw, c.options.Path); err != nil {
		return err
	}
	l.connected, l.peer = true, peer
	c.note(nil)
	return nil
}

// rebind makes a new address for answers. A far end that was spoken to does not know it.
func (c *Client) rebind() error {
	wasConnected := c.link.connected
	if err := c.open(); err != nil {
		return err
	}
	if wasConnected {
		return errUnbound
	}
	return c.connect()
}

// send lets the runtime's poller wait for room: the kernel wakes a connected socket when its peer has read, and when its peer
// is gone.
func (c *Client) send(ctx context.Context, datagram []byte) error {
	l := &c.link
	l.datagram, l.ctx = datagram, ctx
	defer c.sent()
	for {
		if err := l.raw.Write(l.write); err != nil {
			return err
		}
		switch l.err {
		case unix.ENOBUFS, unix.ENOMEM:
			c.metrics.waits.Inc()
			if err := pause(ctx, shortage); err != nil {
				return err
			}
		default:
			return l.err
		}
	}
}

// try is link.write: it is called until it returns true, whenever the poller sees room.
func (c *Client) try(fd uintptr) bool {
	l := &c.link
	_, l.err = nbio.WriteNow(fd, l.datagram)
	if l.err != unix.EAGAIN || l.ctx == nil {
		return true
	}
	if l.stop == nil {
		c.metrics.waits.Inc()
		c.waiting.Store(time.Now().UnixNano())
		conn, cut := l.conn, make(chan struct{})
		l.cut = cut
		l.stop = context.AfterFunc(l.ctx, func() {
			_ = conn.SetWriteDeadline(time.Unix(1, 0))
			close(cut)
		})
	}
	return false
}

// sent leaves the link for the next send.
func (c *Client) sent() {
	l := &c.link
	l.datagram, l.ctx = nil, nil
	if l.stop == nil {
		return
	}
	if !l.stop() {
		<-l.cut
		_ = l.conn.SetWriteDeadline(time.Time{})
	}
	l.stop = nil
	c.waiting.Store(0)
}

// judge turns what went wrong into what the caller can act on.
func (c *Client) judge(ctx context.Context, err error, size int) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, net.ErrClosed):
		return net.ErrClosed
	case errors.Is(err, unix.EMSGSIZE):
		return fmt.Errorf("%w: %d bytes, more than this machine's net.core.wmem_max lets one send", ErrTooLarge, size)
	}
	if c.link.connected {
		c.metrics.lost.Inc()
	}
	c.link.connected = false
	absent := &AbsentError{Path: c.options.Path, Err: err}
	if err != errUnbound {
		c.note(absent)
	}
	return absent
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
