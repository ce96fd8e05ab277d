package audioout

import (
	"sync"
	"time"
)

// fewPlayers are served by the publisher's own goroutine: to wake another would take longer than that.
const fewPlayers = 16

// publication is one publisher's turn: its own packets and clock, so that nothing of the one before is joined to it.
type publication struct {
	stream *stream
	cut    *packetizer

	sweep    turn // whose it is serves many players, beside the publisher, which that never holds up
	sweeping sync.WaitGroup
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
	skipped := p.cut.skipped
	r := p.cut.feed(b)
	players, ok := p.add(r, len(b), p.cut.skipped-skipped)
	if len(r.packets) > 0 {
		p.serve(players)
	}
	return ok
}

// add puts the run into the ring and returns whom to tell; false when the publisher's turn is over.
func (p *publication) add(r run, received int, skipped uint64) ([]*player, bool) {
	s := p.stream
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != p {
		return nil, false
	}
	s.count.received.Add(received)
	s.count.garbage.AddInt64(int64(skipped))
	if len(r.packets) > 0 {
		s.ring.append(r.packets, s.clock.advance(r, now), now)
		s.tables = append(append(s.tables[:0], p.cut.pat...), p.cut.pmt...)
	}
	return s.players, true
}

// serve lets the players have what is new.
func (p *publication) serve(players []*player) {
	if len(players) <= fewPlayers {
		for _, pl := range players {
			pl.serve()
		}
		return
	}
	if p.sweep.ask() {
		p.sweeping.Go(p.serveAll)
	}
}

// serveAll serves every player until there is nothing new. One goroutine does it: two were slower and took more time of
// the CPU, since most of it goes by in the kernel, on the way of each message through the network [measured, 2 cores].
func (p *publication) serveAll() {
	for {
		p.sweep.begin()
		for _, pl := range p.stream.all() {
			pl.serve()
		}
		if p.sweep.release() {
			return
		}
	}
}

// close waits for the one who serves beside the publisher.
func (p *publication) close() { p.sweeping.Wait() }
