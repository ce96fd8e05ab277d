package integration

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"ghostaux/pkg/testkit"
)

const (
	clicks     = 100
	clickEvery = 500 * time.Millisecond
	monitorMS  = 5 // latency that parec asks for
)

// noteClicks has a detector in the audio thread, beside the page's own loudspeaker, which tells when a click comes to it;
// what the page says of the delay then is noted with it. It begins with noteClicks().
const noteClicks = `globalThis.clicks = [];
const detector = () => registerProcessor("detector", class extends AudioWorkletProcessor {
	process([[samples]]) {
		const i = samples?.findIndex((v) => Math.abs(v) > 0.2) ?? -1;
		if (i >= 0 && !(currentTime - this.last < 0.3)) {
			this.last = currentTime;
			this.port.postMessage(currentTime + i / sampleRate);
		}
		return true;
	}
});
globalThis.noteClicks = async () => {
	const { context, gain } = ghostaux.sound;
	await context.audioWorklet.addModule(URL.createObjectURL(new Blob(["(" + detector + ")()"], { type: "text/javascript" })));
	const node = new AudioWorkletNode(context, "detector", { numberOfOutputs: 0 });
	node.port.onmessage = ({ data }) => {
		const wall = performance.timeOrigin + performance.now() + 1000 * (data - context.currentTime);
		const { delayMs, outputMs } = ghostaux.sound.figures();
		clicks.push({ wall, shown: delayMs - outputMs });
	};
	gain.connect(node);
	globalThis.detecting = node;
};`

// BenchmarkConsolePaint opens the console with nothing in the browser's cache, and reports when it first paints, in ms after
// the navigation began, and what it weighs as it came over the network; and when a page of one word does, which is what
// the browser itself takes. Run it with -benchtime 10x.
func BenchmarkConsolePaint(b *testing.B) {
	g := testkit.StartGhostaux(b)
	word := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>word</title><p>word")
	}))
	defer word.Close()
	var paints, words []float64
	var weight float64
	for b.Loop() {
		p := newPage(b, time.Minute, nil)
		words = append(words, p.paint(word.URL))
		openConsole(b, g, p)
		paints = append(paints, p.paint(g.URL(b, "frontdoor", "/")))
		weight = ask[float64](p, transferred)
	}
	slices.Sort(paints)
	slices.Sort(words)
	b.ReportMetric(paints[len(paints)/2], "ms-paint-median")
	b.ReportMetric(paints[len(paints)-1], "ms-paint-most")
	b.ReportMetric(words[len(words)/2], "ms-word-median")
	b.ReportMetric(weight, "bytes")
	b.ReportMetric(0, "ns/op")
}

// paint is when a page that is not in the cache first paints something.
func (p *consolePage) paint(address string) float64 {
	p.t.Helper()
	p.open(address) // the connection is there, as after a login
	if _, err := chromedp.Call(p.ctx, network.ClearBrowserCache, cdp.Empty{}); err != nil {
		p.t.Fatal(err)
	}
	p.open(address)
	const entry = `performance.getEntriesByName("first-contentful-paint")[0]?.startTime`
	p.until(20*time.Second, "it is painted", entry)
	return ask[float64](p, entry)
}

// BenchmarkConsoleSoundDelay measures how long a click takes from the desktop's sink to the page's AudioContext: from
// its arrival at a recorder of the sink's monitor to the moment at which the audio thread renders its sample. Run it
// with -benchtime 1x.
func BenchmarkConsoleSoundDelay(b *testing.B) {
	for b.Loop() {
		pulse := testkit.StartPulse(b)
		g := startWithPulse(b, pulse, "--only", "audioout")
		p := newPage(b, 4*time.Minute, nil, noteClicks)
		if _, err := chromedp.Call(p.ctx, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true}); err != nil {
			b.Fatal(err) // the detector is not a part of the page
		}
		openConsole(b, g, p)
		p.click("#play")
		p.until(30*time.Second, "it plays", `ghostaux.sound.state === "playing" && ghostaux.sound.figures().queueMs > 0`)
		p.run("await noteClicks()")
		heard := recordClicks(b, pulse)
		playClicks(b, pulse)
		var sink []time.Time
		for range clicks {
			sink = append(sink, <-heard)
		}
		p.until(10*time.Second, "the page has the clicks", `clicks.at(-1)?.wall > `+strconv.FormatInt(sink[clicks-1].UnixMilli(), 10))
		reportClicks(b, sink, ask[[]pageClick](p, "clicks"))
		b.Logf("figures at the end: %v", ask[map[string]float64](p, "ghostaux.sound.figures()"))
	}
}

