package upload

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// recover takes up the unfinished uploads that an earlier process left.
func (s *store) recover(now time.Time) error {
	names, err := s.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !isOurs(name) || !strings.HasSuffix(name, journalSuffix) {
			continue
		}
		p, err := s.takeUp(strings.TrimSuffix(name, journalSuffix) + partSuffix)
		if err != nil {
			s.log.Warn("unfinished upload cannot be continued", "file", name, "error", err)
			continue
		}
		if p != nil && p.have.cover(p.total) { // killed between the last byte and the name
			p.publishing = true
			if err := s.publish(p); err != nil {
				s.log.Warn("complete upload not published", "file", name, "error", err)
				continue
			}
			s.tidy(p)
		}
	}
	s.removeOrphans(names, now)
	s.counters.open.Set(float64(len(s.parts)))
	return nil
}

// takeUp makes a part from its files. It returns none when the file had its name already. Without one of the files, or
// with a journal of another boot, it removes both.
func (s *store) takeUp(file string) (*part, error) {
	p := &part{file: file, writers: make(map[*write]struct{}), done: make(chan struct{})}
	j, touched, err := s.readJournal(journalName(file))
	if errors.Is(err, errJournal) {
		s.unlink(p)
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	p.spec = spec{key: j.Key, total: j.Total, need: j.Total, place: place{j.Folder, j.Name}, meta: j.Meta}
	p.have, p.touched = j.have, touched
	if j.Boot == s.boot && s.isNamed(j) {
		s.unlink(p)
		s.remember(p, nil)
		return nil, nil
	}
	info, err := s.root.Lstat(file)
	whole := err == nil && info.Mode().IsRegular() && (len(p.have) == 0 || info.Size() >= p.have[len(p.have)-1].to)
	if !whole || j.Boot != s.boot || s.parts[p.key] != nil {
		s.unlink(p)
		s.remember(p, errLost)
		return nil, errLost
	}
	s.parts[p.key] = p
	return p, nil
}

// isNamed reports whether the upload's file is there under the name that it was to get.
func (s *store) isNamed(j journal) bool {
	if j.named.inode == 0 || !j.have.cover(j.Total) {
		return false
	}
	info, err := s.root.Lstat(place{j.Folder, j.named.name}.path())
	return err == nil && info.Mode().IsRegular() && info.Size() == j.Total && inode(info) == j.named.inode
}

func inode(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

func (s *store) readJournal(name string) (journal, time.Time, error) {
	f, err := s.openPart(name, unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return journal{}, time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > journalMax {
		return journal{}, time.Time{}, errJournal
	}
	content, err := io.ReadAll(f)
	if err != nil {
		return journal{}, time.Time{}, err
	}
	j, err := parseJournal(content)
	if whole := bytes.LastIndexByte(content, '\n') + 1; err == nil && whole < len(content) {
		err = f.Truncate(int64(whole)) // or the next line would join the one that was cut short
	}
	return j, info.ModTime(), err
}

// removeOrphans removes bytes that no journal speaks of: those of a plain form whose process was killed.
func (s *store) removeOrphans(names []string, now time.Time) {
	s.mu.Lock()
	known := make(map[string]bool, len(s.parts))
	for _, p := range s.parts {
		known[p.file] = true
	}
	s.mu.Unlock()
	for _, name := range names {
		if !isOurs(name) || !strings.HasSuffix(name, partSuffix) || known[name] {
			continue
		}
		if _, err := s.root.Lstat(journalName(name)); err == nil {
			continue // of another process on the same directory
		}
		if info, err := s.root.Lstat(name); err == nil && now.Sub(info.ModTime()) > orphanAfter {
			if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				s.log.Warn("orphaned part file not removed", "file", name, "error", err)
				continue
			}
			s.counters.swept.Inc()
		}
	}
}

// sweep removes the uploads whose last byte came too long ago.
func (s *store) sweep(now time.Time) {
	s.mu.Lock()
	var old []*part
	for _, p := range s.parts {
		if len(p.writers) == 0 && !p.publishing && now.Sub(p.touched) > s.config.PartTTL {
			s.finish(p, errLost)
			old = append(old, p)
		}
	}
	s.mu.Unlock()
	for _, p := range old {
		s.log.Info("idle upload removed", "file", p.file)
		s.counters.swept.Inc()
		s.unlink(p)
	}
	if names, err := s.names(); err == nil {
		s.removeOrphans(names, now)
	}
}

// names lists the directory itself.
func (s *store) names() ([]string, error) {
	d, err := s.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}
