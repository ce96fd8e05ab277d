package ws

import (
	"context"
	"time"
)

// Defaults of Options. Proxies cut sockets that are silent for 60 s (nginx's default), and a peer
// that vanished without a word must be gone within a minute.
const (
	DefaultPingEvery = 20 * time.Second
	DefaultPingDead  = 50 * time.Second
)

// keepAlive is the timer's goroutine: one ping, and the next date. It costs a peer no goroutine in between.
func (c *Conn) keepAlive() {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.pinging.Add(1)
	c.mu.Unlock()
	defer c.pinging.Done()

	if c.silence() < c.opts.PingDead {
		c.ping()
	}
	wait := c.opts.PingDead - c.silence()
	if wait <= 0 {
		c.sockets.lost.Inc()
		c.Cut()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.timer.Reset(min(wait, c.opts.PingEvery))
	}
}

// ping asks for a sign of life. Its failure is not the connection's: a write that blocks behind a slow message says
// nothing about the peer, only PingDead does. With frames it does not even wait; else the pong has until the next date.
func (c *Conn) ping() {
	if c.opts.Frames {
		_, _ = c.WriteFrames(AppendPing(nil, nil))
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.opts.PingEvery*3/4)
	defer cancel()
	_ = c.ws.Ping(ctx)
}

func (c *Conn) onPong(_ context.Context, payload []byte) {
	c.heard.Store(time.Now().UnixNano())
	if c.opts.OnPong != nil {
		c.opts.OnPong()
	}
	if c.opts.OnPongData != nil {
		c.opts.OnPongData(payload)
	}
}

// silence is the time since the peer was last heard.
func (c *Conn) silence() time.Duration {
	return time.Duration(time.Now().UnixNano() - c.heard.Load())
}

// Ping sends a ping now and returns when the pong has come, ctx ends, or the connection closes.
func (c *Conn) Ping(ctx context.Context) error { return c.ws.Ping(ctx) }
