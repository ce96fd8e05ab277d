package integration

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

const (
	relayPort = 4999 // of the bare program in the guest
	relayRows = 500
	rowPause  = 20 * time.Millisecond // between two states, as Kasm's client polls
)

// BenchmarkGamepadGuest sends rows at 50 Hz to the real binary in the guest, and reports the service's own time from
// reading a row off its socket to the end of the write to uinput; and the same of a bare program that does nothing else
// than reading a socket and writing such frames, since an emulated processor is slow at both. No program reads the pads
// meanwhile: on the guest's one processor it would run before the write returns.
func BenchmarkGamepadGuest(b *testing.B) {
	m := &machine{Guest: testkit.StartGuest(b, testkit.GuestSpec{
		Files: map[string]string{"/bin/ghostaux": testkit.Binary(b)}, Ports: []int{padPort, doorPort, relayPort},
	})}
	bare := m.relay(b)
	m.startService(b, nil)
	c := m.connect(b)
	c.send(b, padRow(0, nil))
	m.waitPad(b, 0)
	before := m.latencies(b)
	n := 0
	for b.Loop() {
		c.send(b, padRow(0, map[int]string{0: fmt.Sprint(n%30000 + 1), 4: fmt.Sprint(n % 2)}))
		n++
		time.Sleep(rowPause)
	}
	after := m.latencies(b)
	for i := range after {
		after[i].count -= before[i].count
	}
	b.ReportMetric(quantile(after, 0.5)*1e6, "median-us")
	b.ReportMetric(quantile(after, 0.99)*1e6, "p99-us")
	b.ReportMetric(after[len(after)-1].count, "rows-measured")
	b.ReportMetric(bare[len(bare)/2].Seconds()*1e6, "bare-median-us")
	b.ReportMetric(bare[len(bare)*99/100].Seconds()*1e6, "bare-p99-us")
	b.ReportMetric(0, "ns/op")
}

// relay is what the bare program takes for a frame, sorted.
func (m *machine) relay(b *testing.B) (took []time.Duration) {
	b.Helper()
	keys := []int{0x130, 0x131, 0x133, 0x134, 0x136, 0x137, 0x13a, 0x13b, 0x13c, 0x13d, 0x13e}
	stick := []int{-32768, 32767}
	var node string
	m.Call(b, "/make", map[string]any{
		"name": "bare pad", "id": []int{3, 0x045e, 0x028e, 0x0110}, "keys": keys,
		"abs": map[string][]int{"0": stick, "1": stick, "2": {0, 255}, "3": stick, "4": stick, "5": {0, 255}, "16": {-1, 1}, "17": {-1, 1}},
	}, &node)
	defer m.Call(b, "/remove", map[string]any{"node": node}, nil)
	var relaying sync.WaitGroup
	relaying.Go(func() {
		m.Call(b, "/relay", map[string]any{"node": node, "port": relayPort, "axis": 0, "key": keys[0]}, &took)
	})
	var conn net.Conn
	testkit.Eventually(b, time.Minute, "the bare program answers", func() (ok bool) {
		var err error
		if conn, err = net.Dial("tcp", m.Addr(relayPort)); err != nil {
			return false
		}
		_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)) // qemu takes a connection before the guest does
		if _, err = conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			_ = conn.Close()
			return false
		}
		return true
	})
	for range relayRows {
		if _, err := conn.Write([]byte{0}); err != nil {
			b.Fatal(err)
		}
		time.Sleep(rowPause)
	}
	_ = conn.Close()
	relaying.Wait()
	if len(took) != relayRows {
		b.Fatalf("the bare program has taken %d rows", len(took))
	}
	slices.Sort(took)
	return took
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
