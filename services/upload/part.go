package upload

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	writeSize  = 64 << 10         // bytes of one write, which ends where the file has a multiple of it
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

// write is one request that writes to a part, from an offset on.
type write struct {
	store   *store
	part    *part
	data    *os.File
	journal *os.File // nil for a part that has none
	from    int64
	at      int64         // where the next byte goes
	noted   int64         // what is before it is in the journal
	limit   int64         // where the file must end
	over    error         // the answer to a byte beyond limit
	cancel  func()        // makes the request's next read fail; must not block
	moved   atomic.Int64  // when the last byte was written, in Unix nanoseconds
	gone    chan struct{} // closed when this writer has let go
	stopped bool          // pre-empted; guarded by the store's mu
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
		s.counters.preempted.Add(float64(len(rivals)))
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

func (w *write) open() (err error) {
	w.data, err = w.store.openPart(w.part.file, unix.O_WRONLY, 0)
	if err != nil || w.part.total == unknown {
		return err
	}
	w.journal, err = w.store.openPart(journalName(w.part.file), unix.O_WRONLY|unix.O_APPEND, 0)
	return err
}

// aligned is how many of n bytes to write at once, so that the next write begins at a multiple of writeSize. A write
// that shares pages of the cache with another costs a third more (measured on ext4).
func (w *write) aligned(n int) int {
	if beyond := int((w.at + int64(n)) % writeSize); beyond < n {
		return n - beyond
	}
	return n
}

// put writes the next bytes of the file.
func (w *write) put(b []byte) error {
	if w.at+int64(len(b)) > w.limit {
		return w.over
	}
	n, err := w.data.WriteAt(b, w.at)
	w.at += int64(n)
	w.moved.Store(time.Now().UnixNano())
	w.store.counters.written.Add(int64(n))
	if err != nil {
		return w.failed(err)
	}
	if w.at-w.noted >= noteEvery {
		return w.note()
	}
	return nil
}

// note makes known what has been written: first to the journal, then to the others.
func (w *write) note() error {
	if w.journal != nil && w.at > w.noted {
		if _, err := w.journal.Write(encodeSpan(span{w.noted, w.at})); err != nil {
			return w.failed(err)
		}
	}
	s, p := w.store, w.part
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.ended {
		return s.outcomeOf(p)
	}
	p.have.add(w.noted, w.at)
	w.noted = w.at
	p.touched = time.Now()
	if len(p.have) > spansMax {
		return errGaps
	}
	return nil
}

// failed answers an error of the disk. A full one costs the whole part, whose bytes would only be in the way.
func (w *write) failed(err error) error {
	answer := w.store.fault(err)
	if r := asRefusal(answer); r.status == 507 || r.status == 413 {
		w.store.drop(w.part, answer)
	}
	return answer
}

// end lets go of the part, and publishes the file when it is whole. The error of a torn request may be given: what
// has arrived is kept, and the answer is that error unless the file is complete without this request.
func (w *write) end(torn error) (published bool, err error) {
	s, p := w.store, w.part
	err = w.note()
	if errors.Is(err, errFinished) {
		err = nil
	}
	s.leave(w)
	s.mu.Lock()
	if w.stopped && torn != nil {
		torn = errPreempted
	}
	switch {
	case p.ended || p.publishing:
		done := p.done
		s.mu.Unlock()
		waitFor(done, publishMax)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.outcomeOf(p); !errors.Is(err, errFinished) {
			return false, err
		}
		return true, nil
	case err != nil:
		s.mu.Unlock()
		return false, err
	case s.closed || p.total == unknown || !p.have.cover(p.total):
		s.mu.Unlock()
		if p.total == unknown {
			s.drop(p, errLost)
		}
		return false, torn
	}
	p.publishing = true
	s.mu.Unlock()
	return true, s.publish(p)
}

// tidy is for who was told that the file is published, once the client has the answer.
func (w *write) tidy() { w.store.tidy(w.part) }

// endWhole is end for a file whose size is known only now, for it came in one piece.
func (w *write) endWhole() error {
	w.store.mu.Lock()
	w.part.total = w.at
	w.store.mu.Unlock()
	_, err := w.end(nil)
	return err
}

// leave closes the files of a writer and takes it off its part.
func (s *store) leave(w *write) {
	if w.data != nil {
		_ = w.data.Close()
	}
	if w.journal != nil {
		_ = w.journal.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(w.part.writers, w)
	close(w.gone)
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
