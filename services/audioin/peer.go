package audioin

import (
	"sync"
	"time"
)

// peer is one microphone of a browser: its jitter buffer, between the reader of its socket and its stream.
type peer struct {
	rate    int
	decoded []float32 // the reader's own, as is what jitter has queued

	mu     sync.Mutex // guards the following fields
	jitter *jitter
	stream stream // nil while there is none
	taken  int64  // samples that the stream has taken
	end    int64  // of what was written to it, in samples since it was opened
}

func newPeer(cfg jitterConfig) *peer {
	return &peer{rate: cfg.rate, jitter: newJitter(cfg)}
}

// receive takes one message that came now.
func (p *peer) receive(msg []byte, now time.Time) {
	p.decoded = decode(p.decoded, msg, p.jitter.cfg.max)
	if to, skip, samples := p.next(len(msg)/sampleBytes, now); len(samples) > 0 {
		_ = to.Write(skip, samples) // its end is seen by play
	}
}

// next queues what was decoded of a message of n samples, and returns what is to be written, to which stream, and how
// far from the end of what was written before.
func (p *peer) next(n int, now time.Time) (to stream, skip int, samples []float32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// What decode left out counts as dropped.
	p.jitter.drop(n - len(p.decoded))
	if p.stream == nil || !p.follow(now) {
		p.jitter.drop(len(p.decoded))
		return nil, 0, nil
	}
	p.jitter.push(p.decoded)
	at, samples := p.jitter.unsent()
	if len(samples) == 0 { // an empty message: what was written before ends where it did
		return nil, 0, nil
	}
	begin := p.taken + int64(at)
	skip = int(begin - p.end)
	p.end = begin + int64(len(samples))
	return p.stream, skip, samples
}

// follow lets the stream take from the queue what it has taken by now. It reports false when it takes nothing.
func (p *peer) follow(now time.Time) bool {
	taken, ok := p.stream.Taken(now)
	n := int(taken - p.taken)
	switch {
	case !ok:
		p.jitter.forget()
	case n >= 0:
		p.jitter.play(n)
		p.taken = taken
	case n < -p.jitter.cfg.samples(stepBack): // it stood still meanwhile, and time with it
		p.jitter.forget()
		p.taken = taken
	}
	return ok
}

// stepBack is how far what a stream has taken may go back, since that is an estimate.
const stepBack = 30 * time.Millisecond

// attach says which stream plays the peer now.
func (p *peer) attach(s stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stream, p.taken, p.end = s, 0, 0
	p.jitter.forget()
}

// hush says that the peer is silent from now on, and returns for how long there is still sound to be played.
func (p *peer) hush(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jitter.end()
	if p.stream != nil {
		p.follow(now)
	}
	return p.time(int64(p.jitter.fill()))
}

// time is the duration of n samples.
func (p *peer) time(n int64) time.Duration {
	return time.Duration(float64(n) / float64(p.rate) * float64(time.Second))
}

// PeerReport is one microphone in /status. Times are in milliseconds.
type PeerReport struct {
	SampleRate  int     `json:"sample_rate"`
	DelayMS     float64 `json:"delay_ms"`    // sound that waits for its time now
	TargetMS    float64 `json:"target_ms"`   // the margin that is kept now
	DriftPPM    float64 `json:"drift_ppm"`   // how much faster the peer's clock runs than PulseAudio's
	Underruns   int64   `json:"underruns"`   // gaps, since messages came too late
	OverflowMS  float64 `json:"overflow_ms"` // dropped, since the queue was full
	DroppedMS   float64 `json:"dropped_ms"`  // taken out to follow the peer's clock or to catch up
	RepeatedMS  float64 `json:"repeated_ms"`
	Corrections int64   `json:"corrections"`
	Audible     int64   `json:"audible_corrections"`
	Playing     bool    `json:"playing"` // it has a stream in PulseAudio
}

func (p *peer) report(now time.Time) PeerReport {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stream != nil {
		p.follow(now)
	}
	s := p.jitter.stats
	ms := func(n int64) float64 { return float64(p.time(n).Microseconds()) / 1000 }
	return PeerReport{
		SampleRate: p.rate, DelayMS: ms(int64(p.jitter.fill())), TargetMS: ms(int64(p.jitter.target)),
		DriftPPM: s.ppm, Underruns: s.underruns, OverflowMS: ms(s.overflowed),
		DroppedMS: ms(s.dropped), RepeatedMS: ms(s.repeated),
		Corrections: s.corrections, Audible: s.audible, Playing: p.stream != nil,
	}
}
