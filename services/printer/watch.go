package printer

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// settle is how long a file that was found without an event has to have been left alone.
	settle = time.Second
	// bridge is how long a directory may be away before the service is degraded.
	bridge  = 2 * time.Second
	lookFor = 100 * time.Millisecond // between two looks for it meanwhile
)

// watcher finds new documents in one directory, for one Run.
type watcher struct {
	*Service
	dir        string
	spool      *spool
	written    map[string]bool // files that something was written to since they were last closed
	unreadable map[string]bool // files that could not be read; their owner or mode may change
	scan       bool            // the directory has to be read: events were lost, or files were too young
}

// run watches until ctx ends, or until the directory is away and nothing is left to send.
func (w *watcher) run(ctx context.Context, ready func()) error {
	var away time.Time // since when; zero: never was there in this Run
	for ctx.Err() == nil {
		err := w.watch(ctx, func() {
			ready()
			away = time.Time{}
			ready = func() {}
		}, &away)
		if ctx.Err() != nil {
			break
		}
		w.watching.Store(false)
		bridged := !away.IsZero() && time.Since(away) < bridge
		if !bridged && (w.queue.length() == 0 || w.probe() != nil) {
			return fault(w.dir, err)
		}
		if err := sleep(ctx, lookFor); err != nil {
			break
		}
	}
	return nil
}

// watch works until the directory is lost; away is when that was, if it was watched at all.
func (w *watcher) watch(ctx context.Context, ready func(), away *time.Time) error {
	s, err := openSpool(w.dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			w.ledger.begun = true // whatever comes with the directory is new
		}
		return err
	}
	defer s.close()
	w.spool, w.written, w.unreadable = s, map[string]bool{}, map[string]bool{}
	if err := w.begin(); err != nil {
		return err
	}
	ready()
	w.watching.Store(true)
	w.log.Info("watching for PDF documents", "directory", w.dir)
	defer func() { *away = time.Now() }()
	defer context.AfterFunc(ctx, func() { _ = s.notify.SetReadDeadline(time.Unix(1, 0)) })()
	for {
		if w.scan {
			if err := w.rescan(ctx); err != nil {
				return err
			}
		}
		if err := s.read(ctx, func(e event) error { return w.handle(ctx, e) }); err != nil {
			return err
		}
	}
}

// begin takes what is there at the start of the process as printed; later, what is there and not known is new.
func (w *watcher) begin() error {
	w.scan = true
	if w.ledger.begun {
		return nil
	}
	if !w.config.Existing {
		files, err := w.files()
		if err != nil {
			return err
		}
		for _, f := range files {
			w.ledger.put(f.name, record{stamp: f.stamp})
		}
	}
	w.ledger.begun = true
	return nil
}

// handle acts on one event.
func (w *watcher) handle(ctx context.Context, e event) error {
	if e.mask&unix.IN_Q_OVERFLOW != 0 {
		w.overflowed()
		return nil
	}
	if e.mask&unix.IN_ISDIR != 0 || !candidate(e.name) {
		return nil
	}
	switch {
	case e.mask&unix.IN_MODIFY != 0:
		w.written[e.name] = true
	case e.mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0:
		w.ledger.moveFrom(e.name, e.cookie)
		delete(w.written, e.name)
		delete(w.unreadable, e.name)
	case e.mask&unix.IN_ATTRIB != 0:
		if w.unreadable[e.name] {
			return w.examine(ctx, e.name)
		}
	case w.known(e):
	default:
		delete(w.written, e.name)
		return w.examine(ctx, e.name)
	}
	return nil
}

// overflowed is what is left when the kernel's list of events was full: the files themselves. Which of them have been written
// to is not known any more.
func (w *watcher) overflowed() {
	w.metrics.overflows.Inc()
	w.scan = true
	for name := range w.ledger.names {
		w.written[name] = true
	}
}

// known reports whether a close or a move is of a file that is no new document for it. Whether something was written is
// told by events: clocks of file systems are too coarse for it.
func (w *watcher) known(e event) bool {
	var st unix.Stat_t
	if w.written[e.name] || unix.Lstat(filepath.Join(w.dir, e.name), &st) != nil {
		return false
	}
	if e.mask&unix.IN_MOVED_TO != 0 {
		return w.ledger.moveTo(e.name, e.cookie, stampOf(&st))
	}
	return w.ledger.touched(e.name, stampOf(&st))
}

// found is a file in the directory.
type found struct {
	name  string
	stamp stamp
}

// files lists what may be documents, in the order in which they were last written to.
func (w *watcher) files() ([]found, error) {
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		return nil, err
	}
	var list []found
	for _, e := range entries {
		var st unix.Stat_t
		if !candidate(e.Name()) || !e.Type().IsRegular() || unix.Lstat(filepath.Join(w.dir, e.Name()), &st) != nil {
			continue
		}
		list = append(list, found{e.Name(), stampOf(&st)})
	}
	slices.SortStableFunc(list, func(a, b found) int {
		return int(min(max(a.stamp.modified-b.stamp.modified, -1), 1))
	})
	return list, nil
}

// rescan examines every file that is not known in its present state. One that was written to just now may not be complete;
// it is looked at again.
func (w *watcher) rescan(ctx context.Context) error {
	w.scan = false
	list, err := w.files()
	if err != nil {
		return err
	}
	present := make(map[string]bool, len(list))
	for _, f := range list {
		present[f.name] = true
	}
	w.ledger.keep(present)
	for _, f := range list {
		if w.ledger.knows(f.name, f.stamp) {
			continue
		}
		if age := time.Since(time.Unix(0, f.stamp.modified)); age >= 0 && age < settle {
			w.scan = true
			continue
		}
		if err := w.examine(ctx, f.name); err != nil {
			return err
		}
	}
	return nil
}
