package gamepad

import "ghostaux/pkg/metrics"

// counters are what the service counts. Values of labels are made before the first use, so that the packet path does
// no look-up.
type counters struct {
	peers, pads                      *metrics.Gauge
	messages, rows                   *metrics.Counter
	events, frames                   *metrics.Counter
	unplaced, replaced, noDevice     *metrics.Counter
	malformed, tooFast, missed       *metrics.Counter
	rumbles, rumblesLost, unavailing *metrics.Counter
	latency                          *metrics.Histogram
}

func newCounters(reg *metrics.Registry) counters {
	drops := reg.Counters("rows_dropped_total",
		"State rows that reached no pad: without a slot, replaced by a newer one, or without a device.", "reason")
	refused := reg.Counters("peers_refused_total",
		"Peers closed: for a malformed message, for sending too fast, or since there was no device.", "reason")
	return counters{
		peers:       reg.Gauge("peers", "Sockets open now."),
		pads:        reg.Gauge("pads", "Pads open now."),
		messages:    reg.Counter("messages_total", "Messages read."),
		rows:        reg.Counter("rows_total", "State rows read."),
		events:      reg.Counter("events_total", "Input events written, SYN_REPORT not counted."),
		frames:      reg.Counter("frames_total", "Frames written."),
		missed:      reg.Counter("peers_missed_total", "Times that all was released because a peer answered no ping."),
		rumbles:     reg.Counter("rumbles_total", "Rumble messages sent."),
		rumblesLost: reg.Counter("rumbles_replaced_total", "Rumble messages that a newer one replaced before the peer took them."),
		unplaced:    drops.With("no_slot"),
		replaced:    drops.With("replaced"),
		noDevice:    drops.With("no_device"),
		malformed:   refused.With("malformed"),
		tooFast:     refused.With("too_fast"),
		unavailing:  refused.With("no_device"),
		latency: reg.Histogram("latency_seconds", "From reading a state off its socket to the end of writing it to the pad.",
			[]float64{5e-6, 10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 100e-3}),
	}
}
