package printer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// copyLength is the buffer that documents are read with, in bytes.
const copyLength = 256 << 10

var (
	errChanged = errors.New("it was changed while it was read")
	errGone    = errors.New("its bytes are not there any more: the file was overwritten or removed")
)

// stamp is the state of a file: another stamp is another content, or none.
type stamp struct {
	dev, ino uint64
	size     int64
	modified int64 // Unix nanoseconds
}

func stampOf(st *unix.Stat_t) stamp {
	return stamp{dev: uint64(st.Dev), ino: st.Ino, size: st.Size, modified: st.Mtim.Nano()}
}

func stampFile(f *os.File) (stamp, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return stamp{}, err
	}
	return stampOf(&st), nil
}

// document is one PDF on its way to the browser, or listed afterwards. Its fields do not change, except those that the
// history guards.
type document struct {
	id        int64 // ever larger, also after a restart: it begins with the time in milliseconds
	name      string
	path      string // of the file in the directory
	stamp     stamp  // of that file when the document was taken
	sum       [sha256.Size]byte
	tables    []table
	completed time.Time

	progress atomic.Int64 // bytes that the relay has taken, of the try that runs

	// Guarded by the history.
	state    state
	copy     *os.File // the bytes, kept from being overwritten; nil: only path has them
	sent     time.Time
	times    int // that it was sent to its end
	restarts int // because the relay went away
}

// state of a document.
type state string

const (
	waiting state = "waiting"
	sending state = "sending"
	sent    state = "sent"
	failed  state = "failed"
)

// printable is a name as it may be shown: file names need not be UTF-8.
func printable(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }

func (d *document) hash() string { return hex.EncodeToString(d.sum[:]) }

// reopen opens the file in the directory if it still is this document.
func (d *document) reopen() (*os.File, error) {
	f, err := os.OpenFile(d.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, errGone
	}
	if now, err := stampFile(f); err != nil || now != d.stamp {
		_ = f.Close()
		return nil, errGone
	}
	return f, nil
}

// content is what taking a file yields.
type content struct {
	copy   *os.File
	sum    [sha256.Size]byte
	tables []table
}

// take reads a whole file once, and keeps its bytes in a file without a name in dir, where there is room for documents, or
// else among temporary files: a program that writes its next document over this one does not wait until it has been sent.
// Where neither can be written to, the copy is the file itself.
func take(dir string, f *os.File, before stamp) (content, error) {
	var c content
	sum := sha256.New()
	var found tables
	kept, err := unnamed(dir)
	if err == nil {
		_, err = copyTo(io.MultiWriter(kept, sum, &found), f)
		if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			_ = kept.Close()
			kept = nil
		} else if err != nil {
			_ = kept.Close()
			return content{}, err
		}
	}
	if kept == nil {
		if kept, err = duplicate(f); err != nil {
			return content{}, err
		}
		sum.Reset()
		found = tables{}
		if _, err = copyTo(io.MultiWriter(sum, &found), f); err != nil {
			_ = kept.Close()
			return content{}, err
		}
	}
	if after, err := stampFile(f); err != nil || after != before {
		_ = kept.Close()
		return content{}, errChanged
	}
	sum.Sum(c.sum[:0])
	c.copy, c.tables = kept, found.found
	return c, nil
}

func copyTo(w io.Writer, f *os.File) (int64, error) {
	// Hides the file's own WriteTo, which would read with a small buffer.
	r := struct{ io.Reader }{io.NewSectionReader(f, 0, 1<<62)}
	n, err := io.CopyBuffer(w, r, make([]byte, copyLength))
	if err != nil {
		return n, fmt.Errorf("read: %w", err)
	}
	return n, nil
}

// unnamed makes a file without a name.
func unnamed(dir string) (*os.File, error) {
	const flags = unix.O_TMPFILE | unix.O_RDWR | unix.O_CLOEXEC
	fd, err := unix.Open(dir, flags, 0o600)
	if err != nil {
		fd, err = unix.Open(os.TempDir(), flags, 0o600)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "document"), nil
}

func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open once more: %w", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
