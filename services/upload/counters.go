package upload

import (
	"sync/atomic"

	"ghostaux/pkg/metrics"
)

// counters are what the service counts. They live as long as the process.
type counters struct {
	written   atomic.Int64 // bytes
	files     *metrics.Counter
	chunks    *metrics.Counter
	preempted *metrics.Counter
	swept     *metrics.Counter
	open      *metrics.Gauge
	refused   metrics.Counters
}

func newCounters(reg *metrics.Registry) *counters {
	n := &counters{
		files:     reg.Counter("files_total", "Files published."),
		chunks:    reg.Counter("chunks_total", "Requests that brought a chunk or a whole file and were answered with success."),
		preempted: reg.Counter("preempted_total", "Requests stopped because a newer one sent the same chunk."),
		swept:     reg.Counter("parts_swept_total", "Unfinished uploads removed since nothing came for too long."),
		open:      reg.Gauge("parts_open", "Unfinished uploads."),
		refused:   reg.Counters("refused_total", "Requests refused, by reason.", "reason"),
	}
	reg.CounterFunc("bytes_total", "Bytes of files written to part files; its rate is the throughput.",
		func() float64 { return float64(n.written.Load()) })
	for _, r := range reasons() {
		n.refused.With(r)
	}
	return n
}
