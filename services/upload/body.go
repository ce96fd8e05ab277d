package upload

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	idleMax     = time.Minute // without a byte, a request is given up
	deadlineAge = time.Second // so old a read deadline is moved on
	rateBurst   = formBuffer
)

// body is a request's body: each byte that comes moves the deadline of the next on, so that slow is fine and dead is
// not; it keeps the common rate; and it can be stopped from outside.
type body struct {
	src     io.Reader
	rc      *http.ResponseController
	ctx     context.Context
	limiter *rate.Limiter // nil: no limit

	moved   time.Time // the deadline; only the request's own goroutine uses it
	started bool      // something was read, so that a client that waited for our word sends

	mu      sync.Mutex // guards the following fields
	stopped bool
	closed  bool
}

func newBody(w http.ResponseWriter, r *http.Request, limiter *rate.Limiter) *body {
	return &body{src: r.Body, rc: http.NewResponseController(w), ctx: r.Context(), limiter: limiter}
}

// Read reads what has come.
func (b *body) Read(p []byte) (int, error) {
	if now := time.Now(); now.Sub(b.moved) > deadlineAge {
		b.moved = now
		b.deadline(now.Add(idleMax))
	}
	b.started = true
	n, err := b.src.Read(p)
	if b.limiter != nil && n > 0 {
		if wait := b.limiter.WaitN(b.ctx, n); wait != nil && err == nil {
			err = wait
		}
	}
	return n, err
}

// Close closes nothing: the server closes what it opened.
func (b *body) Close() error { return nil }

func (b *body) deadline(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.stopped && !b.closed {
		_ = b.rc.SetReadDeadline(t) // without one the peer's own TCP is the limit
	}
}

// stop makes this and every later Read fail.
func (b *body) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.stopped = true
		_ = b.rc.SetReadDeadline(time.Unix(1, 0))
	}
}

// close ends the power of stop over the connection, which serves other requests after this one.
func (b *body) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if !b.stopped {
		_ = b.rc.SetReadDeadline(time.Time{})
	}
}

// wasStopped reports whether the connection is of no more use.
func (b *body) wasStopped() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stopped
}
