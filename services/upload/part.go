package upload

import (
	"errors"
	"io/fs"
	"strings"
	"time"
)

const (
	writeSize  = 32 << 10         // bytes of one write, which ends where the file has a multiple of it; twice as much is not faster, BenchmarkUpload
	noteEvery  = 4 << 20          // bytes between two lines of the journal while a chunk arrives
	yieldMax   = 10 * time.Second // for a pre-empted writer to let go
	publishMax = 5 * time.Minute  // for a finished file to reach the disk
)

// part is one unfinished upload. Its fields below file are guarded by the store's mu.
type part struct {
	spec
	file string // its name in the directory

	have       ranges
	writers    map[*write]struct{}
	touched    time.Time // of the last byte
	publishing bool
	ended      bool
	outcome    error         // once ended; nil when the file is published
	done       chan struct{} // closed when ended; replaced when publishing fails
}

// begin opens the part for writing at the offset. An earlier request that writes there and is stalled is stopped; one
// that moves writes the same bytes, so it does no harm, and which of the two the client has given up is unknown.
// Exclusive stops every other writer, wherever it writes.
func (s *store) begin(sp spec, offset int64, exclusive bool, cancel func()) (*write, error) {
	p, err := s.part(sp, offset)
	if err != nil {
		return nil, err
	}
	w := &write{
		store: s, part: p, from: offset, at: offset, noted: offset, cancel: cancel, gone: make(chan struct{}),
		limit: p.total, over: errSize,
	}
	w.moved.Store(time.Now().UnixNano())
	if p.total == unknown {
		w.limit, w.over = s.roof(sp)
	}
	if err := s.join(p, w, exclusive); err != nil {
		return nil, err
	}
	if err := w.open(); err != nil {
		s.leave(w)
		if errors.Is(err, fs.ErrNotExist) { // somebody tidied up
			s.drop(p, errLost)
			return nil, errLost
		}
		return nil, s.fault(err)
	}
	return w, nil
}

// join makes w a writer of p when its rivals have let go.
func (s *store) join(p *part, w *write, exclusive bool) error {
	deadline := time.Now().Add(yieldMax)
	for {
		s.mu.Lock()
		if p.ended || s.closed {
			defer s.mu.Unlock()
			return s.outcomeOf(p)
		}
		var rivals []*write
		for other := range p.writers {
			stalled := time.Since(time.Unix(0, other.moved.Load())) >= s.stallAfter
			if exclusive || other.from == w.from && stalled {
				rivals = append(rivals, other)
			}
		}
		if len(rivals) == 0 && !p.publishing {
			p.writers[w] = struct{}{}
			p.touched = time.Now()
			s.mu.Unlock()
			return nil
		}
		publishing, done := p.publishing, p.done
		s.mu.Unlock()
		if time.Now().After(deadline) {
			return errBusy
		}
		if publishing {
			waitFor(done, yieldMax)
			continue
		}
		s.counters.preempted.Add(len(rivals))
		stopWriters(rivals)
	}
}

// outcomeOf runs with mu held.
func (s *store) outcomeOf(p *part) error {
	switch {
	case !p.ended:
		return unavailable("Uploads are not ready; try again")
	case p.outcome == nil:
		return errFinished
	}
	return p.outcome
}

// stopWriters makes the writers' reads fail and waits until they have let go.
func stopWriters(list []*write) {
	for _, w := range list {
		w.store.mu.Lock()
		w.stopped = true
		w.store.mu.Unlock()
		w.cancel()
	}
	for _, w := range list {
		waitFor(w.gone, yieldMax)
	}
}

func waitFor(c <-chan struct{}, limit time.Duration) {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-c:
	case <-t.C:
	}
}

// drop ends an upload without a file and removes what there is of it. Later chunks of it get the outcome, so that no
// client takes the rest of a file for the file.
func (s *store) drop(p *part, outcome error) {
	s.mu.Lock()
	if p.ended {
		s.mu.Unlock()
		return
	}
	writers := s.finish(p, outcome)
	s.mu.Unlock()
	for _, w := range writers {
		w.cancel()
	}
	s.unlink(p)
}

// finish runs with mu held; it returns who still writes.
func (s *store) finish(p *part, err error) []*write {
	p.ended, p.outcome = true, err
	close(p.done)
	delete(s.parts, p.key)
	s.counters.open.Set(float64(len(s.parts)))
	s.remember(p, err)
	var writers []*write
	for w := range p.writers {
		writers = append(writers, w)
	}
	return writers
}

// remember keeps how an upload ended, for what comes again of it. A name is no such upload's alone: the next file of that
// name and size is another.
func (s *store) remember(p *part, err error) {
	if again := strings.HasPrefix(p.key, nameKey) && err == nil; !again && !strings.HasPrefix(p.key, formKey) {
		s.past.remember(p.key, ending{err: err, total: p.total, place: p.place, at: time.Now()})
	}
}
