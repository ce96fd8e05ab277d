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
	players []*player  // this slice is never changed, only replaced
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
	s.players = append(slices.Clip(s.players), p)
	s.tell()
}

// leave removes the player.
func (s *stream) leave(p *player) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.players, p)
	s.players = slices.Concat(s.players[:i], s.players[i+1:])
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
	return s.players
}

// len is the number of players.
func (s *stream) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.players)
}
