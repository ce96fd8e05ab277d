package upload

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// counters are what the service counts. They live as long as the process.
type counters struct {
	written   atomic.Int64 // bytes
	files     prometheus.Counter
	chunks    prometheus.Counter
	preempted prometheus.Counter
	swept     prometheus.Counter
	open      prometheus.Gauge
	refused   *prometheus.CounterVec
}

func newCounters(reg prometheus.Registerer) *counters {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	n := &counters{
		files:     counter("files_total", "Files published."),
		chunks:    counter("chunks_total", "Requests that brought a chunk or a whole file and were answered with success."),
		preempted: counter("preempted_total", "Requests stopped because a newer one sent the same chunk."),
		swept:     counter("parts_swept_total", "Unfinished uploads removed since nothing came for too long."),
		open:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "parts_open", Help: "Unfinished uploads."}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "refused_total", Help: "Requests refused, by reason.",
		}, []string{"reason"}),
	}
	bytes := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "bytes_total", Help: "Bytes of files written to part files; its rate is the throughput.",
	}, func() float64 { return float64(n.written.Load()) })
	reg.MustRegister(bytes, n.files, n.chunks, n.preempted, n.swept, n.open, n.refused)
	for _, r := range reasons() {
		n.refused.WithLabelValues(r)
	}
	return n
}
