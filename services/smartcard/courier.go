package smartcard

import (
	"context"
	"sync"
)

// courier carries packets to a far end that may be slow to take them, so that the bridge never waits. One packet is under
// way at most: there is one request at a time.
type courier struct {
	work chan struct{} // holds a value when packet is to be sent
	send func(ctx context.Context, packet []byte) error

	mu     sync.Mutex // guards the following fields
	busy   bool
	ctx    context.Context // of the packet under way and those that follow it
	cancel context.CancelFunc
	packet []byte // belongs to run while busy
}

func newCourier(send func(ctx context.Context, packet []byte) error) *courier {
	return &courier{work: make(chan struct{}, 1), send: send, packet: make([]byte, 0, MaxPacket)}
}

// run sends until ctx ends or a packet cannot be sent.
func (c *courier) run(ctx context.Context) error {
	defer c.abort()
	for {
		select {
		case <-c.work:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := c.carry(ctx); err != nil {
			return err
		}
	}
}

func (c *courier) carry(parent context.Context) error {
	c.mu.Lock()
	if c.ctx == nil || c.ctx.Err() != nil {
		c.ctx, c.cancel = context.WithCancel(parent)
	}
	ctx := c.ctx
	c.mu.Unlock()
	err := c.send(ctx, c.packet)
	c.mu.Lock()
	c.busy = false
	c.mu.Unlock()
	if ctx.Err() != nil && parent.Err() == nil {
		return nil // given up by put; the next one may find the way free
	}
	return err
}

// put takes a copy of the packet and returns at once. When the one before is still under way, that was given up long ago: it is
// taken back, and so is this one, and the far end will be found silent.
func (c *courier) put(packet []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy {
		if c.cancel != nil {
			c.cancel()
		}
		return
	}
	c.busy = true
	c.packet = append(c.packet[:0], packet...)
	c.work <- struct{}{}
}

// abort takes back what was put and not sent.
func (c *courier) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel()
	}
	c.ctx, c.cancel, c.busy = nil, nil, false
	select {
	case <-c.work:
	default:
	}
}
