package upload

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const numbersMax = 10_000 // names that are tried for one file

// publish gives a complete file its name. The part's publishing is set, and this is the only goroutine that does so.
func (s *store) publish(p *part) error {
	s.mu.Lock()
	var writers []*write // their bytes are there already
	for w := range p.writers {
		writers = append(writers, w)
	}
	s.mu.Unlock()
	stopWriters(writers)

	err := s.settle(p)
	if r := asRefusal(err); err != nil && (r.status == 507 || r.status == 400) {
		s.drop(p, err)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil { // the part stays, and the next request for any byte of it tries again
		p.publishing = false
		close(p.done)
		p.done = make(chan struct{})
		return err
	}
	if p.ended {
		return p.outcome
	}
	s.usage.at = s.usage.at.Add(-usageFor) // to be counted again
	s.finish(p, nil)
	s.counters.files.Inc()
	return nil
}

// settle brings the file to the disk, and then to its name.
func (s *store) settle(p *part) error {
	if s.config.Sync {
		if err := s.sync(p.file); err != nil {
			return s.fault(err)
		}
	}
	if p.place.folder != "" {
		if err := s.makeFolders(p.place.folder); err != nil {
			return err
		}
	}
	folder, err := s.root.Open(p.place.folderPath())
	if err != nil {
		return s.fault(err)
	}
	defer folder.Close()
	if err := s.move(p, folder); err != nil {
		return err
	}
	if s.config.Sync {
		if err := folder.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
			s.log.Warn("directory not synced", "error", err) // the file itself is on the disk
		}
	}
	return nil
}

// tidy removes the journal of a published upload, once the answer is on its way.
func (s *store) tidy(p *part) {
	if err := s.root.Remove(journalName(p.file)); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, os.ErrClosed) {
		s.log.Warn("journal not removed", "error", err)
	}
}

func (p place) folderPath() string {
	if p.folder == "" {
		return "."
	}
	return p.folder
}

func (s *store) sync(name string) error {
	f, err := s.openPart(name, unix.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// makeFolders makes the folders of a path; none of them may be a symbolic link.
func (s *store) makeFolders(folder string) error {
	if err := s.root.MkdirAll(folder, 0o777); err != nil {
		if errors.Is(err, unix.ENOTDIR) || errors.Is(err, fs.ErrExist) {
			return errSymlink
		}
		return s.fault(err)
	}
	return s.passable(folder)
}

// move renames the part into the folder, by the rule for names that are taken. Each try is one step of the kernel, so
// that of many uploads of one name each gets its own.
func (s *store) move(p *part, folder *os.File) error {
	for n := range numbersMax {
		name := numbered(p.place.name, n)
		s.announce(p, name)
		err := rename(s.dir, p.file, renameTo{folder, name, s.config.Conflict == conflictOverwrite})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EISDIR), s.config.Conflict == conflictOverwrite && errors.Is(err, unix.EEXIST):
			return errIsFolder
		case !errors.Is(err, unix.EEXIST):
			return s.fault(err)
		case s.config.Conflict == conflictFail:
			return errExists
		}
	}
	return errExists
}

// announce notes the name that the file is about to get. Without the note, for want of space, the file is as good; only
// a kill before the answer would make a second one of what comes again.
func (s *store) announce(p *part, name string) {
	if strings.HasPrefix(p.key, formKey) {
		return // no part of it can come again
	}
	info, err := s.root.Lstat(p.file)
	if err == nil {
		err = s.writeLine(p, naming{inode(info), name}.encode())
	}
	if err != nil {
		s.log.Warn("name not noted", "error", err)
	}
}

func (s *store) writeLine(p *part, line []byte) error {
	f, err := s.openPart(journalName(p.file), unix.O_WRONLY|unix.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(line)
	return err
}

// renameTo is where something goes.
type renameTo struct {
	dir     *os.File
	name    string
	replace bool
}

// rename moves a name from one folder to another in one step. Where the file system has no RENAME_NOREPLACE (NFS,
// some FUSE), a hard link does it, and where it has none either, an empty file that keeps the name.
func rename(from *os.File, name string, to renameTo) error {
	return control(from, func(source int) error {
		return control(to.dir, func(target int) error {
			if to.replace {
				return unix.Renameat(source, name, target, to.name)
			}
			err := unix.Renameat2(source, name, target, to.name, unix.RENAME_NOREPLACE)
			if !lacking(err) {
				return err
			}
			err = unix.Linkat(source, name, target, to.name, 0)
			if err == nil {
				return unix.Unlinkat(source, name, 0)
			}
			if !lacking(err) && !errors.Is(err, unix.EPERM) { // which is a folder, or a file system without links
				return err
			}
			return renameOver(source, name, target, to.name)
		})
	})
}

// lacking reports whether the file system does not know what it was asked for.
func lacking(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}

// renameOver takes the name with something empty of the same kind, which can be done once, and puts the thing in its place.
func renameOver(source int, name string, target int, to string) error {
	var thing unix.Stat_t
	if err := unix.Fstatat(source, name, &thing, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	flags := 0
	if thing.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := unix.Mkdirat(target, to, 0o777); err != nil {
			return err
		}
		flags = unix.AT_REMOVEDIR
	} else {
		fd, err := unix.Openat(target, to, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o666)
		if err != nil {
			return err
		}
		_ = unix.Close(fd)
	}
	if err := unix.Renameat(source, name, target, to); err != nil {
		_ = unix.Unlinkat(target, to, flags) // which nobody can have written to yet, or it would not be empty
		return err
	}
	return nil
}

// control gives f the descriptor of an open directory, or fails when it was closed.
func control(dir *os.File, f func(fd int) error) error {
	raw, err := dir.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}
