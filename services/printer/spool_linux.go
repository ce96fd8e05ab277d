package printer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/service"
)

const (
	// watched: a document is complete when its writer closes it, or when it is moved in. The rest tells a file that was
	// written to from one that was opened only, a file that is gone, and one that may be readable now.
	watched = unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_MODIFY | unix.IN_ATTRIB |
		unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	lostMask = unix.IN_IGNORED | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_UNMOUNT
)

var errLost = errors.New("the directory was removed, moved or replaced")

// spool is a directory that is watched.
type spool struct {
	path   string
	notify *os.File // inotify
	dev    uint64
	ino    uint64
	buf    []byte
}

// event is one change in the directory.
type event struct {
	mask   uint32
	cookie uint32 // the same for both halves of a renaming
	name   string // of the file; "" for the directory itself
}

// openSpool begins to watch. What happens from then on is found in read.
func openSpool(path string) (*spool, error) {
	var before unix.Stat_t
	if err := unix.Stat(path, &before); err != nil { // which is all that looking for a missing one costs
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch %s: inotify: %w", path, err)
	}
	s := &spool{path: path, notify: os.NewFile(uintptr(fd), "inotify"), dev: uint64(before.Dev), ino: before.Ino}
	if err := s.add(fd); err != nil {
		_ = s.close()
		return nil, fmt.Errorf("watch %s: %w", path, err)
	}
	s.buf = make([]byte, 64<<10)
	return s, nil
}

func (s *spool) add(fd int) error {
	if _, err := unix.InotifyAddWatch(fd, s.path, watched); err != nil {
		return err
	}
	if !s.inPlace() {
		return errLost
	}
	dir, err := os.Open(s.path) // one that cannot be read is of no use, although it can be watched
	if err != nil {
		return err
	}
	return dir.Close()
}

func (s *spool) close() error { return s.notify.Close() }

// inPlace reports whether the path still leads to the directory that is watched.
func (s *spool) inPlace() bool {
	var now unix.Stat_t
	return unix.Stat(s.path, &now) == nil && uint64(now.Dev) == s.dev && now.Ino == s.ino
}

// read waits for events and gives them to handle in their order, or until the next look at the path: a link that points
// elsewhere makes no event, and a directory that was removed makes none while a file of it is open. It returns errLost
// when there will be no more of this directory, after all there were.
func (s *spool) read(ctx context.Context, handle func(event) error) error {
	if err := s.notify.SetReadDeadline(time.Now().Add(service.NextLook())); err != nil {
		return err
	}
	if ctx.Err() != nil { // later than the deadline, which the end of ctx would otherwise have moved before it was set
		return ctx.Err()
	}
	n, err := s.notify.Read(s.buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if !s.inPlace() {
			return errLost
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read inotify: %w", err)
	}
	lost := false
	for b := s.buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
		length := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		e := event{
			mask:   binary.NativeEndian.Uint32(b[4:]),
			cookie: binary.NativeEndian.Uint32(b[8:]),
			name:   strings.TrimRight(string(b[unix.SizeofInotifyEvent:length]), "\x00"),
		}
		b = b[length:]
		if e.mask&lostMask != 0 {
			lost = true
		} else if err := handle(e); err != nil {
			return err
		}
	}
	if lost {
		return errLost
	}
	return nil
}

// candidate reports whether a file of that name may be a document: hidden names and those of editors are not.
func candidate(name string) bool {
	return len(name) > 4 && strings.EqualFold(name[len(name)-4:], ".pdf") && !strings.ContainsAny(name[:1], ".~#")
}
