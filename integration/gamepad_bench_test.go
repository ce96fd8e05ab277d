package integration

import (
	"bufio"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// BenchmarkGamepadGuest sends rows at 50 Hz to the real binary in the guest, and reports the service's own time from
// reading a row off its socket to the end of the write to uinput. No program reads the pad meanwhile: on the guest's one
// processor it would run before the write returns.
func BenchmarkGamepadGuest(b *testing.B) {
	m := &machine{testkit.StartGuest(b, testkit.GuestSpec{
		Files: map[string]string{"/bin/ghostaux": testkit.Binary(b)}, Ports: []int{padPort, doorPort},
	})}
	m.startService(b, nil)
	c := m.connect(b)
	c.send(b, padRow(0, nil))
	m.waitPad(b, 0)
	before := m.latencies(b)
	n := 0
	for b.Loop() {
		c.send(b, padRow(0, map[int]string{0: fmt.Sprint(n%30000 + 1), 4: fmt.Sprint(n % 2)}))
		n++
		time.Sleep(20 * time.Millisecond)
	}
	after := m.latencies(b)
	for i := range after {
		after[i].count -= before[i].count
	}
	b.ReportMetric(quantile(after, 0.5)*1e6, "median-us")
	b.ReportMetric(quantile(after, 0.99)*1e6, "p99-us")
	b.ReportMetric(after[len(after)-1].count, "rows-measured")
	b.ReportMetric(0, "ns/op")
}

// latencyBucket is one of a histogram: how many took at most limit seconds.
type latencyBucket struct{ limit, count float64 }

func (m *machine) latencies(t testing.TB) (buckets []latencyBucket) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(curlPage(t, "https://"+m.Addr(doorPort)+"/metrics")))
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), `ghostaux_gamepad_latency_seconds_bucket{le="`)
		if !ok {
			continue
		}
		var l latencyBucket
		limit, count, _ := strings.Cut(rest, `"} `)
		if limit == "+Inf" {
			l.limit = math.Inf(1)
		} else if _, err := fmt.Sscan(limit, &l.limit); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(count, &l.count); err != nil {
			t.Fatal(err)
		}
		buckets = append(buckets, l)
	}
	if len(buckets) == 0 {
		t.Fatal("no latencies among the metrics")
	}
	return buckets
}

// quantile is a value in seconds, taken in proportion inside its bucket, as Prometheus does it.
func quantile(buckets []latencyBucket, q float64) float64 {
	want := q * buckets[len(buckets)-1].count
	var last latencyBucket
	for _, l := range buckets {
		if l.count >= want {
			if math.IsInf(l.limit, 1) || l.count == last.count {
				return last.limit
			}
			return last.limit + (l.limit-last.limit)*(want-last.count)/(l.count-last.count)
		}
		last = l
	}
	return last.limit
}
