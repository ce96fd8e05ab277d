package testkit

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

type xvncRelay struct {
	name, path string
	fd         int
	peer       unix.RawSockaddrUnix // bytes of every sender so far, one over the other
	viewers    []*Viewer
}

func (r *xvncRelay) bind(viewers []*Viewer) (err error) {
	_ = os.Remove(r.path)
	if r.fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	r.peer, r.viewers = unix.RawSockaddrUnix{}, nil
	for _, v := range viewers {
		if v.Channel == r.name {
			r.viewers = append(r.viewers, v)
		}
	}
	if err := unix.Bind(r.fd, &unix.SockaddrUnix{Name: r.path}); err != nil {
		return fmt.Errorf("bind %s: %w", r.path, err)
	}
	return nil
}

func (r *xvncRelay) subscribed(v *Viewer) bool {
	for _, w := range r.viewers {
		if w == v {
			return true
		}
	}
	return false
}

// receive takes what is in the queue and hands it to every viewer; the queue is short.
func (r *xvncRelay) receive(buf []byte) {
	for range xvncQueue {
		var from unix.RawSockaddrUnix
		length := uint32(unsafe.Sizeof(from))
		n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(r.fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)),
			unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&length)))
		if errno != 0 {
			return
		}
		if n == 0 {
			continue
		}
		to := (*[unsafe.Sizeof(from)]byte)(unsafe.Pointer(&r.peer))
		copy(to[:length], (*[unsafe.Sizeof(from)]byte)(unsafe.Pointer(&from))[:length])
		for _, v := range r.viewers {
			if v.Receive != nil {
				v.Receive(buf[:n])
			}
		}
	}
}

// answer sends to the last sender as a blocking send does, except that Stop ends it.
func (x *Xvnc) answer(r *xvncRelay, data []byte) error {
	var first unsafe.Pointer
	if len(data) > 0 {
		first = unsafe.Pointer(&data[0])
	}
	for {
		_, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(r.fd), uintptr(first), uintptr(len(data)),
			unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&r.peer)), unsafe.Sizeof(r.peer))
		switch errno {
		case 0:
			return nil
		case syscall.EAGAIN, syscall.EINTR:
		default:
			return errno
		}
		select {
		case <-x.quit:
			return errno
		case <-time.After(time.Millisecond):
		}
	}
}
