package smartcard

import "ghostaux/pkg/metrics"

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

// counters are the service's counters; counting costs no memory.
type counters struct {
	exchanges, cards, farErrors, readers, agents *metrics.Counter
	requests, timeouts                           [Initialize + 1]*metrics.Counter
	discards                                     [reasonsEnd]*metrics.Counter
}

func newCounters(reg *metrics.Registry) *counters {
	m := &counters{
		exchanges: reg.Counter("exchanges_total", "APDUs that the card answered."),
		cards:     reg.Counter("cards_total", "Cards that were put into the virtual reader."),
		farErrors: reg.Counter("far_errors_total", "Requests that the far end answered with an error."),
		readers:   reg.Counter("reader_connections_total", "Connections to vpcd."),
		agents:    reg.Counter("agents_total", "Card agents that connected."),
	}
	requests := reg.Counters("requests_total", "Requests to the far end, by command.", "command")
	timeouts := reg.Counters("timeouts_total", "Requests that the far end did not answer in time, by command.", "command")
	discards := reg.Counters("discarded_total", "Packets of far ends that were not used, by reason.", "reason")
	for c := Status; c <= Initialize; c++ {
		m.requests[c] = requests.With(c.String())
		m.timeouts[c] = timeouts.With(c.String())
	}
	for r := range reasonsEnd {
		m.discards[r] = discards.With(r.String())
	}
	return m
}

func (m *counters) asked(c Command)    { m.requests[c].Inc() }
func (m *counters) timedOut(c Command) { m.timeouts[c].Inc() }
func (m *counters) discarded(r reason) { m.discards[r].Inc() }