type pageClick struct{ Wall, Shown float64 } // ms

// reportClicks matches each click at the sink with the next one in the page.
func reportClicks(b *testing.B, sink []time.Time, page []pageClick) {
	b.Helper()
	var delays, shown, errs []float64
	for _, at := range sink {
		ms := float64(at.UnixMicro())/1000 - monitorMS
		i := slices.IndexFunc(page, func(c pageClick) bool { return c.Wall >= ms && c.Wall < ms+400 })
		if i < 0 {
			continue
		}
		delays = append(delays, page[i].Wall-ms)
		shown = append(shown, page[i].Shown)
		errs = append(errs, page[i].Shown-(page[i].Wall-ms))
	}
	if len(delays) < clicks/2 {
		b.Fatalf("of %d clicks the page had %d", len(sink), len(delays))
	}
	half := len(delays) / 2
	early, late := slices.Sorted(slices.Values(delays[:half])), slices.Sorted(slices.Values(delays[half:]))
	slices.Sort(delays)
	slices.Sort(shown)
	slices.Sort(errs)
	b.ReportMetric(delays[half], "ms-median")
	b.ReportMetric(delays[len(delays)*95/100], "ms-p95")
	b.ReportMetric(delays[0], "ms-least")
	b.ReportMetric(late[len(late)/2]-early[len(early)/2], "ms-growth")
	b.ReportMetric(shown[half], "ms-shown-median")
	b.ReportMetric(errs[half], "ms-shown-less-measured")
	b.ReportMetric(float64(len(delays)), "clicks")
	b.ReportMetric(0, "ns/op")
}

// playClicks plays short clicks, two a second, until the benchmark ends.
func playClicks(b *testing.B, pulse *testkit.Pulse) {
	b.Helper()
	file := filepath.Join(b.TempDir(), "clicks.wav")
	if out, err := exec.Command("sox", "-n", "-r", "44100", "-c", "2", "-b", "16", file,
		"synth", "0.01", "square", "1000", "vol", "0.7", "pad", "0", "0.49", "repeat", "1500").CombinedOutput(); err != nil {
		b.Fatalf("sox: %v: %s", err, out)
	}
	play := pulse.Command("paplay", file)
	play.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := play.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = play.Process.Kill()
		_ = play.Wait()
	})
}

// recordClicks tells when each click has come to the sink's monitor.
func recordClicks(b *testing.B, pulse *testkit.Pulse) <-chan time.Time {
	b.Helper()
	record := pulse.Command("parec", "-d", "out.monitor", "--format=s16le", "--rate=44100", "--channels=1", "--latency-msec=5")
	record.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := record.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := record.Start(); err != nil {
		b.Fatal(err)
	}
	heard := make(chan time.Time, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var last time.Time
		r := bufio.NewReaderSize(stdout, 1<<10)
		var sample [2]byte
		for {
			if _, err := io.ReadFull(r, sample[:]); err != nil {
				return
			}
			v := int16(binary.LittleEndian.Uint16(sample[:]))
			if now := time.Now(); (v > 6000 || v < -6000) && now.Sub(last) > clickEvery/2 {
				last = now
				heard <- now
			}
		}
	}()
	b.Cleanup(func() {
		_ = record.Process.Kill()
		<-done
		_ = record.Wait()
	})
	return heard
}
