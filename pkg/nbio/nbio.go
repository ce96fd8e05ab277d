// Package nbio reads and writes sockets, and device nodes that do not block, without telling Go's scheduler, and has a timer
// that does not wake it either.
//
// Before every ordinary system call the scheduler is told that a thread may block, and as the process was asleep just
// before, that wakes its monitor thread, which then looks around every 20 microseconds until all is asleep again. For a
// stream of small packets that costs more than the packets: of four changes of thread per packet three are the monitor's.
// A read or write of a socket that does not block needs no such word, since it takes no longer than a copy.
//
// Waiting is left to the runtime: deadlines and Close work as ever.
package nbio

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Conn reads and writes the stream socket of a net.Conn, or a file.
type Conn struct {
	raw syscall.RawConn

	reading sync.Mutex // guards the following fields
	in      side
	fill    func(fd uintptr) bool // in.read, made once so that a read costs no memory

	writing sync.Mutex // guards the following fields
	out     side
	drain   func(fd uintptr) bool
	try     func(fd uintptr)
}

// side is a read or a write: its argument and its result.
type side struct {
	p     []byte
	n     int
	errno syscall.Errno
}

// New is for the connections of package net, which do not block, and for files opened with O_NONBLOCK.
func New(conn syscall.Conn) (*Conn, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("reach the socket of a connection: %w", err)
	}
	return newConn(raw), nil
}

func newConn(raw syscall.RawConn) *Conn {
	c := &Conn{raw: raw}
	c.fill, c.drain = c.in.read, c.out.write
	c.try = func(fd uintptr) { c.out.write(fd) }
	return c
}

// opRead is what package net calls a failed read, which net/http looks at.
const opRead = "read"

// Read is net.Conn's Read, with its errors.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	c.in = side{p: p}
	err := c.raw.Read(c.fill)
	n, errno := c.in.n, c.in.errno
	c.in.p = nil
	switch {
	case err != nil: // of the waiting: closed, or the deadline
		if op, ok := errors.AsType[*net.OpError](err); ok {
			op.Op = opRead
		}
		return 0, err
	case errno != 0:
		return 0, &net.OpError{Op: opRead, Err: os.NewSyscallError(opRead, errno)}
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// TryWrite writes what there is room for, and returns how much that was: 0 and no error when there is none.
func (c *Conn) TryWrite(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.out = side{p: p}
	n, err := c.out.written(c.raw.Control(c.try))
	if errors.Is(err, unix.EAGAIN) {
		return 0, nil
	}
	return n, err
}

// Write writes all of p, and waits for room at most until the write deadline.
func (c *Conn) Write(p []byte) (total int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for total < len(p) && err == nil {
		var n int
		c.out = side{p: p[total:]}
		n, err = c.out.written(c.raw.Write(c.drain))
		total += n
	}
	return total, err
}

// written is the result of a write; err is that of its waiting: closed, or the deadline.
func (s *side) written(err error) (int, error) {
	s.p = nil
	switch {
	case err != nil:
		return 0, err
	case s.errno != 0:
		return 0, &net.OpError{Op: "write", Err: os.NewSyscallError("write", s.errno)}
	}
	return s.n, nil
}

// ReadNow reads once from a descriptor that does not block, for a reader that waits by itself. The error is unix.EAGAIN
// when nothing has come; n is 0 at the end of the stream. p must not be empty.
func ReadNow(fd uintptr, p []byte) (n int, err error) {
	s := side{p: p}
	s.call(unix.SYS_READ, fd)
	if s.errno != 0 {
		return 0, s.errno
	}
	return s.n, nil
}

// WriteNow writes once to a descriptor that does not block. The error is unix.EAGAIN when there is no room. p must not be
// empty.
func WriteNow(fd uintptr, p []byte) (n int, err error) {
	s := side{p: p}
	s.call(unix.SYS_WRITE, fd)
	if s.errno != 0 {
		return 0, s.errno
	}
	return s.n, nil
}

// read reports whether the read is over: it is not when the runtime has to wait for more.
func (s *side) read(fd uintptr) bool {
	s.call(unix.SYS_READ, fd)
	return s.errno != unix.EAGAIN
}

func (s *side) write(fd uintptr) bool {
	s.call(unix.SYS_WRITE, fd)
	return s.errno != unix.EAGAIN
}

func (s *side) call(trap, fd uintptr) {
	for {
		n, _, errno := unix.RawSyscall(trap, fd, uintptr(unsafe.Pointer(&s.p[0])), uintptr(len(s.p)))
		if s.errno = errno; errno != unix.EINTR {
			s.n = int(n)
			return
		}
	}
}
