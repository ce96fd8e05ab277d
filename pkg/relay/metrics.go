package relay

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what goes through a relay. A service makes one, and gives it to every Client that it opens.
type Metrics struct {
	sent, sentBytes prometheus.Counter
	waits           prometheus.Counter
	lost            prometheus.Counter
	received        prometheus.Counter
	dropped         *prometheus.CounterVec
}

// NewMetrics registers the counters with the registerer of the service.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &Metrics{
		sent:      counter("relay_sent_datagrams_total", "Datagrams that KasmVNC's relay took."),
		sentBytes: counter("relay_sent_bytes_total", "Bytes that KasmVNC's relay took."),
		waits:     counter("relay_waits_total", "Datagrams that had to wait for room in the relay's queue."),
		lost:      counter("relay_lost_total", "Times the relay went away or was replaced."),
		received:  counter("relay_received_datagrams_total", "Datagrams that came from browsers."),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "relay_received_dropped_total", Help: "Datagrams from browsers that were dropped, by reason.",
		}, []string{"reason"}),
	}
	if reg != nil {
		reg.MustRegister(m.sent, m.sentBytes, m.waits, m.lost, m.received, m.dropped)
	}
	for _, reason := range []string{dropFull, dropLong} {
		m.dropped.WithLabelValues(reason)
	}
	return m
}

const (
	dropFull = "queue_full" // the consumer is slower than the browsers: the oldest was dropped
	dropLong = "too_long"   // longer than MaxReceive
)
