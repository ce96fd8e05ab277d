package upload

import (
	"errors"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

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
	if w.at-w.noted >= noteEvery && w.at < w.limit { // whether there is more is known only by the next
		return w.note()
	}
	return nil
}

// doubt forgets what has been written since the last note: the request had more or less than its fields say, so that its
// last bytes must not make a file whole.
func (w *write) doubt() { w.at = w.noted }

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
