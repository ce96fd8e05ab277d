package nbio

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Timer is a timer of the kernel, timerfd_create(2), for what is due again and again in a process that sleeps otherwise. One of
// Go's wakes two threads: the one that waits, once a millisecond early and once in time, and the scheduler's monitor.
type Timer struct {
	file  *os.File
	raw   syscall.RawConn
	count [8]byte // of what Wait waits for; the kernel writes how often it happened
	err   error
	fired func(fd uintptr) bool // made once, so that waiting costs no memory
	spec  unix.ItimerSpec
	set   func(fd uintptr)
}

// NewTimer returns a timer that is not set.
func NewTimer() (*Timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	t := &Timer{file: os.NewFile(uintptr(fd), "timer")}
	if t.raw, err = t.file.SyscallConn(); err != nil {
		_ = t.file.Close()
		return nil, fmt.Errorf("wait for a timer: %w", err)
	}
	t.fired = func(fd uintptr) bool {
		_, t.err = ReadNow(fd, t.count[:])
		return t.err != unix.EAGAIN
	}
	t.set = func(fd uintptr) {
		_, _, _ = unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&t.spec)), 0, 0, 0)
	}
	return t, nil
}

// Reset has the timer fire once after d, and not when it was to fire before. It must not be called by two at once.
func (t *Timer) Reset(d time.Duration) {
	t.spec.Value = unix.NsecToTimespec(max(int64(d), 1)) // 0 would stop it
	_ = t.raw.Control(t.set)                             // fails only when it is closed
}

// Wait returns nil when the timer fires, or has fired since the last Wait, and net.ErrClosed when it is closed.
func (t *Timer) Wait() error {
	if err := t.raw.Read(t.fired); err != nil {
		return net.ErrClosed
	}
	return t.err
}

// Close ends a Wait.
func (t *Timer) Close() error { return t.file.Close() }
