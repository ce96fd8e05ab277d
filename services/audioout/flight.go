package audioout

import (
	"encoding/binary"
	"sync"
	"time"
)

const (
	flightBytes = 128 << 10 // on the way to one player at most, at any rate
	flightPings = 8         // unanswered at most
	totalLags   = 2         // a player who resumes hears at most so many --audioout-max-lag of the past
)

// flight knows how much sound is on the way to a WebSocket player: sent and perhaps not read. Socket buffers, ours and the
// peer's and those of every proxy between, would take many seconds for a player who has stopped reading, and he
// would hear them all when he goes on. A pong says that the peer has read everything before its ping, through any number of
// proxies; so a ping goes with the sound every three quarters of max-lag, and when too much is unanswered the player is held: what
// follows waits in the ring, where it can still be dropped.
type flight struct {
	maxLag time.Duration

	mu     sync.Mutex // guards the following fields
	sent   mark       // up to here sent
	read   mark       // up to here certainly read by the peer
	asked  [flightPings]mark
	asks   int
	rtt    time.Duration // the shortest of late; 0 before the first pong
	held   bool
	waited bool // held since the last message was sent
}

// mark is a place in what a player was sent.
type mark struct {
	seq   uint64
	sound time.Duration // to this player, what he was spared left out
	bytes int64         // to this player
	when  time.Time
}

// budget is how much sound may be on the way: a round trip's worth beside the lag that is allowed.
func (f *flight) budget() time.Duration {
	return f.maxLag + min(f.rtt, f.maxLag*6/10)
}

// hold reports whether the player must wait for a pong.
func (f *flight) hold() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = f.asks > 0 &&
		(f.sent.sound-f.read.sound >= f.budget() || f.sent.bytes-f.read.bytes >= flightBytes)
	f.waited = f.waited || f.held
	return f.held
}

// allowance is the lag in the ring that the next message may have.
func (f *flight) allowance() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.waited {
		return f.maxLag
	}
	return max(0, min(f.maxLag, totalLags*f.maxLag-f.budget()-f.maxLag/10))
}

// take notes m, with so much sound, as sent; before it is written, so that the pong cannot come earlier. It reports
// whether the ping should go with it.
func (f *flight) take(m *message, sound time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.sent.bytes == 0
	f.waited = false
	f.sent = mark{seq: m.seq, sound: f.sent.sound + sound, bytes: f.sent.bytes + int64(len(m.frame))}
	last := f.read
	if f.asks > 0 {
		last = f.asked[f.asks-1]
	}
	due := first || f.sent.sound-last.sound >= f.maxLag*3/4 || f.sent.bytes-last.bytes >= flightBytes/4
	if !due || f.asks == flightPings {
		return false
	}
	f.sent.when = time.Now()
	f.asked[f.asks] = f.sent
	f.asks++
	return true
}

// pong takes the payload of a pong, and reports whether it ends a hold. What does not answer one of our pings says nothing.
func (f *flight) pong(payload []byte) (resume bool) {
	if len(payload) != seqBytes {
		return false
	}
	seq := binary.BigEndian.Uint64(payload)
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, m := range f.asked[:f.asks] {
		if m.seq != seq {
			continue
		}
		f.read = m
		f.asks = copy(f.asked[:], f.asked[i+1:f.asks])
		f.measure(time.Since(m.when))
		resume = f.held
		f.held = false
		return resume
	}
	return false
}

// measure keeps the shortest round trip and lets it rise slowly, as paths change.
func (f *flight) measure(rtt time.Duration) {
	if f.rtt == 0 || rtt < f.rtt {
		f.rtt = rtt
		return
	}
	f.rtt += (rtt - f.rtt) / 64
}

// measures are the sound that the peer has not confirmed, and the shortest round trip of late.
func (f *flight) measures() (inFlight, rtt time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent.sound - f.read.sound, f.rtt
}
