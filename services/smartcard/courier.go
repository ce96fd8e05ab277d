package smartcard

import (
	"context"
	"sync"
	"time"
)

// stuckAfter is how long a packet may be under way before the next one takes its place. What is asked next after so long is
// asked since the packet was given up.
const stuckAfter = time.Second

// courier carries packets to a far end that may be slow to take them, so that the bridge never waits. One packet waits at most,
// while the one before is under way: there is one request at a time.
type courier struct {
	send func(ctx context.Context, packet []byte) error
	work chan struct{} // holds a value when there is something in next
	lost chan error    // holds why there is nobody to send to

	mu      sync.Mutex // guards the following fields
	next    []byte     // to be sent; empty: nothing
	started time.Time  // of the packet under way; zero: none is
	ctx     context.Context
	cancel  context.CancelFunc // of ctx, which the packet under way has
}

func newCourier(send func(ctx context.Context, packet []byte) error) *courier {
	return &courier{send: send, work: make(chan struct{}, 1), lost: make(chan error, 1), next: make([]byte, 0, MaxPacket)}
}

// run sends until ctx ends or a packet cannot be sent.
func (c *courier) run(ctx context.Context) error {
	c.mu.Lock()
	c.ctx, c.cancel = context.WithCancel(ctx)
	c.mu.Unlock()
	defer c.end()
	packet := make([]byte, 0, MaxPacket)
	for {
		select {
		case <-c.work:
		case err := <-c.lost:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
		var mine context.Context
		packet, mine = c.take(packet)
		if len(packet) == 0 {
			continue
		}
		err := c.send(mine, packet)
		if stuck := c.sent(ctx); err != nil && !stuck {
			return err
		}
	}
}

// take starts the next packet, and leaves spare for the one after it.
func (c *courier) take(spare []byte) ([]byte, context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	packet := c.next
	c.next = spare[:0]
	c.started = time.Now()
	return packet, c.ctx
}

// sent ends the packet under way, and reports whether put has given it up.
func (c *courier) sent(parent context.Context) (stuck bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started = time.Time{}
	if c.ctx.Err() == nil || parent.Err() != nil {
		return false
	}
	c.ctx, c.cancel = context.WithCancel(parent)
	return true
}

// put takes a copy of the packet and returns at once.
func (c *courier) put(packet []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.started.IsZero() && time.Since(c.started) > stuckAfter {
		c.cancel()
	}
	c.next = append(c.next[:0], packet...)
	select {
	case c.work <- struct{}{}:
	default:
	}
}

// fail ends run.
func (c *courier) fail(err error) {
	select {
	case c.lost <- err:
	default:
	}
}

// end throws away what was put and not sent.
func (c *courier) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel()
	c.next, c.started = c.next[:0], time.Time{}
	select {
	case <-c.lost:
	default:
	}
}
