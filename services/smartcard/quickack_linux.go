package smartcard

import (
	"io"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/nbio"
)

// quickAck reads from a TCP socket with TCP_QUICKACK set anew before every read, since the kernel forgets it (tcp(7)).
// It belongs to one goroutine.
type quickAck struct {
	raw  syscall.RawConn
	read func(fd uintptr) bool // made once, so that a read costs no memory
	buf  []byte
	n    int
	err  error
}

func newQuickAck(raw syscall.RawConn) *quickAck {
	q := &quickAck{raw: raw}
	q.read = func(fd uintptr) bool {
		quicken(fd)
		q.n, q.err = nbio.ReadNow(fd, q.buf)
		return q.err != unix.EAGAIN
	}
	return q
}

// quicken sets the option, without a word to the scheduler, as nbio reads. A failure costs only time.
func quicken(fd uintptr) {
	on := int32(1)
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK,
		uintptr(unsafe.Pointer(&on)), unsafe.Sizeof(on), 0)
}

// Read is io.Reader. Closing the connection ends it.
func (q *quickAck) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	q.buf = p
	err := q.raw.Read(q.read)
	q.buf = nil
	switch {
	case err != nil:
		return 0, err
	case q.err != nil:
		return 0, q.err
	case q.n == 0:
		return 0, io.EOF
	}
	return q.n, nil
}
