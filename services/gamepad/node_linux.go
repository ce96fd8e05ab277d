package gamepad

import (
	"io"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/nbio"
)

// nodeFile is a device node of the kernel. It is opened without blocking, so that Close ends a waiting Read.
type nodeFile struct {
	*os.File
	raw   syscall.RawConn
	quick *nbio.Conn // for Write
}

func openNode(path string, flag int) (node, error) {
	f, err := os.OpenFile(path, flag|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	quick, err := nbio.New(f)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &nodeFile{File: f, raw: raw, quick: quick}, nil
}

// Write does not wait: the kernel hands on a frame within the call.
func (n *nodeFile) Write(b []byte) (int, error) {
	count, err := n.quick.TryWrite(b)
	if err == nil && count < len(b) {
		err = io.ErrShortWrite
	}
	return count, err
}

func openReadWrite(path string) (node, error) { return openNode(path, os.O_RDWR) }

func openWrite(path string) (node, error) { return openNode(path, os.O_WRONLY) }

func (n *nodeFile) set(request uint, value int) (err error) {
	cerr := n.raw.Control(func(fd uintptr) { err = unix.IoctlSetInt(int(fd), request, value) })
	if cerr != nil {
		return cerr
	}
	return err
}

func (n *nodeFile) exchange(request uint, arg []byte) error {
	var errno unix.Errno
	cerr := n.raw.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(unsafe.Pointer(unsafe.SliceData(arg))))
	})
	if cerr != nil {
		return cerr
	}
	if errno != 0 {
		return errno
	}
	return nil
}
