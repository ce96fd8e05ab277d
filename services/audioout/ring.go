package audioout

import (
	"encoding/binary"
	"sync"
	"time"

	"ghostaux/pkg/ws"
)

const (
	ringSlots = 1024    // messages kept at most
	ringBytes = 4 << 20 // bytes kept at most
	seqBytes  = 8       // payload of the ping that goes with a message: its number
)

// message is one burst of the publisher. It never changes once it is in the ring, so all players send the same bytes.
type message struct {
	seq      uint64
	at       time.Duration // sound published up to its end, since the process began
	received time.Time
	packets  uint64 // TS packets published up to its end
	frame    []byte // a WebSocket data frame, and behind it a ping frame that carries seq
	body     int    // where the TS packets begin in frame
	data     int    // where the data frame ends
}

func (m *message) ts() []byte { return m.frame[m.body:m.data] }

// newMessage frames the packets. The ping frame stands ready behind the data, so that a player who wants to know how
// far its peer has read sends both with one write and builds nothing.
func newMessage(seq uint64, packets []byte) *message {
	frame := make([]byte, 0, len(packets)+2*ws.FrameRoom+seqBytes)
	frame = ws.AppendFrame(frame, ws.Binary, packets)
	m := &message{seq: seq, data: len(frame), body: len(frame) - len(packets)}
	var payload [seqBytes]byte
	binary.BigEndian.PutUint64(payload[:], seq)
	m.frame = ws.AppendPing(frame, payload[:])
	return m
}

// ring is the recent past of the one stream, shared by all players: each of them is only a number in it. Its bounds are
// messages, bytes and age, whatever a publisher sends and however slow a player is.
type ring struct {
	keep time.Duration // sound, and time, after which nobody wants a message any more

	mu     sync.Mutex // guards the following fields
	slots  [ringSlots]*message
	tail   uint64   // number of the oldest message kept
	next   uint64   // number of the next message
	bytes  int      // kept now
	last   *message // the newest, nil before the first
	outran uint64   // below this number a message went before its time, since a publisher sends too much
}

// append adds a message of so much sound and lets the oldest go.
func (r *ring) append(packets []byte, sound time.Duration, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := newMessage(r.next, packets)
	m.received = now
	m.at, m.packets = sound, uint64(len(packets)/packetSize)
	if r.last != nil {
		m.at += r.last.at
		m.packets += r.last.packets
	}
	for r.tail < r.next && (r.stale(m) || r.full(m)) {
		if !r.stale(m) {
			r.outran = r.tail + 1
		}
		r.drop()
	}
	r.slots[r.next%ringSlots] = m
	r.next++
	r.bytes += len(m.frame)
	r.last = m
}

// stale runs with mu held, as full and drop do.
func (r *ring) stale(m *message) bool {
	oldest := r.slots[r.tail%ringSlots]
	return m.at-oldest.at > r.keep && m.received.Sub(oldest.received) > r.keep
}

func (r *ring) full(m *message) bool {
	return r.next-r.tail == ringSlots || r.bytes+len(m.frame) > ringBytes
}

func (r *ring) drop() {
	slot := &r.slots[r.tail%ringSlots]
	r.bytes -= len((*slot).frame)
	*slot = nil
	r.tail++
}

// live is the number that the next message will have.
func (r *ring) live() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next
}

// newest returns the newest message, nil before the first.
func (r *ring) newest() *message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// get returns message seq and the newest. It is nil when seq has not come yet, and the newest when seq is gone.
func (r *ring) get(seq uint64) (m, newest *message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case seq >= r.next:
		return nil, r.last
	case seq < r.tail:
		return r.last, r.last
	}
	return r.slots[seq%ringSlots], r.last
}

// overrun reports whether message seq went before its time.
func (r *ring) overrun(seq uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return seq < r.outran
}
