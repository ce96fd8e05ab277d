package upload

import (
	"errors"
	"io/fs"
	"math"
	"strings"
	"time"
)

const (
	usageFor  = time.Second // how long a count of the directory's bytes is good
	formSlack = 64 << 10    // bytes of a form that are not the file's, at most
)

// usage is the bytes of the finished files, as counted at a time.
type usage struct {
	bytes int64
	at    time.Time
}

// admit decides whether a new upload may begin.
func (s *store) admit(sp spec) error {
	if err := s.placeFree(sp.place); err != nil {
		return err
	}
	least := sp.total // bytes that the file will have at least
	if least == unknown {
		least = max(sp.need-formSlack, 0)
	}
	if s.config.MaxSize > 0 && least > int64(s.config.MaxSize) {
		return tooLarge(int64(s.config.MaxSize))
	}
	taken, err := s.taken()
	if err != nil {
		return s.fault(err)
	}
	if s.config.Quota > 0 && least > int64(s.config.Quota)-taken {
		return overQuota(int64(s.config.Quota), taken)
	}
	free, err := s.space()
	if err != nil {
		return s.fault(err)
	}
	if free -= s.promised(); least > free {
		return noSpace(least, free)
	}
	return nil
}

// placeFree refuses a name that is taken, if that is the rule, and a path that leads through anything but folders.
func (s *store) placeFree(at place) error {
	if err := s.passable(at.folder); err != nil {
		return err
	}
	info, err := s.root.Lstat(at.path())
	switch {
	case err != nil:
		return nil // absent; anything else shows when the part is made
	case s.config.Conflict == conflictFail:
		return errExists
	case s.config.Conflict == conflictOverwrite && info.IsDir():
		return errIsFolder
	}
	return nil
}

// passable refuses the path of a folder that leads through anything but folders. What is not there can be made.
func (s *store) passable(folder string) error {
	for step := range steps(folder) {
		info, err := s.root.Lstat(step)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !info.IsDir() {
			return errSymlink
		}
	}
	return nil
}

// roof is where a file of unknown size must end, and the answer to what is beyond.
func (s *store) roof(sp spec) (limit int64, over error) {
	limit, over = math.MaxInt64, errSize
	if s.config.MaxSize > 0 {
		limit, over = int64(s.config.MaxSize), tooLarge(int64(s.config.MaxSize))
	}
	if s.config.Quota > 0 {
		taken, err := s.taken()
		if left := int64(s.config.Quota) - taken; err == nil && left < limit {
			limit, over = max(left, 0), overQuota(int64(s.config.Quota), taken)
		}
	}
	return limit, over
}

// promised is what the uploads that are moving have still to write.
func (s *store) promised() (n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		if time.Since(p.touched) < activeFor && p.total != unknown {
			n += p.total - p.have.bytes()
		}
	}
	return n
}

// taken is what counts against the quota: the files that are there, and the whole of those that are coming.
func (s *store) taken() (int64, error) {
	if s.config.Quota == 0 {
		return 0, nil
	}
	s.mu.Lock()
	known := s.usage
	coming := int64(0)
	for _, p := range s.parts {
		coming += max(p.total, 0)
	}
	s.mu.Unlock()
	if time.Since(known.at) < usageFor {
		return known.bytes + coming, nil
	}
	n, err := s.countFiles()
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.usage = usage{n, time.Now()}
	return n + coming, nil
}

func (s *store) countFiles() (n int64, err error) {
	err = fs.WalkDir(s.root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) || path != "." {
				return nil // removed meanwhile, or not ours to read
			}
			return err
		}
		if !d.Type().IsRegular() || isOurs(path[strings.LastIndexByte(path, '/')+1:]) {
			return nil
		}
		if info, err := d.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n, err
}
