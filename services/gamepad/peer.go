package gamepad

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"ghostaux/pkg/metrics"
	"ghostaux/pkg/service"
	"ghostaux/pkg/ws"
)

// A peer that vanishes sends no goodbye, and a held button sends nothing, so silence alone says nothing: the peer is
// asked. While it has something pressed it gets a ping every pingEvery; when it has not been heard for missingAfter
// (no pong, no message), what it pressed is released. The release comes within missingAfter+pingEvery/2, less than a
// second after the peer vanished; a stall of the network of half a second passes unnoticed. The socket stays open for
// as long as keep-alive lets it, and what was held comes back with the first sign of life.
const (
	pingEvery    = 200 * time.Millisecond
	missingAfter = 700 * time.Millisecond
)

// peer is one socket.
type peer struct {
	holder holder // guarded by the board
	conn   *ws.Conn
	board  *board
	count  *counters

	heard   atomic.Int64 // unix nanoseconds
	missing atomic.Bool
	pressed chan struct{} // for watch: something is held now

	rumbled chan struct{} // for write: something to send
	mu      sync.Mutex    // guards the following fields
	rumbles [Slots]vibration
	unsent  uint8 // bit per slot
}

func newPeer(b *board, c *counters) *peer {
	return &peer{board: b, count: c, pressed: make(chan struct{}, 1), rumbled: make(chan struct{}, 1)}
}

// hear notes a sign of life at now.
func (p *peer) hear(now time.Time) {
	p.heard.Store(now.UnixNano())
	if p.missing.Load() {
		p.board.find(p)
		p.press()
	}
}

func (p *peer) press() {
	select {
	case p.pressed <- struct{}{}:
	default:
	}
}

// serve works until the socket ends.
func (p *peer) serve(ctx context.Context) error {
	group, ctx := service.NewGroup(ctx)
	stop := context.AfterFunc(ctx, p.conn.Cut) // ends a blocked read or write
	defer stop()
	group.Go(func() error { return p.read(ctx) })
	group.Go(func() error { return p.write(ctx) })
	group.Go(func() error { return p.watch(ctx) })
	return group.Wait()
}

// errEnded ends the peer's group when its socket has been closed in good order.
var errEnded = errors.New("socket ended")

// read takes the peer's messages until the socket ends, or must be closed.
func (p *peer) read(ctx context.Context) error {
	var (
		buf = make([]byte, 4<<10)
		m   message
		b   bucket
	)
	for {
		typ, msg, err := p.conn.Read(buf)
		if err != nil {
			if ws.IsTooBig(err) {
				p.count.malformed.Inc()
			}
			return errEnded
		}
		now := time.Now()
		p.hear(now)
		p.count.messages.Inc()
		if typ != ws.Text {
			return p.refuse(ws.UnsupportedData, "messages are text", p.count.malformed)
		}
		if err := decode(msg, &m); err != nil {
			code := ws.InvalidPayload
			if errors.Is(err, errSlot) || errors.Is(err, errTooMany) {
				code = ws.PolicyViolation
			}
			return p.refuse(code, err.Error(), p.count.malformed)
		}
		p.apply(&m, now)
		wait, tooFast := b.take(m.rowCount(), now)
		if tooFast {
			return p.refuse(ws.PolicyViolation, "more than "+strconv.Itoa(rowRate)+" state rows a second", p.count.tooFast)
		}
		if wait > 0 && !sleep(ctx, wait) {
			return errEnded
		}
		if cap(msg) > cap(buf) {
			buf = msg[:cap(msg)]
		}
	}
}

func (p *peer) apply(m *message, now time.Time) {
	t := p.board.apply(p, m, now)
	if m.kind == states {
		p.count.rows.Add(m.count)
		p.count.unplaced.Add(t.unplaced)
		p.count.replaced.Add(t.replaced)
	}
	if t.holding {
		p.press()
	}
}

// watch pings while something is held.
func (p *peer) watch(ctx context.Context) error {
	var pings sync.WaitGroup
	defer pings.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.pressed:
		}
		if !p.attend(ctx, &pings) {
			return nil
		}
	}
}

// attend returns when nothing is held any more or the peer is missing; false when ctx has ended.
func (p *peer) attend(ctx context.Context, pings *sync.WaitGroup) bool {
	tick := time.NewTicker(pingEvery / 2)
	defer tick.Stop()
	for n := 0; p.board.holding(p); n++ {
		if n%2 == 0 {
			// The pong, however late, is heard in read; waiting for it here would make the next ping late.
			pings.Go(func() { _ = p.conn.Ping(ctx) })
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		if p.board.miss(p, missingAfter) {
			p.count.missed.Inc()
			return true
		}
	}
	return true
}

// refuse closes the socket and says why.
func (p *peer) refuse(code ws.Code, reason string, count *metrics.Counter) error {
	count.Inc()
	p.conn.Close(code, reason)
	return errEnded
}

// rumble leaves a message for write; a newer one for the same slot replaces it.
func (p *peer) rumble(slot int, v vibration) {
	p.mu.Lock()
	if p.unsent>>slot&1 != 0 {
		p.count.rumblesLost.Inc()
	}
	p.rumbles[slot] = v
	p.unsent |= 1 << slot
	p.mu.Unlock()
	select {
	case p.rumbled <- struct{}{}:
	default:
	}
}

// write sends the rumble messages.
func (p *peer) write(ctx context.Context) error {
	var buf []byte
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.rumbled:
		}
		p.mu.Lock()
		rumbles, unsent := p.rumbles, p.unsent
		p.unsent = 0
		p.mu.Unlock()
		for slot := range Slots {
			if unsent>>slot&1 == 0 {
				continue
			}
			buf = appendRumble(buf[:0], slot, rumbles[slot])
			if err := p.conn.Write(ws.Text, buf); err != nil {
				return errEnded
			}
			p.count.rumbles.Inc()
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
