package host

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/nbio"
)

// A record of TLS is at most 16 KiB, and crypto/tls asks for little more at a time: at the speed of an upload that is
// sixty thousand calls of read(2) for each gibibyte, and as often the wait for the next. A connection on which more has come
// than was asked for is read by larger blocks. A block is held only while something of it has not been handed on, so
// that connections that wait, which are nearly all, hold none.
const (
	blockSize  = 64 << 10 // twice as much is not faster, BenchmarkUpload
	fullReadAt = 4 << 10  // a shorter read says nothing of what else has come
)

// blocks are what connections read ahead into. There is one for each goroutine that can run at a time, which is all that
// hold one while their peers' bytes are taken as they come; connections beyond them are read as usual.
type blocks struct {
	free sync.Pool // of *block
	most int32
	lent atomic.Int32
}

type block [blockSize]byte

func newBlocks() *blocks {
	return &blocks{free: sync.Pool{New: func() any { return new(block) }}, most: int32(runtime.GOMAXPROCS(0))}
}

// take returns a block, or nil when enough are lent.
func (b *blocks) take() *block {
	if b.lent.Add(1) > b.most {
		b.lent.Add(-1)
		return nil
	}
	return b.free.Get().(*block)
}

func (b *blocks) give(one *block) {
	b.free.Put(one)
	b.lent.Add(-1)
}

// readAhead is the reading side of a connection.
type readAhead struct {
	conn   *net.TCPConn
	small  *nbio.Conn // of conn: microphones and pads send hundreds of small messages in a second
	blocks *blocks

	mu    sync.Mutex         // guards the following fields; held while a reader waits, which close ends
	raw   syscall.RawConn    // nil until it is needed
	ready func(uintptr) bool // fill, as a value: made once
	more  bool               // the last read was full
	block *block             // nil while nothing is left
	left  []byte             // of block: what was read and not handed on
	n     int                // what the last fill brought
	err   error
}

// Read reads into p, or hands on what an earlier one has read.
func (r *readAhead) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil // without waiting
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.block == nil && r.more && len(p) < blockSize {
		if err := r.wait(); err != nil {
			return 0, err
		}
	}
	if r.block == nil {
		n, err := r.small.Read(p)
		r.more = n == len(p) && n >= fullReadAt
		return n, err
	}
	n := copy(p, r.left)
	if r.left = r.left[n:]; len(r.left) == 0 {
		r.drop()
	}
	return n, nil
}

// wait reads a block as soon as something has come. It leaves block nil when none is to be had.
func (r *readAhead) wait() error {
	if r.raw == nil {
		raw, err := r.conn.SyscallConn()
		if err != nil {
			return err
		}
		r.raw, r.ready = raw, r.fill
	}
	if err := r.raw.Read(r.ready); err != nil { // of the waiting: closed, or the deadline
		if op, ok := errors.AsType[*net.OpError](err); ok {
			op.Op = "read" // which net/http looks at
		}
		return err
	}
	switch {
	case r.err != nil:
		return &net.OpError{Op: "read", Net: "tcp", Source: r.conn.LocalAddr(), Addr: r.conn.RemoteAddr(), Err: r.err}
	case r.block == nil:
		return nil
	case r.n == 0:
		r.drop()
		return io.EOF
	}
	r.left = r.block[:r.n]
	r.more = r.n >= fullReadAt
	return nil
}

// fill reads once, and reports whether that ends the wait.
func (r *readAhead) fill(fd uintptr) bool {
	r.n, r.err = 0, nil
	if r.block = r.blocks.take(); r.block == nil {
		return true
	}
	if r.n, r.err = nbio.ReadNow(fd, r.block[:]); r.err == nil {
		return true
	}
	r.drop()
	return r.err != unix.EAGAIN
}

// close lets go of the block; the connection is closed already.
func (r *readAhead) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.block != nil {
		r.drop()
	}
}

func (r *readAhead) drop() {
	r.blocks.give(r.block)
	r.block, r.left = nil, nil
}
