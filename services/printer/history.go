package printer

import (
	"os"
	"slices"
	"sync"
	"time"
)

const (
	maxListed = 50       // documents in the list
	maxKept   = 64 << 20 // bytes of sent documents that are kept beside the directory's own files
)

// history lists the last documents, the ones that wait among them, and guards what changes about them.
type history struct {
	maxKept int64 // bytes

	mu     sync.Mutex // guards the following fields, and those of documents that say so
	listed []*document
	lastID int64
}

// entry is a document as it is shown.
type entry struct {
	ID        int64      `json:"id"`
	Name      string     `json:"name"`
	Size      int64      `json:"size"` // bytes
	SHA256    string     `json:"sha256"`
	State     state      `json:"state"`
	Completed time.Time  `json:"completed"`          // when it was found complete in the directory
	Sent      *time.Time `json:"sent,omitempty"`     // when the relay had taken all of it, last
	Times     int        `json:"times"`              // that it was sent to its end
	Restarts  int        `json:"restarts"`           // sent from the beginning again, since the relay went away
	Progress  int64      `json:"progress,omitempty"` // bytes that the relay has taken, while it is sent
}

// add lists a new document and gives it its number.
func (h *history) add(d *document) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lastID = max(h.lastID+1, d.completed.UnixMilli())
	d.id, d.state = h.lastID, waiting
	h.listed = append(h.listed, d)
	h.trim()
}

// trim drops the oldest that are done, and the bytes of documents that are done beyond what is kept.
func (h *history) trim() {
	for over := len(h.listed) - maxListed; over > 0; over-- {
		i := slices.IndexFunc(h.listed, (*document).done)
		if i < 0 {
			break // all of them wait; the queue bounds their number
		}
		h.listed[i].drop()
		h.listed = slices.Delete(h.listed, i, i+1)
	}
	kept := int64(0)
	for _, d := range slices.Backward(h.listed) {
		if d.copy == nil || !d.done() {
			continue
		}
		if kept += d.stamp.size; kept > h.maxKept {
			d.drop()
		}
	}
}

func (d *document) done() bool { return d.state == sent || d.state == failed }

func (d *document) drop() {
	if d.copy != nil {
		_ = d.copy.Close()
		d.copy = nil
	}
}

// change changes what is guarded about a document.
func (h *history) change(d *document, f func(*document)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(d)
	h.trim()
}

// open opens the bytes of a document, independently of what becomes of it.
func (h *history) open(d *document) (*os.File, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.copy != nil {
		return duplicate(d.copy)
	}
	return d.reopen()
}

// find returns the document with the number, or nil.
func (h *history) find(id int64) *document {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range h.listed {
		if d.id == id {
			return d
		}
	}
	return nil
}

// entries are the documents, the newest first.
func (h *history) entries() []entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]entry, 0, len(h.listed))
	for _, d := range slices.Backward(h.listed) {
		e := entry{
			ID: d.id, Name: printable(d.name), Size: d.stamp.size, SHA256: d.hash(), State: d.state,
			Completed: d.completed, Times: d.times, Restarts: d.restarts,
		}
		if d.state == sending {
			e.Progress = d.progress.Load()
		}
		if !d.sent.IsZero() {
			when := d.sent
			e.Sent = &when
		}
		list = append(list, e)
	}
	return list
}
