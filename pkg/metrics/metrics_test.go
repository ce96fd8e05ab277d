package metrics_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ghostaux/pkg/metrics"
)

func page(t *testing.T, r *metrics.Registry) string {
	t.Helper()
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The format is that of https://prometheus.io/docs/instrumenting/exposition_formats/.
func TestPage(t *testing.T) {
	r := metrics.New()
	ours := r.Prefixed("ghostaux_")
	r.Gauge("open", "Things open now.").Set(2.5)
	sent := ours.Prefixed("audioout_").Counters("sent_total", "Sent, by kind.", "kind", "way")
	sent.With("b", `"quoted" \ and`+"\n").Add(3)
	sent.With("a", "x").Inc()
	sent.With("a", "x").Inc()
	ours.Counters("never_total", "Nothing has happened.", "reason")
	ours.GaugeFunc("asked", `A \ and
a line.`, func() float64 { return 7 })
	ours.CounterFunc("bytes_total", "Bytes.", func() float64 { return 1e12 })
	ours.CounterFuncs("lost_seconds_total", "Lost.", "why", map[string]func() float64{
		"late": func() float64 { return 0.25 }, "drift": func() float64 { return 0 },
	})
	h := ours.Histogram("took_seconds", "Took.", []float64{0.1, 1})
	for _, v := range []float64{0.05, 0.5, 5} {
		h.Update(v)
	}
	want := `# HELP ghostaux_asked A \\ and\na line.
# TYPE ghostaux_asked gauge
ghostaux_asked 7
# HELP ghostaux_audioout_sent_total Sent, by kind.
# TYPE ghostaux_audioout_sent_total counter
ghostaux_audioout_sent_total{kind="a",way="x"} 2
ghostaux_audioout_sent_total{kind="b",way="\"quoted\" \\ and\n"} 3
# HELP ghostaux_bytes_total Bytes.
# TYPE ghostaux_bytes_total counter
ghostaux_bytes_total 1000000000000
# HELP ghostaux_lost_seconds_total Lost.
# TYPE ghostaux_lost_seconds_total counter
ghostaux_lost_seconds_total{why="drift"} 0
ghostaux_lost_seconds_total{why="late"} 0.25
# HELP ghostaux_took_seconds Took.
# TYPE ghostaux_took_seconds histogram
ghostaux_took_seconds_bucket{le="0.1"} 1
ghostaux_took_seconds_bucket{le="1"} 2
ghostaux_took_seconds_bucket{le="+Inf"} 3
ghostaux_took_seconds_sum 5.55
ghostaux_took_seconds_count 3
# HELP open Things open now.
# TYPE open gauge
open 2.5
`
	if diff := cmp.Diff(want, page(t, r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if page(t, ours) != page(t, r) {
		t.Error("a prefix has a page of its own")
	}
}

func TestMistakesPanic(t *testing.T) {
	for name, mistake := range map[string]func(r *metrics.Registry){
		"the name is taken":  func(r *metrics.Registry) { r.Gauge("x", "Again.") },
		"a label is missing": func(r *metrics.Registry) { r.Counters("y_total", "Y.", "reason").With() },
		"not a name":         func(r *metrics.Registry) { r.Counter("a b", "A.") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: nobody says so", name)
				}
			}()
			r := metrics.New()
			r.Counter("x", "X.")
			mistake(r)
		}()
	}
}

func TestProcess(t *testing.T) {
	var b strings.Builder
	metrics.WriteProcess(&b)
	for _, name := range []string{
		"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_start_time_seconds",
		"go_goroutines", "go_memstats_heap_inuse_bytes", "go_gomaxprocs",
	} {
		if !strings.Contains("\n"+b.String(), "\n"+name+" ") {
			t.Errorf("there is no %s", name)
		}
	}
}
