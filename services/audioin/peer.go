package audioin

import (
	"sync"
	"time"
)

// peer is one microphone of a browser: its jitter buffer, between the reader of its socket and its stream's pulls.
type peer struct {
	rate int

	decoded []float32 // the reader's own
	pulled  []float32 // the stream's own

	mu         sync.Mutex // guards the following fields
	jitter     *jitter
	underflows int64 // of streams that have ended
	stream     stream
	latency    time.Duration // what the stream is asked for now
}

func newPeer(cfg jitterConfig) *peer {
	return &peer{rate: cfg.rate, jitter: newJitter(cfg)}
}

// receive takes one message.
func (p *peer) receive(msg []byte) {
	p.decoded = decode(p.decoded, msg, p.jitter.cfg.max)
	p.mu.Lock()
	defer p.mu.Unlock()
	// What decode left out counts as dropped.
	skipped := int64(len(msg)/sampleBytes - len(p.decoded))
	p.jitter.stats.pushed += skipped
	p.jitter.stats.overflowed += skipped
	p.jitter.push(p.decoded)
}

// pull fills p with the next sound for the stream.
func (p *peer) pull(out []byte) {
	n := len(out) / sampleBytes
	if cap(p.pulled) < n {
		p.pulled = make([]float32, n)
	}
	samples := p.pulled[:n]
	p.mu.Lock()
	p.jitter.pull(samples)
	p.mu.Unlock()
	encode(out, samples)
}

// skip lets the time of n bytes pass in which the stream played nothing.
func (p *peer) skip(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jitter.skip(n / sampleBytes)
}

// attach says which stream plays the peer now.
func (p *peer) attach(s stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stream != nil {
		p.underflows += p.stream.Underflows()
	}
	p.stream = s
}

// asked notes what latency the stream is asked for.
func (p *peer) asked(latency time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency = latency
}

// pad puts silence of that length in front of what is queued.
func (p *peer) pad(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jitter.pad(p.jitter.cfg.samples(d))
}

// end says that the peer is silent from now on, and returns for how long there is still sound to be played.
func (p *peer) end() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jitter.end()
	return p.time(int64(p.jitter.fill()))
}

// time is the duration of n samples.
func (p *peer) time(n int64) time.Duration {
	return time.Duration(float64(n) / float64(p.rate) * float64(time.Second))
}

// PeerReport is one microphone in /status. Times are in milliseconds.
type PeerReport struct {
	SampleRate  int     `json:"sample_rate"`
	DelayMS     float64 `json:"delay_ms"`  // sound that waits in our queue now
	TargetMS    float64 `json:"target_ms"` // the margin that is kept now
	StreamMS    float64 `json:"stream_ms"` // what PulseAudio may keep beyond that now
	DriftPPM    float64 `json:"drift_ppm"` // how much faster the peer's clock runs than PulseAudio's
	Underruns   int64   `json:"underruns"` // gaps, since messages came too late
	Underflows  int64   `json:"underflows"`
	OverflowMS  float64 `json:"overflow_ms"` // dropped, since the queue was full
	DroppedMS   float64 `json:"dropped_ms"`  // taken out to follow the peer's clock or to catch up
	RepeatedMS  float64 `json:"repeated_ms"`
	Corrections int64   `json:"corrections"`
	Audible     int64   `json:"audible_corrections"`
	Playing     bool    `json:"playing"` // it has a stream in PulseAudio
}

func (p *peer) report() PeerReport {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.jitter.stats
	ms := func(n int64) float64 { return float64(p.time(n).Microseconds()) / 1000 }
	r := PeerReport{
		SampleRate: p.rate, DelayMS: ms(int64(p.jitter.fill())), TargetMS: ms(int64(p.jitter.target)),
		StreamMS: float64(p.latency.Microseconds()) / 1000,
		DriftPPM: s.ppm, Underruns: s.underruns, Underflows: p.underflows, OverflowMS: ms(s.overflowed),
		DroppedMS: ms(s.dropped), RepeatedMS: ms(s.repeated),
		Corrections: s.corrections, Audible: s.audible, Playing: p.stream != nil,
	}
	if p.stream != nil {
		r.Underflows += p.stream.Underflows()
	}
	return r
}
