package relay

import "ghostaux/pkg/metrics"

// Metrics counts what goes through a relay. A service makes one, and gives it to every Client that it opens.
type Metrics struct {
	sent, sentBytes *metrics.Counter
	waits           *metrics.Counter
	lost            *metrics.Counter
	received        *metrics.Counter
	dropped         metrics.Counters
}

// NewMetrics gives the counters names in the registry of the service.
func NewMetrics(reg *metrics.Registry) *Metrics {
	m := &Metrics{
		sent:      reg.Counter("relay_sent_datagrams_total", "Datagrams that KasmVNC's relay took."),
		sentBytes: reg.Counter("relay_sent_bytes_total", "Bytes that KasmVNC's relay took."),
		waits:     reg.Counter("relay_waits_total", "Datagrams that had to wait for room in the relay's queue."),
		lost:      reg.Counter("relay_lost_total", "Times the relay went away or was replaced."),
		received:  reg.Counter("relay_received_datagrams_total", "Datagrams that came from browsers."),
		dropped:   reg.Counters("relay_received_dropped_total", "Datagrams from browsers that were dropped, by reason.", "reason"),
	}
	for _, reason := range []string{dropFull, dropLong} {
		m.dropped.With(reason)
	}
	return m
}

const (
	dropFull = "queue_full" // the consumer is slower than the browsers: the oldest was dropped
	dropLong = "too_long"   // longer than MaxReceive
)
