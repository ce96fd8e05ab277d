package audioout

import (
	"sync"
	"sync/atomic"
	"time"

	"ghostaux/pkg/ws"
)

// sink takes one player's messages. Its send blocks while the peer takes nothing.
type sink interface {
	// first sends the tables, which may be empty, and the first message.
	first(tables []byte, m *message) error
	// send sends a message; ask wants a sign from the peer when it has read it.
	send(m *message, ask bool) error
}

// player is one listener: a place in the ring. One that is slow costs nothing but that.
type player struct {
	stream *stream
	sink   sink
	flight *flight // nil for a player who cannot say what it has read
	addr   string
	kind   string // "websocket", "http"
	joined time.Time

	wake chan struct{} // holds one token when there may be something to do
	gone atomic.Bool

	next   uint64 // number of the message to send next; the writer's alone, like tables
	tables []byte // to send first

	mu      sync.Mutex    // guards the following fields
	at      time.Duration // sound up to the last message sent or dropped
	packets uint64        // the same in TS packets
	drops   uint64        // TS packets dropped
}

func newPlayer(s *stream, to sink, kind, addr string) *player {
	return &player{stream: s, sink: to, kind: kind, addr: addr, joined: time.Now(), wake: make(chan struct{}, 1)}
}

// notify wakes the writer and never waits.
func (p *player) notify() { offer(p.wake) }

// end makes write return, once the send that may be under way has.
func (p *player) end() {
	p.gone.Store(true)
	p.notify()
}

// write sends messages as they come, until end is called or one cannot be sent.
func (p *player) write() error {
	first := true
	for !p.gone.Load() {
		m, ask := p.take()
		if m == nil {
			<-p.wake
			continue
		}
		var err error
		if first {
			err = p.sink.first(p.tables, m)
			first, p.tables = false, nil
		} else {
			err = p.sink.send(m, ask)
		}
		if err != nil {
			return err
		}
		p.stream.count.sent.Add(float64(m.data - m.body))
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
		p.stream.count.dropped.WithLabelValues(reason).Add(float64(lost))
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
	conn *ws.Conn
}

func (s socket) first(tables []byte, m *message) error {
	if len(tables) == 0 {
		return s.send(m, true)
	}
	joined := newMessage(m.seq, append(tables, m.ts()...))
	return s.conn.WriteFrames(joined.frame)
}

func (s socket) send(m *message, ask bool) error {
	if ask {
		return s.conn.WriteFrames(m.frame)
	}
	return s.conn.WriteFrames(m.frame[:m.data])
}
