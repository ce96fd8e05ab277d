package audioin

import (
	"math"
	"sync"
	"time"

	"ghostaux/pkg/metrics"
)

// ledger knows the peers of now and what those before them counted: the hot paths count plain numbers, which are added up
// when somebody asks.
type ledger struct {
	refused  metrics.Counters
	reopened *metrics.Counter

	mu   sync.Mutex // guards the following fields
	here map[*peer]struct{}
	past totals
}

// totals add up reports. Times are in milliseconds.
type totals struct {
	peers, underruns, seamless, audible int64
	overflow, dropped, repeated         float64
	delay, drift                        float64 // the largest
}

func (t *totals) add(r PeerReport) {
	t.peers++
	t.underruns += r.Underruns
	t.audible += r.Audible
	t.seamless += r.Corrections - r.Audible
	t.overflow += r.OverflowMS
	t.dropped += r.DroppedMS
	t.repeated += r.RepeatedMS
	t.delay = max(t.delay, r.DelayMS)
	if math.Abs(r.DriftPPM) > math.Abs(t.drift) {
		t.drift = r.DriftPPM
	}
}

func newLedger(reg *metrics.Registry) *ledger {
	l := &ledger{
		refused:  reg.Counters("refused_total", "Microphones that were not let in, by reason.", "reason"),
		reopened: reg.Counter("streams_lost_total", "Streams that PulseAudio ended while their peer was there."),
		here:     make(map[*peer]struct{}),
	}
	for _, reason := range []string{"rate", "peers", "device"} {
		l.refused.With(reason)
	}
	l.tell(reg)
	return l
}

// tell has the registry ask for the sums.
func (l *ledger) tell(reg *metrics.Registry) {
	now := func(of func(t totals) float64) func() float64 {
		return func() float64 { _, now := l.sums(); return of(now) }
	}
	all := func(of func(t totals) float64) func() float64 {
		return func() float64 { all, _ := l.sums(); return of(all) }
	}
	type by = map[string]func() float64
	reg.GaugeFunc("peers", "Microphones that are on now.", now(func(t totals) float64 { return float64(t.peers) }))
	reg.GaugeFunc("delay_seconds", "Sound that waits in the queue of the microphone with the most, now.",
		now(func(t totals) float64 { return t.delay / 1000 }))
	reg.GaugeFunc("drift_ppm", "How much faster the clock of a microphone runs than PulseAudio's, where that is most, now.",
		now(func(t totals) float64 { return t.drift }))
	reg.CounterFunc("underruns_total", "Gaps, since messages came too late.",
		all(func(t totals) float64 { return float64(t.underruns) }))
	reg.CounterFuncs("dropped_seconds_total", "Sound that was dropped, by reason.", "reason", by{
		"overflow": all(func(t totals) float64 { return t.overflow / 1000 }),
		"clock":    all(func(t totals) float64 { return t.dropped / 1000 }),
	})
	reg.CounterFunc("repeated_seconds_total", "Sound that was repeated to follow the clocks of microphones.",
		all(func(t totals) float64 { return t.repeated / 1000 }))
	reg.CounterFuncs("corrections_total", "Times that sound was taken out or repeated, by whether one may hear it.", "heard", by{
		"no":  all(func(t totals) float64 { return float64(t.seamless) }),
		"yes": all(func(t totals) float64 { return float64(t.audible) }),
	})
}

// enter lets a peer in unless there are too many.
func (l *ledger) enter(p *peer, most int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.here) >= most {
		return false
	}
	l.here[p] = struct{}{}
	return true
}

func (l *ledger) leave(p *peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.here, p)
	l.past.add(p.report(time.Now()))
}

// reports are the peers of now, in no order.
func (l *ledger) reports() []PeerReport {
	l.mu.Lock()
	defer l.mu.Unlock()
	reports := make([]PeerReport, 0, len(l.here))
	for p := range l.here {
		reports = append(reports, p.report(time.Now()))
	}
	return reports
}

// sums are the totals since the start, and the number of peers and their largest delay and drift now.
func (l *ledger) sums() (all totals, now totals) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all = l.past
	for p := range l.here {
		r := p.report(time.Now())
		all.add(r)
		now.add(r)
	}
	return all, now
}
