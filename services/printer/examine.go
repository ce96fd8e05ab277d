package printer

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

var errNotRegular = errors.New("it is not a regular file")

// examine takes the file as a document if it is a new one. It fails only when ctx ends: what is wrong with a file is counted
// and logged once, and stops nothing.
func (w *watcher) examine(ctx context.Context, name string) error {
	if err := w.queue.waitRoom(ctx); err != nil {
		return err
	}
	d, err := w.take(name)
	delete(w.unreadable, name)
	switch {
	case err == nil && d == nil: // not new
	case err == nil:
		w.metrics.documents.Inc()
		w.history.add(d)
		w.queue.put(d, maxQueued+1) // there is room: nobody else lets documents in up to here
	case errors.Is(err, fs.ErrNotExist): // gone before we came
	default:
		w.refuse(name, err)
	}
	return nil
}

// take returns nil without an error for a file that is not new.
func (w *watcher) take(name string) (*document, error) {
	path := filepath.Join(w.dir, name)
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	now, err := stampFile(f)
	if err != nil {
		return nil, err
	}
	if err := checkWhole(f, now.size); err != nil {
		return nil, err
	}
	c, err := take(w.dir, f, now)
	if err != nil {
		return nil, err
	}
	again := w.ledger.same(name, c.sum)
	w.ledger.put(name, record{stamp: now, sum: c.sum, hashed: true})
	if again {
		_ = c.copy.Close()
		w.metrics.duplicates.Inc()
		return nil, nil
	}
	return &document{
		name: name, path: path, stamp: now, sum: c.sum, tables: c.tables, copy: c.copy, completed: time.Now(),
	}, nil
}

// refuse counts a file that is no document. What is not finished yet, or changes, is the rule and not worth a line.
func (w *watcher) refuse(name string, err error) {
	reason, level := reasonUnreadable, w.log.Warn
	switch {
	case errors.Is(err, errIncomplete):
		reason, level = reasonIncomplete, w.log.Debug
	case errors.Is(err, errChanged):
		reason, level = reasonChanged, w.log.Debug
	case errors.Is(err, errNotPDF):
		reason, level = reasonNotPDF, w.log.Info
	case errors.Is(err, fs.ErrPermission) && len(w.unreadable) < maxQueued:
		w.unreadable[name] = true
	}
	w.metrics.refused.With(reason).Inc()
	level("document refused", "name", name, "error", err)
}
