package audioout

import "github.com/prometheus/client_golang/prometheus"

// Why packets were dropped for a player.
const (
	dropLag     = "lag"     // the player is more than --audioout-max-lag behind
	dropOverrun = "overrun" // the publisher outran even the ring
)

// Why a publisher's request was refused or ended.
const (
	ingestWrongPath = "wrong_path"
	ingestMethod    = "method"
	ingestReplaced  = "replaced"
)

// counters are the service's numbers in /metrics.
type counters struct {
	players  prometheus.Gauge
	received prometheus.Counter
	garbage  prometheus.Counter
	sent     prometheus.Counter
	dropped  *prometheus.CounterVec
	jumps    prometheus.Counter
	refused  *prometheus.CounterVec
	messages prometheus.Counter
	starts   prometheus.Counter
	exits    prometheus.Counter
}

func newCounters(reg prometheus.Registerer) *counters {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	vector := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"reason"})
	}
	c := &counters{
		players:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "players", Help: "Players connected now."}),
		received: counter("received_bytes_total", "Bytes that publishers sent."),
		garbage:  counter("garbage_bytes_total", "Bytes of publishers that belonged to no whole TS packet."),
		sent:     counter("sent_bytes_total", "Bytes of sound sent to players."),
		dropped:  vector("dropped_packets_total", "TS packets dropped for slow players, by reason."),
		jumps:    counter("jumps_total", "Times that a slow player was put to the live edge."),
		refused:  vector("publishers_refused_total", "Publishers refused or cut, by reason."),
		messages: counter("player_messages_total", "Data messages from players, which have nothing to say: they were closed."),
		starts:   counter("ffmpeg_starts_total", "Times that ffmpeg was started."),
		exits:    counter("ffmpeg_exits_total", "Times that ffmpeg ended by itself."),
	}
	reg.MustRegister(c.players, c.received, c.garbage, c.sent, c.dropped, c.jumps, c.refused, c.messages, c.starts, c.exits)
	for _, reason := range []string{dropLag, dropOverrun} {
		c.dropped.WithLabelValues(reason)
	}
	for _, reason := range []string{ingestWrongPath, ingestMethod, ingestReplaced} {
		c.refused.WithLabelValues(reason)
	}
	return c
}
