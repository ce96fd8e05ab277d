package gamepad

import "github.com/prometheus/client_golang/prometheus"

// counters are what the service counts. Values of labels are made before the first use, so that the packet path does
// no look-up.
type counters struct {
	peers, pads                      prometheus.Gauge
	messages, rows                   prometheus.Counter
	events, frames                   prometheus.Counter
	unplaced, replaced, noDevice     prometheus.Counter
	malformed, tooFast, missed       prometheus.Counter
	rumbles, rumblesLost, unavailing prometheus.Counter
	latency                          prometheus.Histogram
}

func newCounters(reg prometheus.Registerer) counters {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		reg.MustRegister(g)
		return g
	}
	drops := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rows_dropped_total", Help: "State rows that reached no pad: without a slot, replaced by a newer one, or without a device.",
	}, []string{"reason"})
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "peers_refused_total", Help: "Peers closed: for a malformed message, for sending too fast, or since there was no device.",
	}, []string{"reason"})
	latency := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "latency_seconds", Help: "From reading a state off its socket to the end of writing it to the pad.",
		Buckets: []float64{5e-6, 10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 100e-3},
	})
	reg.MustRegister(drops, refused, latency)
	return counters{
		peers:       gauge("peers", "Sockets open now."),
		pads:        gauge("pads", "Pads open now."),
		messages:    counter("messages_total", "Messages read."),
		rows:        counter("rows_total", "State rows read."),
		events:      counter("events_total", "Input events written, SYN_REPORT not counted."),
		frames:      counter("frames_total", "Frames written."),
		missed:      counter("peers_missed_total", "Times that all was released because a peer answered no ping."),
		rumbles:     counter("rumbles_total", "Rumble messages sent."),
		rumblesLost: counter("rumbles_replaced_total", "Rumble messages that a newer one replaced before the peer took them."),
		unplaced:    drops.WithLabelValues("no_slot"),
		replaced:    drops.WithLabelValues("replaced"),
		noDevice:    drops.WithLabelValues("no_device"),
		malformed:   refused.WithLabelValues("malformed"),
		tooFast:     refused.WithLabelValues("too_fast"),
		unavailing:  refused.WithLabelValues("no_device"),
		latency:     latency,
	}
}
