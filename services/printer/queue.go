package printer

import (
	"context"
	"sync"
)

// Documents that wait at most. Beyond it the directory is not read on: its files and the kernel's list of events wait.
// A person who prints one again is let in a little longer.
const (
	maxQueued       = 256
	maxQueuedPeople = 300
)

// queue has the documents to send, in order. The first one stays in it until it is done, so that a Run that ends in the
// middle leaves it to the next.
type queue struct {
	ready chan struct{} // holds a value when there may be a first document
	room  chan struct{} // holds a value when there may be room

	mu    sync.Mutex // guards the following fields
	items []*document
}

func newQueue() *queue {
	return &queue{ready: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// put appends a document unless there are limit of them.
func (q *queue) put(d *document, limit int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) >= limit {
		return false
	}
	q.items = append(q.items, d)
	signal(q.ready)
	return true
}

// first waits for a document and returns it without taking it out.
func (q *queue) first(ctx context.Context) (*document, error) {
	for {
		q.mu.Lock()
		if len(q.items) > 0 {
			d := q.items[0]
			q.mu.Unlock()
			return d, nil
		}
		q.mu.Unlock()
		select {
		case <-q.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// done takes the first document out.
func (q *queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items[0] = nil
	q.items = q.items[1:]
	signal(q.room)
}

// waitRoom waits until the directory may be read on.
func (q *queue) waitRoom(ctx context.Context) error {
	for q.length() >= maxQueued {
		select {
		case <-q.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
