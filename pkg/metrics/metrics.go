// Package metrics has the numbers that /metrics tells Prometheus. They are those of VictoriaMetrics/metrics, which counts
// and writes them; this package adds to each name what it means and its kind, and to all names of a service its prefix.
//
// Names are Prometheus's: lower case with underscores, base units, and _total at the end of a counter's.
package metrics

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	vm "github.com/VictoriaMetrics/metrics"
)

type (
	// Counter only rises.
	Counter = vm.Counter
	// Gauge rises and falls.
	Gauge = vm.Gauge
	// Histogram counts values by the least of its bounds that holds them.
	Histogram = vm.PrometheusHistogram
)

// Registry is where numbers get their names. It is safe for use by many goroutines.
type Registry struct {
	prefix string
	book   *book
}

// book is shared by a registry and all that have a prefix of it.
type book struct {
	mu       sync.Mutex // guards the following field
	families []*family
}

// family is all numbers of one name, which labels tell apart.
type family struct {
	name, help, kind string
	labels           []string
	set              *vm.Set
}

// New returns an empty registry.
func New() *Registry { return &Registry{book: &book{}} }

// Prefixed returns the same registry, where all names get the prefix.
func (r *Registry) Prefixed(prefix string) *Registry {
	return &Registry{prefix: r.prefix + prefix, book: r.book}
}

// add panics when the name is taken, which is a mistake in the program.
func (r *Registry) add(kind, name, help string, labels ...string) *family {
	f := &family{name: r.prefix + name, help: help, kind: kind, labels: labels, set: vm.NewSet()}
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	i, taken := slices.BinarySearchFunc(r.book.families, f.name, func(f *family, name string) int { return cmp.Compare(f.name, name) })
	if taken {
		panic("metrics: " + f.name + " is there already")
	}
	r.book.families = slices.Insert(r.book.families, i, f)
	return f
}

// with is the name of the family's number with these values of its labels.
func (f *family) with(values []string) string {
	if len(values) != len(f.labels) {
		panic(fmt.Sprintf("metrics: %s has the labels %q, and not %d of them", f.name, f.labels, len(values)))
	}
	if len(values) == 0 {
		return f.name
	}
	b := append(make([]byte, 0, 64), f.name...)
	for i, label := range f.labels {
		b = append(b, "{,"[min(i, 1)])
		b = append(append(b, label...), '=')
		b = strconv.AppendQuote(b, values[i])
	}
	return string(append(b, '}'))
}

// Counter adds a counter.
func (r *Registry) Counter(name, help string) *Counter {
	return r.Counters(name, help).With()
}

// Counters adds counters that are told apart by the values of labels.
func (r *Registry) Counters(name, help string, labels ...string) Counters {
	return Counters{r.add("counter", name, help, labels...)}
}

// Counters are counters of one name.
type Counters struct{ family *family }

// With returns the counter with these values of the labels, which is there from the first time on.
func (c Counters) With(values ...string) *Counter {
	return c.family.set.GetOrCreateCounter(c.family.with(values))
}

// Gauge adds a gauge.
func (r *Registry) Gauge(name, help string) *Gauge {
	return r.Gauges(name, help).With()
}

// Gauges adds gauges that are told apart by the values of labels.
func (r *Registry) Gauges(name, help string, labels ...string) Gauges {
	return Gauges{r.add("gauge", name, help, labels...)}
}

// Gauges are gauges of one name.
type Gauges struct{ family *family }

// With returns the gauge with these values of the labels, which is there from the first time on.
func (g Gauges) With(values ...string) *Gauge {
	return g.family.set.GetOrCreateGauge(g.family.with(values), nil)
}

// GaugeFunc adds a gauge whose value f tells whenever it is asked for.
func (r *Registry) GaugeFunc(name, help string, f func() float64) {
	r.add("gauge", name, help).tell(f)
}

// CounterFunc adds a counter whose value f tells whenever it is asked for.
func (r *Registry) CounterFunc(name, help string, f func() float64) {
	r.add("counter", name, help).tell(f)
}

// CounterFuncs adds counters, one for each value of the label, which the functions tell.
func (r *Registry) CounterFuncs(name, help, label string, values map[string]func() float64) {
	family := r.add("counter", name, help, label)
	for value, f := range values {
		family.tell(f, value)
	}
}

func (f *family) tell(value func() float64, labels ...string) {
	f.set.NewGauge(f.with(labels), value)
}

// Histogram adds a histogram with these upper bounds, in rising order.
func (r *Registry) Histogram(name, help string, bounds []float64) *Histogram {
	return r.add("histogram", name, help).set.NewPrometheusHistogramExt(r.prefix+name, bounds)
}

// Write writes all numbers in Prometheus's text format, version 0.0.4.
func (r *Registry) Write(w io.Writer) error {
	var page bytes.Buffer
	r.book.mu.Lock()
	families := slices.Clone(r.book.families)
	r.book.mu.Unlock()
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	for _, f := range families {
		if len(f.set.ListMetricNames()) == 0 {
			continue
		}
		fmt.Fprintf(&page, "# HELP %s %s\n# TYPE %s %s\n", f.name, escape.Replace(f.help), f.name, f.kind)
		f.set.WritePrometheus(&page)
	}
	_, err := page.WriteTo(w)
	return err
}

// WriteProcess writes what is known of the process and of Go's runtime, in the same format: process_* and go_*.
func WriteProcess(w io.Writer) {
	vm.WriteProcessMetrics(w)
	vm.WriteFDMetrics(w)
}
