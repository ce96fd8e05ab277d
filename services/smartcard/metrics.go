package smartcard

import "github.com/prometheus/client_golang/prometheus"

// reason is why a packet of a far end was not used.
type reason uint8

const (
	malformed  reason = iota // not a packet, or not an answer
	duplicate                // nothing was asked: another viewer's, or too late
	stale                    // cannot be the answer of what was asked
	orphaned                 // the application that asked is gone
	reasonsEnd               // number of reasons
)

func (r reason) String() string {
	return [reasonsEnd]string{"malformed", "duplicate", "stale", "orphaned"}[r]
}

// metrics are the service's counters; counting costs no memory.
type metrics struct {
	exchanges, cards, farErrors, readers, agents prometheus.Counter
	requests, timeouts                           [Initialize + 1]prometheus.Counter
	discards                                     [reasonsEnd]prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		exchanges: counter("exchanges_total", "APDUs that the card answered."),
		cards:     counter("cards_total", "Cards that were put into the virtual reader."),
		farErrors: counter("far_errors_total", "Requests that the far end answered with an error."),
		readers:   counter("reader_connections_total", "Connections to vpcd."),
		agents:    counter("agents_total", "Card agents that connected."),
	}
	requests := vector("requests_total", "Requests to the far end, by command.", "command")
	timeouts := vector("timeouts_total", "Requests that the far end did not answer in time, by command.", "command")
	discards := vector("discarded_total", "Packets of far ends that were not used, by reason.", "reason")
	for c := Status; c <= Initialize; c++ {
		m.requests[c] = requests.WithLabelValues(c.String())
		m.timeouts[c] = timeouts.WithLabelValues(c.String())
	}
	for r := range reasonsEnd {
		m.discards[r] = discards.WithLabelValues(r.String())
	}
	reg.MustRegister(m.exchanges, m.cards, m.farErrors, m.readers, m.agents, requests, timeouts, discards)
	return m
}

func (m *metrics) asked(c Command)    { m.requests[c].Inc() }
func (m *metrics) timedOut(c Command) { m.timeouts[c].Inc() }
func (m *metrics) discarded(r reason) { m.discards[r].Inc() }
