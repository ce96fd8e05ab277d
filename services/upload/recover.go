package upload

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
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
			}
		}
	}
	s.removeOrphans(names, now)
	s.counters.open.Set(float64(len(s.parts)))
	return nil
}

// takeUp makes a part from its files. Without one of them, or with a journal of another boot, it removes both.
func (s *store) takeUp(file string) (*part, error) {
	p := &part{file: file, writers: make(map[*write]struct{}), done: make(chan struct{})}
	h, have, touched, err := s.readJournal(journalName(file))
	if errors.Is(err, errJournal) {
		s.unlink(p)
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	p.spec = spec{key: h.Key, total: h.Total, need: h.Total, place: place{h.Folder, h.Name}, meta: h.Meta}
	p.have, p.touched = have, touched
	info, err := s.root.Lstat(file)
	whole := err == nil && info.Mode().IsRegular() && (len(have) == 0 || info.Size() >= have[len(have)-1].to)
	if !whole || h.Boot != s.boot || s.parts[p.key] != nil {
		s.unlink(p)
		s.past.remember(p.key, ending{err: errLost, total: p.total, place: p.place, at: time.Now()})
		return nil, errLost
	}
	s.parts[p.key] = p
	return p, nil
}

func (s *store) readJournal(name string) (header, ranges, time.Time, error) {
	f, err := s.openPart(name, unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return header{}, nil, time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > journalMax {
		return header{}, nil, time.Time{}, errJournal
	}
	content, err := io.ReadAll(f)
	if err != nil {
		return header{}, nil, time.Time{}, err
	}
	h, have, err := parseJournal(content)
	if whole := bytes.LastIndexByte(content, '\n') + 1; err == nil && whole < len(content) {
		err = f.Truncate(int64(whole)) // or the next line would join the one that was cut short
	}
	return h, have, info.ModTime(), err
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
