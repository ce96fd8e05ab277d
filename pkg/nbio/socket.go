package nbio

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is a stream socket that wakes the process only for what somebody waits for. The runtime's poller always asks for
// room too, and a Unix socket tells of room whenever its peer has taken something: a stream of small packets would wake the
// process twice for each. Here the runtime waits for two pollers in the kernel that hold the socket, of which the one for room
// is asked only while a Write waits.
type Socket struct {
	fd      int
	in, out *queue
	close   func() error // once
}

// queue is one direction of a Socket, and the poller by which its waiting is done.
type queue struct {
	poll *os.File
	raw  syscall.RawConn

	mu   sync.Mutex // guards the following fields
	side side
	try  func(uintptr) bool // made once so that a packet costs no memory
	once func(uintptr)
}

// Adopt takes over the socket of a connection of package net, which is closed. When it fails the connection is closed too.
func Adopt(conn net.Conn) (*Socket, error) {
	defer conn.Close()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("reach the socket of a connection: %w", err)
	}
	s := &Socket{fd: -1}
	failed := raw.Control(func(fd uintptr) { s.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if failed != nil {
		return nil, failed
	}
	if err == nil {
		err = unix.SetNonblock(s.fd, true) // else a read would hold the whole process
	}
	if err != nil {
		if s.fd >= 0 {
			_ = unix.Close(s.fd)
		}
		return nil, os.NewSyscallError("fcntl", err)
	}
	if s.in, err = newQueue(s.fd, unix.EPOLLIN|unix.EPOLLRDHUP); err != nil {
		_ = unix.Close(s.fd)
		return nil, err
	}
	if s.out, err = newQueue(s.fd, unix.EPOLLONESHOT); err != nil {
		_ = s.in.poll.Close()
		_ = unix.Close(s.fd)
		return nil, err
	}
	s.close = sync.OnceValue(s.shut)
	s.in.try = func(uintptr) bool { return s.in.side.read(uintptr(s.fd)) }
	s.out.try = s.write
	s.out.once = func(uintptr) { s.out.side.write(uintptr(s.fd)) }
	return s, nil
}

// newQueue is a poller that holds the socket fd, and tells of events.
func newQueue(fd int, events uint32) (*queue, error) {
	poller, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create", err)
	}
	err = unix.EpollCtl(poller, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events})
	if err == nil {
		err = unix.SetNonblock(poller, true) // has the runtime wait for it
	}
	if err != nil {
		_ = unix.Close(poller)
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	q := &queue{poll: os.NewFile(uintptr(poller), "socket")}
	if err = q.poll.SetDeadline(time.Time{}); err == nil {
		q.raw, err = q.poll.SyscallConn()
	}
	if err != nil {
		_ = q.poll.Close()
		return nil, fmt.Errorf("wait for a socket: %w", err)
	}
	return q, nil
}

// Read is io.Reader's Read, once.
func (s *Socket) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	q := s.in
	q.mu.Lock()
	defer q.mu.Unlock()
	q.side = side{p: p}
	err := q.raw.Read(q.try)
	n, errno := q.side.n, q.side.errno
	q.side.p = nil
	switch {
	case err != nil:
		return 0, ended(err)
	case errno != 0:
		return 0, os.NewSyscallError(opRead, errno)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// TryWrite writes what there is room for, and returns how much that was: 0 and no error when there is none.
func (s *Socket) TryWrite(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	q := s.out
	q.mu.Lock()
	defer q.mu.Unlock()
	q.side = side{p: p}
	err := q.raw.Control(q.once)
	q.side.p = nil
	switch {
	case err != nil:
		return 0, ended(err)
	case q.side.errno == unix.EAGAIN:
		return 0, nil
	case q.side.errno != 0:
		return 0, os.NewSyscallError("write", q.side.errno)
	}
	return q.side.n, nil
}

// Write writes all of p, and waits for room at most until the write deadline.
func (s *Socket) Write(p []byte) (int, error) {
	q := s.out
	q.mu.Lock()
	defer q.mu.Unlock()
	written := 0
	for written < len(p) {
		q.side = side{p: p[written:]}
		err := q.raw.Read(q.try)
		q.side.p = nil
		switch {
		case err != nil:
			return written, ended(err)
		case q.side.errno != 0:
			return written, os.NewSyscallError("write", q.side.errno)
		}
		written += q.side.n
	}
	return written, nil
}

// ended says why the runtime waits no longer: the deadline, or Close, which for a file has no name that can be compared.
func ended(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return net.ErrClosed
}

// write reports whether the write is over; else the poller has been asked for room.
func (s *Socket) write(poller uintptr) bool {
	q := s.out
	if q.side.write(uintptr(s.fd)); q.side.errno != unix.EAGAIN {
		return true
	}
	err := unix.EpollCtl(int(poller), unix.EPOLL_CTL_MOD, s.fd, &unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLONESHOT})
	if err != nil {
		q.side.errno = err.(syscall.Errno) // of x/sys/unix every error is one
	}
	return err != nil
}

// SetWriteDeadline is for Write.
func (s *Socket) SetWriteDeadline(t time.Time) error { return s.out.poll.SetReadDeadline(t) }

// Close ends every Read and Write.
func (s *Socket) Close() error { return s.close() }

func (s *Socket) shut() error {
	_ = s.in.poll.Close() // returns when nobody uses fd any more
	_ = s.out.poll.Close()
	return os.NewSyscallError("close", unix.Close(s.fd))
}
