package ws

import (
	"errors"
	"net"
	"sync"
	"syscall"

	"ghostaux/pkg/nbio"
)

// restMax is the most that a Wire keeps, in bytes: one write of frames, and the control frames behind it.
const restMax = 128 << 10

var errRest = errors.New("the peer takes nothing, and more was written than is kept for it")

// Wire is the connection below TLS of every server whose handlers accept WebSockets. A socket with Options.Frames makes
// it eager: then a write never waits for the peer, and what the kernel does not take is kept until drain. It is done
// below TLS since there nothing can be taken back: half a record that was sent must be followed by its other half.
type Wire struct {
	net.Conn
	raw     syscall.RawConn       // nil for what is no socket, as a pipe, whose writes wait
	attempt func(fd uintptr) bool // try's half in the kernel, made once
	eager   bool                  // set before anybody else knows the Wire

	draining sync.Mutex // held by the one who waits

	mu   sync.Mutex // guards the following fields
	rest []byte     // to be sent before all else
	out  []byte     // what attempt sends
	sent int        // of it
	err  error      // of attempt
}

// NewWire is for the server's listener, which returns it or what embeds it.
func NewWire(c net.Conn) *Wire {
	w := &Wire{Conn: c}
	if sc, ok := c.(syscall.Conn); ok {
		w.raw, _ = sc.SyscallConn()
	}
	w.attempt = w.write
	return w
}

func (w *Wire) wire() *Wire { return w }

// wireOf finds the Wire below TLS, nil when there is none.
func wireOf(c net.Conn) *Wire {
	if has, ok := belowTLS(c).(interface{ wire() *Wire }); ok {
		return has.wire()
	}
	return nil
}

// Write is net.Conn's. When it is eager it returns at once, and all of b is sent or kept.
func (w *Wire) Write(b []byte) (int, error) {
	if !w.eager {
		return w.Conn.Write(b)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	if len(w.rest) == 0 {
		var err error
		if n, err = w.try(b); err != nil {
			return n, err
		}
	}
	if len(w.rest)+len(b)-n > restMax {
		return n, errRest
	}
	w.rest = append(w.rest, b[n:]...)
	return len(b), nil
}

// try sends what the kernel takes now. It runs with mu held.
func (w *Wire) try(b []byte) (int, error) {
	if w.raw == nil {
		return w.Conn.Write(b)
	}
	w.out = b
	err := w.raw.Write(w.attempt)
	w.out = nil
	if err != nil {
		return 0, err
	}
	return w.sent, w.err
}

// write is called by try, and reports that it is done whatever has become of it.
func (w *Wire) write(fd uintptr) bool {
	if w.sent, w.err = nbio.WriteNow(fd, w.out); w.err == syscall.EAGAIN {
		w.err = nil
	}
	return true
}

// backlog reports whether something is kept.
func (w *Wire) backlog() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.rest) > 0
}

// drain blocks until the peer has taken what is kept, or the connection is closed.
func (w *Wire) drain() error {
	w.draining.Lock()
	defer w.draining.Unlock()
	for {
		w.mu.Lock()
		part := w.rest // it stays there meanwhile, so that nothing passes it
		w.mu.Unlock()
		if len(part) == 0 {
			return nil
		}
		n, err := w.Conn.Write(part)
		w.mu.Lock()
		if w.rest = w.rest[n:]; len(w.rest) == 0 {
			w.rest = nil
		}
		w.mu.Unlock()
		if err != nil {
			return err
		}
	}
}
