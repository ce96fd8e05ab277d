package gamepad

import (
	"sync"
	"sync/atomic"
	"time"
)

// maxPeers bounds the sockets that share the four slots.
const maxPeers = 32

// board is where the peers' goroutines leave what they want and Run takes it. There is no queue: each slot has one
// wanted state, so a peer that sends too much makes nobody wait.
type board struct {
	wake   chan struct{}       // for Run: something changed
	writer atomic.Pointer[run] // writes states at once, in the goroutine of their peer; nil while there is no device

	mu    sync.Mutex // guards the following fields
	pads  pads
	since [Slots]time.Time // when the oldest state that Run has not taken was read
	peers map[*holder]*peer
}

func newBoard() *board {
	return &board{wake: make(chan struct{}, 1), peers: make(map[*holder]*peer)}
}

// order is what Run is to do with one slot.
type order struct {
	state State
	held  bool      // by a peer
	since time.Time // when the peer's message was read; zero when it comes of no message
}

// take fills orders for those of the slots that changed since they were last taken, and returns their bits; rest are the
// bits of the others that did.
func (b *board) take(orders *[Slots]order, slots uint8) (dirty, rest uint8) {
	b.mu.Lock()
	defer b.mu.Unlock()
	dirty, rest = b.pads.dirty&slots, b.pads.dirty&^slots
	b.pads.dirty = rest
	for i := range orders {
		if dirty>>i&1 == 0 {
			continue
		}
		state, held := b.pads.wanted(i)
		orders[i] = order{state: state, held: held, since: b.since[i]}
		b.since[i] = time.Time{}
	}
	return dirty, rest
}

// all makes the next take return every slot.
func (b *board) all() {
	b.mu.Lock()
	b.pads.dirty = 1<<Slots - 1
	b.mu.Unlock()
	b.notify()
}

func (b *board) notify() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// join adds a peer, unless there are too many.
func (b *board) join(p *peer) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.peers) >= maxPeers {
		return false
	}
	b.peers[&p.holder] = p
	return true
}

// leave releases all that the peer holds.
func (b *board) leave(p *peer) {
	b.mu.Lock()
	delete(b.peers, &p.holder)
	b.pads.leave(&p.holder)
	b.mu.Unlock()
	b.notify()
}

// told is what apply made of a message.
type told struct {
	unplaced, replaced int  // rows without a slot; states that Run had not taken yet
	holding            bool // the peer has something pressed
}

// apply takes a message of a peer that was read at now.
func (b *board) apply(p *peer, m *message, now time.Time) (t told) {
	b.mu.Lock()
	before := b.pads.dirty
	named := b.pads.apply(&p.holder, m)
	if m.kind == states {
		t.unplaced = m.count - named
		for i := range m.rows[:m.count] {
			slot := m.rows[i].slot
			if slot == noSlot {
				continue
			}
			if before>>slot&1 != 0 {
				t.replaced++
			}
			if b.since[slot].IsZero() {
				b.since[slot] = now
			}
		}
	}
	t.holding = b.pads.holds(&p.holder)
	changed := b.pads.dirty != 0
	b.mu.Unlock()
	if writer := b.writer.Load(); changed && (writer == nil || !writer.deliver()) {
		b.notify()
	}
	return t
}

// miss releases what a peer holds if it has been silent for the time, until find. It reports whether it is missing.
func (b *board) miss(p *peer, silent time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	heard := p.heard.Load()
	if time.Since(time.Unix(0, heard)) < silent {
		return false
	}
	p.missing.Store(true)
	if p.heard.Load() != heard { // hear stores before it looks whether the peer is missing, so one of the two sees the other
		p.missing.Store(false)
		return false
	}
	b.pads.miss(&p.holder)
	b.notify()
	return true
}

// find gives back what a missing peer held.
func (b *board) find(p *peer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.missing.Store(false)
	b.pads.find(&p.holder)
	b.notify()
}

func (b *board) holding(p *peer) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pads.holds(&p.holder)
}

// holderOf is the peer whose pad is in the slot, nil for nobody.
func (b *board) holderOf(slot int) *peer {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.peers[b.pads.slots[slot].holder]
}

// report counts the peers, and says which slots are held.
func (b *board) report() (peers int, held [Slots]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range held {
		held[i] = b.pads.slots[i].holder != nil
	}
	return len(b.peers), held
}
