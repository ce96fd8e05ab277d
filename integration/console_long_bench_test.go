package integration

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"ghostaux/pkg/testkit"
)

var consoleMinutes = flag.Int("console-minutes", 1, "how long BenchmarkConsoleLong plays, in minutes")

// pageState is what a page and its sound are like at a time.
type pageState struct {
	delay, gaps, dropped float64 // ms, count, ms
	heap                 float64 // bytes of JavaScript after a collection
	nodes, listeners     float64
}

// BenchmarkConsoleLong plays for many minutes, and tells whether the delay of the sound or the memory of the page grows. Run
// it with -benchtime 1x -console-minutes 10.
func BenchmarkConsoleLong(b *testing.B) {
	for b.Loop() {
		pulse := testkit.StartPulse(b)
		g := startWithPulse(b, pulse)
		p := newPage(b, time.Duration(*consoleMinutes+2)*time.Minute, nil)
		if _, err := chromedp.Call(p.ctx, performance.Enable, performance.EnableParams{}); err != nil {
			b.Fatal(err)
		}
		openConsole(b, g, p)
		p.click("#play")
		playClicks(b, pulse)
		p.until(30*time.Second, "it plays", `ghostaux.sound.state === "playing" && ghostaux.sound.figures().queueMs > 0`)
		time.Sleep(30 * time.Second)
		first := p.state()
		last := first
		for range 2**consoleMinutes - 1 {
			time.Sleep(30 * time.Second)
			last = p.state()
			fmt.Fprintf(os.Stderr, "delay %3.0f ms, %2.0f gaps, %4.0f ms left out, heap %.2f MB, %4.0f nodes, %3.0f listeners\n", last.delay, last.gaps, last.dropped, last.heap/1e6, last.nodes, last.listeners)
		}
		b.ReportMetric(last.delay-first.delay, "ms-delay-growth")
		b.ReportMetric((last.heap-first.heap)/1e3, "kB-heap-growth")
		b.ReportMetric(last.nodes-first.nodes, "nodes-growth")
		b.ReportMetric(last.listeners-first.listeners, "listeners-growth")
		b.ReportMetric(last.gaps-first.gaps, "gaps")
		b.ReportMetric(0, "ns/op")
	}
}

// state collects the garbage before it counts. The delay is the mean of two seconds.
func (p *consolePage) state() (s pageState) {
	p.t.Helper()
	figures := ask[map[string]float64](p, `(async () => {
		const delays = [];
		for (let i = 0; i < 20; i++) {
			delays.push(ghostaux.sound.figures().delayMs);
			await new Promise((done) => setTimeout(done, 100));
		}
		return { ...ghostaux.sound.figures(), delayMs: delays.reduce((a, b) => a + b) / delays.length };
	})()`)
	s.delay, s.gaps, s.dropped = figures["delayMs"], figures["gaps"], figures["droppedMs"]
	if _, err := chromedp.Call(p.ctx, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
		p.t.Fatal(err)
	}
	result, err := chromedp.Call(p.ctx, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, m := range result.Metrics {
		switch m.Name {
		case "JSHeapUsedSize":
			s.heap = m.Value
		case "Nodes":
			s.nodes = m.Value
		case "JSEventListeners":
			s.listeners = m.Value
		}
	}
	return s
}
