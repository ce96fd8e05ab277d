package audioout

import (
	"slices"
	"sync"
	"time"
)

// stream is what is playing: the ring, and who listens. Publishers append to it, one at a time.
type stream struct {
	ring   ring
	maxLag time.Duration
	count  *counters

	mu      sync.Mutex // guards the following fields
	players []*player
	tables  []byte     // the latest PAT and PMT
	clock   soundClock // of the publisher
	current *publication
	changed func() // called, without waiting, when the number of players did
}

func newStream(maxLag time.Duration, count *counters) *stream {
	return &stream{maxLag: maxLag, count: count, ring: ring{keep: totalLags * maxLag}}
}

// onPlayers sets what is called whenever the number of players changes; it must not block.
func (s *stream) onPlayers(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = f
}

// join adds a player, who hears what is published from now on.
func (s *stream) join(p *player) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.next = s.ring.live()
	if m := s.ring.newest(); m != nil {
		p.at, p.packets = m.at, m.packets
	}
	p.tables = slices.Clone(s.tables)
	s.players = append(s.players, p)
	s.tell()
}

// leave removes the player.
func (s *stream) leave(p *player) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.players, p)
	s.players = slices.Delete(s.players, i, i+1)
	s.tell()
}

// tell runs with mu held.
func (s *stream) tell() {
	s.count.players.Set(float64(len(s.players)))
	if s.changed != nil {
		s.changed()
	}
}

// all returns the players of this moment.
func (s *stream) all() []*player {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.players)
}

// len is the number of players.
func (s *stream) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.players)
}

// publication is one publisher's turn: its own packets and clock, so that nothing of the one before is joined to it.
type publication struct {
	stream *stream
	cut    *packetizer
}

// open begins a publisher's turn and ends that of the one before.
func (s *stream) open() *publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = soundClock{}
	s.tables = s.tables[:0]
	s.current = &publication{stream: s, cut: newPacketizer()}
	return s.current
}

// write publishes what one read of the publisher returned, and never waits for a player. It returns false when the
// publisher's turn is over.
func (p *publication) write(b []byte) bool {
	s := p.stream
	skipped := p.cut.skipped
	r := p.cut.feed(b)
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != p {
		return false
	}
	s.count.received.Add(float64(len(b)))
	s.count.garbage.Add(float64(p.cut.skipped - skipped))
	if len(r.packets) == 0 {
		return true
	}
	s.ring.append(r.packets, s.clock.advance(r, now), now)
	s.tables = append(append(s.tables[:0], p.cut.pat...), p.cut.pmt...)
	for _, pl := range s.players {
		pl.notify()
	}
	return true
}
