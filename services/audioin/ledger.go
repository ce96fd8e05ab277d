package audioin

import (
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ledger knows the peers of now and what those before them counted. It is a prometheus.Collector: the hot paths count
// plain numbers, which are added up when somebody asks.
type ledger struct {
	refused  *prometheus.CounterVec
	reopened prometheus.Counter

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

func newLedger(reg prometheus.Registerer) *ledger {
	l := &ledger{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "refused_total", Help: "Microphones that were not let in, by reason.",
		}, []string{"reason"}),
		reopened: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streams_lost_total", Help: "Streams that PulseAudio ended while their peer was there.",
		}),
		here: make(map[*peer]struct{}),
	}
	for _, reason := range []string{"rate", "peers", "device"} {
		l.refused.WithLabelValues(reason)
	}
	reg.MustRegister(l.refused, l.reopened, l)
	return l
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

// The numbers of the collector.
var (
	descPeers     = prometheus.NewDesc("peers", "Microphones that are on now.", nil, nil)
	descDelay     = prometheus.NewDesc("delay_seconds", "Sound that waits in the queue of the microphone with the most, now.", nil, nil)
	descDrift     = prometheus.NewDesc("drift_ppm", "How much faster the clock of a microphone runs than PulseAudio's, where that is most, now.", nil, nil)
	descUnderruns = prometheus.NewDesc("underruns_total", "Gaps, since messages came too late.", nil, nil)
	descDropped   = prometheus.NewDesc("dropped_seconds_total", "Sound that was dropped, by reason.", []string{"reason"}, nil)
	descRepeated  = prometheus.NewDesc("repeated_seconds_total", "Sound that was repeated to follow the clocks of microphones.", nil, nil)
	descCorrected = prometheus.NewDesc("corrections_total", "Times that sound was taken out or repeated, by whether one may hear it.", []string{"heard"}, nil)
)

// Describe implements prometheus.Collector.
func (l *ledger) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descPeers, descDelay, descDrift, descUnderruns, descDropped, descRepeated, descCorrected,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (l *ledger) Collect(ch chan<- prometheus.Metric) {
	all, now := l.sums()
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	count := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge(descPeers, float64(now.peers))
	gauge(descDelay, now.delay/1000)
	gauge(descDrift, now.drift)
	count(descUnderruns, float64(all.underruns))
	count(descDropped, all.overflow/1000, "overflow")
	count(descDropped, all.dropped/1000, "clock")
	count(descRepeated, all.repeated/1000)
	count(descCorrected, float64(all.seamless), "no")
	count(descCorrected, float64(all.audible), "yes")
}
