package upload

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	partsMax    = 10_000 // unfinished uploads
	spansMax    = 65_536 // pieces of one file that are apart from each other
	activeFor   = 2 * time.Minute
	stallAfter  = 2 * time.Second
	orphanAfter = 10 * time.Minute // a part without a journal has no writer after that
)

// store is the upload directory: unfinished uploads as part files, and finished ones under their names. One Run has
// one store. Everything happens below the directory, which is opened once.
type store struct {
	config   Config
	log      *slog.Logger
	counters *counters
	root     *os.Root
	dir      *os.File // root itself, for what os.Root has no words for
	boot     string
	space    func() (free int64, err error)

	stallAfter time.Duration // without a byte, a writer gives way to another request for the same chunk

	creating sync.Mutex // held while a part is made, so that two first chunks make one

	mu     sync.Mutex // guards the following fields and the mutable ones of parts
	parts  map[string]*part
	past   past
	closed bool
	usage  usage
}

// spec says what an upload is. The first request of an upload makes its part from it.
type spec struct {
	key   string // the client's id of the upload, and its kind
	total int64  // bytes; unknown for a plain form until its end
	need  int64  // bytes that the file can have at most; unknown for a plain form without a length
	place place
	meta  map[string]string
}

const unknown = -1

// openStore opens the directory, which must be writable, and takes up the unfinished uploads that are in it.
func openStore(c Config, dir string, log *slog.Logger, n *counters) (*store, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("make the upload directory: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the upload directory: %w", err)
	}
	self, err := root.Open(".")
	if err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("open the upload directory: %w", err)
	}
	s := &store{
		config: c, log: log, counters: n, root: root, dir: self, boot: bootID(),
		parts: make(map[string]*part), past: newPast(), stallAfter: stallAfter,
	}
	s.space = s.free
	if err := s.writable(); err != nil {
		s.close()
		return nil, err
	}
	if err := s.recover(time.Now()); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// writable asks the kernel; nothing is written.
func (s *store) writable() error {
	err := control(s.dir, func(fd int) error {
		return unix.Faccessat(fd, ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	})
	if err != nil {
		return &fs.PathError{Op: "write to", Path: s.root.Name(), Err: err}
	}
	return nil
}

// still reports whether the path still leads to the directory that is open.
func (s *store) still() error {
	now, err := os.Stat(s.root.Name())
	if err != nil {
		return err
	}
	self, err := s.dir.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(now, self) {
		return errors.New("the upload directory was replaced by another one")
	}
	return s.writable()
}

// close ends all writers and lets go of the directory. What has arrived stays in the part files.
func (s *store) close() {
	s.mu.Lock()
	s.closed = true
	var writers []*write
	for _, p := range s.parts {
		for w := range p.writers {
			writers = append(writers, w)
		}
	}
	s.mu.Unlock()
	stopWriters(writers)
	s.counters.open.Set(0)
	_ = s.dir.Close()
	_ = s.root.Close()
}

// openPart opens a file of ours in the directory itself, never through a symbolic link.
func (s *store) openPart(name string, flags int, mode uint32) (*os.File, error) {
	var fd int
	err := control(s.dir, func(dir int) (err error) {
		fd, err = unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (s *store) free() (int64, error) {
	var st unix.Statfs_t
	err := control(s.dir, func(fd int) error { return unix.Fstatfs(fd, &st) })
	if err != nil {
		return 0, fmt.Errorf("ask for free space: %w", err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// part returns the upload, made from the spec when it is new. It fails with the outcome of an upload that has ended.
func (s *store) part(sp spec, offset int64) (*part, error) {
	if p, err := s.find(sp, offset); p != nil || err != nil {
		return p, err
	}
	s.creating.Lock()
	defer s.creating.Unlock()
	if p, err := s.find(sp, offset); p != nil || err != nil {
		return p, err
	}
	if err := s.admit(sp); err != nil {
		return nil, err
	}
	return s.create(sp)
}

// find returns nothing at all for an upload that is to be made.
func (s *store) find(sp spec, offset int64) (*part, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, unavailable("Uploads are not ready; try again")
	}
	if p, ok := s.parts[sp.key]; ok {
		if p.total != sp.total || p.place != sp.place {
			return nil, errOther
		}
		return p, nil
	}
	if o, ok := s.past.find(sp.key); ok {
		switch {
		case o.err == nil && (o.total != sp.total || o.place != sp.place):
			return nil, errOther
		case o.err == nil:
			return nil, errFinished
		case offset > 0:
			return nil, o.err
		}
		s.past.forget(sp.key) // it begins again
	}
	if len(s.parts) >= partsMax {
		return nil, errTooMany
	}
	return nil, nil
}

// create makes the part file, and its journal unless the upload cannot be continued anyway.
func (s *store) create(sp spec) (*part, error) {
	var id [partIDLength / 2]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	p := &part{
		spec: sp, file: partName(sp.place.name, hex.EncodeToString(id[:])), touched: time.Now(),
		writers: make(map[*write]struct{}), done: make(chan struct{}),
	}
	data, err := s.openPart(p.file, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o666)
	if err != nil {
		return nil, s.fault(err)
	}
	_ = data.Close()
	if sp.total != unknown {
		if err := s.writeHeader(p); err != nil {
			s.unlink(p)
			return nil, s.fault(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts[sp.key] = p
	s.counters.open.Set(float64(len(s.parts)))
	return p, nil
}

func (s *store) writeHeader(p *part) error {
	h := header{Key: p.key, Total: p.total, Folder: p.place.folder, Name: p.place.name, Meta: p.meta, Boot: s.boot}
	line, err := h.encode()
	if err != nil {
		return err
	}
	f, err := s.openPart(journalName(p.file), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(line); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// unlink removes the files of a part.
func (s *store) unlink(p *part) {
	for _, name := range []string{p.file, journalName(p.file)} {
		if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("part file not removed", "file", name, "error", err)
		}
	}
}

// fault turns what the file system says into an answer, and logs what only the operator can mend.
func (s *store) fault(err error) error {
	if _, ok := errors.AsType[*refusal](err); ok {
		return err
	}
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return diskFull()
	case errors.Is(err, unix.EFBIG):
		return &refusal{413, "too_large", "The file is larger than this disk can hold"}
	}
	s.log.Warn("upload directory refuses", "error", err)
	if errors.Is(err, os.ErrClosed) {
		return unavailable("Uploads are not ready; try again")
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return unavailable(describe(s.root.Name(), err))
	}
	return errDisk
}

// describe says to a peer what is wrong with the directory.
func describe(dir string, err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "The upload directory " + dir + " cannot be written: permission denied"
	case errors.Is(err, unix.EROFS):
		return "The upload directory " + dir + " cannot be written: the file system is read-only"
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, fs.ErrExist):
		return "The upload directory " + dir + " is not a directory"
	case errors.Is(err, fs.ErrNotExist):
		return "The upload directory " + dir + " was removed"
	case errors.Is(err, unix.ENOSPC):
		return "The upload directory " + dir + " cannot be made: the disk is full"
	}
	return "The upload directory " + dir + " cannot be used"
}

// access reports whether this process may make files in the directory.
func access(dir string) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
