package nbio

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is a socket that wakes the process only for what somebody waits for. The runtime's poller always asks for room too,
// and a Unix socket tells of room whenever its peer has taken something: a stream of small packets would wake the process
// twice for each. Here the runtime waits for two pollers in the kernel that hold the socket, of which the one for room is asked
// only while somebody waits for it.
type Socket struct {
	*Conn

	fd      int
	in, out *queue
	close   func() error // once

	mu  sync.Mutex // guards the following field
	use func(fd uintptr)
	do  func(poller uintptr) // calls it; made once
}

// queue is one direction of a Socket, and the poller by which its waiting is done.
type queue struct {
	poll *os.File
	raw  syscall.RawConn

	mu  sync.Mutex // guards the following field
	use func(fd uintptr) bool
	try func(poller uintptr) bool // made once so that a packet costs no memory
}

// Open takes over the descriptor of a socket. When it fails, the descriptor is closed.
func Open(fd int) (*Socket, error) {
	s := &Socket{fd: fd}
	err := os.NewSyscallError("fcntl", unix.SetNonblock(fd, true)) // else a read would hold the whole process
	if err == nil {
		s.in, err = newQueue(fd, unix.EPOLLIN|unix.EPOLLRDHUP)
	}
	if err == nil {
		s.out, err = newQueue(fd, unix.EPOLLONESHOT)
	}
	if err != nil {
		if s.in != nil {
			_ = s.in.poll.Close()
		}
		_ = unix.Close(fd)
		return nil, err
	}
	s.in.try = func(uintptr) bool { return s.in.use(uintptr(s.fd)) }
	s.out.try = func(poller uintptr) bool { return s.out.use(uintptr(s.fd)) || s.ask(poller) != nil }
	s.do = func(uintptr) { s.use(uintptr(s.fd)) }
	s.close = sync.OnceValue(s.shut)
	s.Conn = newConn((*rawSocket)(s))
	return s, nil
}

// Adopt takes over the socket of a connection of package net, which is closed.
func Adopt(conn net.Conn) (*Socket, error) {
	defer conn.Close()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("reach the socket of a connection: %w", err)
	}
	copied := -1
	failed := raw.Control(func(fd uintptr) { copied, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return Open(copied)
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

// SyscallConn is the socket as package net would give it away, but for the names of its errors.
func (s *Socket) SyscallConn() (syscall.RawConn, error) { return (*rawSocket)(s), nil }

// SetReadDeadline is for whoever waits for something to read.
func (s *Socket) SetReadDeadline(t time.Time) error { return s.in.poll.SetReadDeadline(t) }

// SetWriteDeadline is for whoever waits for room.
func (s *Socket) SetWriteDeadline(t time.Time) error { return s.out.poll.SetReadDeadline(t) }

// Close ends all waiting.
func (s *Socket) Close() error { return s.close() }

func (s *Socket) shut() error {
	_ = s.in.poll.Close() // returns when nobody uses fd any more
	_ = s.out.poll.Close()
	return os.NewSyscallError("close", unix.Close(s.fd))
}

// ask has the poller tell once of room.
func (s *Socket) ask(poller uintptr) error {
	return unix.EpollCtl(int(poller), unix.EPOLL_CTL_MOD, s.fd, &unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLONESHOT})
}

// rawSocket is a Socket as a syscall.RawConn.
type rawSocket Socket

// Control calls use with the socket.
func (r *rawSocket) Control(use func(fd uintptr)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.use = use
	return ended(r.out.raw.Control(r.do))
}

// Read calls use until it returns true, whenever there may be something to read.
func (r *rawSocket) Read(use func(fd uintptr) bool) error { return r.in.wait(use) }

// Write calls use until it returns true, whenever there may be room.
func (r *rawSocket) Write(use func(fd uintptr) bool) error { return r.out.wait(use) }

func (q *queue) wait(use func(fd uintptr) bool) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.use = use
	return ended(q.raw.Read(q.try))
}

// ended says why the runtime waits no longer: the deadline, or Close, which for a file has no name that can be compared.
func ended(err error) error {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return net.ErrClosed
}
