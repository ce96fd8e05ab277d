package audioout

import (
	"errors"
	"sync"
	"time"
)

// publisherGrace is how long after a publisher has left our own ffmpeg waits for it to come back: the start script of
// the container starts its ffmpeg again within three seconds.
const publisherGrace = 5 * time.Second

var errReplaced = errors.New("another publisher came")

// publisher is who POSTs now.
type publisher struct {
	addr        string
	since       time.Time
	publication *publication
	cut         func() // ends its request
}

// publishers lets one in at a time: the newest wins.
type publishers struct {
	stream  *stream
	changed func(came bool) // called when one came or left; must not block

	mu      sync.Mutex // guards the following fields
	current *publisher // nil when there is none
	left    time.Time  // when the last one left; zero before the first
}

// enter makes a newcomer the publisher and cuts the one before.
func (p *publishers) enter(addr string, cut func()) *publisher {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.current
	p.current = &publisher{addr: addr, since: time.Now(), publication: p.stream.open(), cut: cut}
	if old != nil {
		old.cut()
	}
	p.changed(true)
	return p.current
}

// leave is called by every publisher at its end, also by one that was cut.
func (p *publishers) leave(who *publisher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != who {
		return
	}
	p.current = nil
	p.left = time.Now()
	p.changed(false)
}

// wait is how long our own ffmpeg must still wait: -1 while there is a publisher, 0 when it may run.
func (p *publishers) wait() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil {
		return -1
	}
	if p.left.IsZero() {
		return 0
	}
	return max(0, publisherGrace-time.Since(p.left))
}

// openOwn begins our own ffmpeg's turn, unless there is a publisher.
func (p *publishers) openOwn() (*publication, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil {
		return nil, false
	}
	return p.stream.open(), true
}

// report returns the publisher of this moment.
func (p *publishers) report() *publisherReport {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return nil
	}
	return &publisherReport{Addr: p.current.addr, Since: p.current.since}
}
