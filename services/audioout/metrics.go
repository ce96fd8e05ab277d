package audioout

import "ghostaux/pkg/metrics"

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
	players  *metrics.Gauge
	received *metrics.Counter
	garbage  *metrics.Counter
	sent     *metrics.Counter
	dropped  metrics.Counters
	jumps    *metrics.Counter
	refused  metrics.Counters
	messages *metrics.Counter
	starts   *metrics.Counter
	exits    *metrics.Counter
}

func newCounters(reg *metrics.Registry) *counters {
	c := &counters{
		players:  reg.Gauge("players", "Players connected now."),
		received: reg.Counter("received_bytes_total", "Bytes that publishers sent."),
		garbage:  reg.Counter("garbage_bytes_total", "Bytes of publishers that belonged to no whole TS packet."),
		sent:     reg.Counter("sent_bytes_total", "Bytes of sound sent to players."),
		dropped:  reg.Counters("dropped_packets_total", "TS packets dropped for slow players, by reason.", "reason"),
		jumps:    reg.Counter("jumps_total", "Times that a slow player was put to the live edge."),
		refused:  reg.Counters("publishers_refused_total", "Publishers refused or cut, by reason.", "reason"),
		messages: reg.Counter("player_messages_total", "Data messages from players, which have nothing to say: they were closed."),
		starts:   reg.Counter("ffmpeg_starts_total", "Times that ffmpeg was started."),
		exits:    reg.Counter("ffmpeg_exits_total", "Times that ffmpeg ended by itself."),
	}
	for _, reason := range []string{dropLag, dropOverrun} {
		c.dropped.With(reason)
	}
	for _, reason := range []string{ingestWrongPath, ingestMethod, ingestReplaced} {
		c.refused.With(reason)
	}
	return c
}
