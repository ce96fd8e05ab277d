package audioout

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"ghostaux/pkg/service"
	"ghostaux/pkg/ws"
)

// sink takes one player's messages, one goroutine at a time; cut may be called by any.
type sink interface {
	// send sends the tables, which are mostly empty, and the message; ask wants a sign from the peer when it has read them.
	// It never waits for the peer. It returns false when something is left, which flush must send before the next.
	send(tables []byte, m *message, ask bool) (all bool, err error)
	// flush blocks until the peer has taken what is left.
	flush() error
	// cut ends a flush, and the peer's connection.
	cut()
}

// player is one listener: a place in the ring. No goroutine belongs to it: whoever has news for it sends what there is, and
// only for the rest of what the peer does not take at once somebody waits. So one that is slow costs nothing else.
type player struct {
	stream *stream
	sink   sink
	flight *flight // nil for a player who cannot say what it has read
	addr   string
	kind   string // "websocket", "http"
	joined time.Time

	gone  atomic.Bool
	ended chan struct{} // closed once nobody sends any more, since end was called or a send has failed
	err   error         // of that send

	turn   turn         // whose it is may send; the following fields are his
	next   uint64       // number of the message to send next
	tables []byte       // to send first
	left   bool         // something is left for the sink's flush
	round  func() error // sendAll, made once

	mu      sync.Mutex    // guards the following fields
	at      time.Duration // sound up to the last message sent or dropped
	packets uint64        // the same in TS packets
	drops   uint64        // TS packets dropped
}

func newPlayer(s *stream, to sink, kind, addr string) *player {
	p := &player{stream: s, sink: to, kind: kind, addr: addr, joined: time.Now(), ended: make(chan struct{})}
	p.round = p.sendAll
	return p
}

// serve sends what there is for the player, and does not wait for the peer. Anybody may call it at any time.
func (p *player) serve() {
	if p.turn.ask() {
		p.work()
	}
}

// end ends all sending. It waits for the one who may be at it, and whom a cut of the sink sets free.
func (p *player) end() {
	p.gone.Store(true)
	if !p.turn.ask() {
		<-p.ended
	}
}

// work is done by who has the turn, and gives it back, unless nobody is to send any more.
func (p *player) work() {
	for {
		p.turn.begin()
		if err := service.Protect(p.round); err != nil {
			p.fail(err)
			return
		}
		if p.left {
			go p.wait()
			return
		}
		if p.gone.Load() {
			close(p.ended)
			return
		}
		if p.turn.release() {
			return
		}
	}
}

// wait goes on with the turn when the peer has taken what is left. It ends at the latest when the sink is cut.
func (p *player) wait() {
	p.left = false
	if err := service.Protect(p.sink.flush); err != nil {
		p.fail(err)
		return
	}
	p.work()
}

func (p *player) fail(err error) {
	p.err = err
	if !errors.Is(err, ws.ErrClosing) { // who closes tells the peer why, and a cut would come between
		p.sink.cut()
	}
	close(p.ended)
}

// sendAll sends messages until there is none, or one is not taken at once.
func (p *player) sendAll() error {
	for !p.gone.Load() && !p.left {
		m, ask := p.take()
		if m == nil {
			return nil
		}
		all, err := p.sink.send(p.tables, m, ask)
		if err != nil {
			return err
		}
		p.tables, p.left = nil, !all
		p.stream.count.sent.Add(m.data - m.body)
	}
	return nil
}

// take returns the next message, and whether to ask the peer for a sign, or nil when there is none to send now.
// Whoever lags too far is put to the newest message in one step: what lies between is one short gap to hear, while
// packets dropped one by one would crackle for long.
func (p *player) take() (m *message, ask bool) {
	if p.flight != nil && p.flight.hold() {
		return nil, false
	}
	m, newest := p.stream.ring.get(p.next)
	if m == nil {
		return nil, false
	}
	jump := m.seq != p.next || newest != m && p.late(m, newest)
	reason := dropLag
	if jump {
		m = newest
		if p.stream.ring.overrun(p.next) {
			reason = dropOverrun
		}
	}
	sound := p.move(m, jump, reason)
	p.next = m.seq + 1
	if p.flight != nil {
		ask = p.flight.take(m, sound)
	}
	return m, ask
}

// late reports whether m is too old to be sent. A publisher that sends faster than real time makes nobody late who
// is served at once: then little time has passed, however much sound has come.
func (p *player) late(m, newest *message) bool {
	lag := newest.at - m.at
	if lag <= p.stream.maxLag/4 {
		return false
	}
	allowed := p.stream.maxLag
	if p.flight != nil {
		allowed = p.flight.allowance()
	}
	return lag > allowed && time.Since(m.received) > allowed
}

// move notes m as the player's place and returns how much sound it brings.
func (p *player) move(m *message, jumped bool, reason string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	sound := m.at - p.at
	if jumped {
		lost := m.packets - uint64((m.data-m.body)/packetSize) - p.packets
		p.drops += lost
		p.stream.count.dropped.With(reason).AddInt64(int64(lost))
		p.stream.count.jumps.Inc()
		sound = 0
	}
	p.at, p.packets = m.at, m.packets
	return sound
}

// lag is the sound that was published and not yet sent to this player.
func (p *player) lag() time.Duration {
	newest := p.stream.ring.newest()
	if newest == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, newest.at-p.at)
}

// socket is the sink of a WebSocket.
type socket struct {
	*ws.Conn
}

func (s socket) send(tables []byte, m *message, ask bool) (bool, error) {
	if len(tables) > 0 {
		return s.WriteFrames(newMessage(m.seq, append(tables, m.ts()...)).frame)
	}
	if ask {
		return s.WriteFrames(m.frame)
	}
	return s.WriteFrames(m.frame[:m.data])
}

func (s socket) flush() error { return s.Flush() }
func (s socket) cut()         { s.Cut() }

// pong is called at every pong, with its payload.
func (p *player) pong(payload []byte) {
	if p.flight.pong(payload) {
		p.serve()
	}
}
