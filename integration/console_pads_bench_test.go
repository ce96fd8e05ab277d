package integration

import (
	"slices"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// restlessPad is fakePad whose stick is elsewhere each time that the page looks; looks are the times of it, in ms.
const restlessPad = fakePad + `
globalThis.looks = [];
navigator.getGamepads = () => {
	if (pads[0]) {
		looks.push(performance.now());
		pad.axes[0] = Math.sin(looks.length / 50);
		pad.buttons[7].value = (1 + pad.axes[0]) / 2;
	}
	return pads;
};`

// BenchmarkConsolePads plays ten seconds with a pad that never rests, and reports how often the page looks at it, how often it
// tells the desktop, and how far apart the looks are. Run it with -benchtime 1x.
func BenchmarkConsolePads(b *testing.B) {
	for b.Loop() {
		g := testkit.StartGhostaux(b, "--only", "gamepad")
		p := newPage(b, time.Minute, nil, restlessPad, fakeDesktop)
		openConsole(b, g, p)
		p.run(`plug(true)`)
		p.until(10*time.Second, "the page speaks with the desktop", `globalThis.desktop`)
		p.run(`desktop.readyState = 1; desktop.onopen()`)
		p.until(10*time.Second, "it has begun", `looks.length > 500`)
		counts := ask[[2]float64](p, `new Promise((done) => {
			looks.length = sent.length = 0;
			const begin = performance.now();
			setTimeout(() => { const s = (performance.now() - begin) / 1000; done([looks.length / s, sent.length / s]); }, 10000);
		})`)
		apart := ask[[]float64](p, `looks.slice(1).map((at, i) => at - looks[i])`)
		slices.Sort(apart)
		b.ReportMetric(counts[0], "looks/s")
		b.ReportMetric(counts[1], "messages/s")
		b.ReportMetric(apart[len(apart)/2], "ms-apart-median")
		b.ReportMetric(apart[len(apart)*99/100], "ms-apart-p99")
		b.ReportMetric(apart[len(apart)-1], "ms-apart-most")
		b.ReportMetric(0, "ns/op")
	}
}
