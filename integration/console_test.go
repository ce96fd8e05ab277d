package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"ghostaux/pkg/testkit"
)

// noteFaults collects what a page must not have: errors that nobody caught, and what its policy forbade.
const noteFaults = `globalThis.faults = [];
addEventListener("error", (e) => faults.push("error: " + e.message));
addEventListener("unhandledrejection", (e) => faults.push("rejection: " + e.reason));
addEventListener("securitypolicyviolation", (e) => faults.push("policy: " + e.violatedDirective + " " + e.blockedURI));`

// consolePage is the console in a browser.
type consolePage struct {
	t   testing.TB
	ctx context.Context
}

// newPage is a tab whose documents all begin with the scripts. With flags it has a browser of its own.
func newPage(t testing.TB, limit time.Duration, flags map[string]any, scripts ...string) *consolePage {
	t.Helper()
	p := &consolePage{t: t}
	if flags == nil {
		p.ctx = testkit.SharedBrowser(t, limit)
	} else {
		p.ctx = testkit.StartBrowser(t, limit, flags)
	}
	for _, script := range append([]string{noteFaults}, scripts...) {
		params := page.AddScriptToEvaluateOnNewDocumentParams{Source: script}
		if _, err := chromedp.Call(p.ctx, page.AddScriptToEvaluateOnNewDocument, params); err != nil {
			t.Fatalf("prepare the page: %v", err)
		}
	}
	return p
}

// openConsole opens the console as its printed address does, and waits for what it knows.
func openConsole(t testing.TB, g *testkit.Ghostaux, p *consolePage) {
	t.Helper()
	p.open(g.URL(t, "frontdoor", "/login?token="+url.QueryEscape(testkit.Token)))
	p.until(20*time.Second, "the page knows the services", `globalThis.ghostaux?.events.link === "open"`)
}

func (p *consolePage) open(address string) {
	p.t.Helper()
	if _, err := chromedp.Run(p.ctx, chromedp.Navigate(address)); err != nil {
		p.t.Fatalf("open %s: %v", address, err)
	}
}

// ask evaluates an expression in the page; a promise is waited for.
func ask[T any](p *consolePage, expression string) T {
	p.t.Helper()
	answer, err := tryAsk[T](p, expression)
	if err != nil {
		p.t.Fatalf("ask the page %q: %v", expression, err)
	}
	return answer
}

func tryAsk[T any](p *consolePage, expression string) (answer T, err error) {
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](
		"(async () => JSON.stringify((await ("+expression+")) ?? null))()", chromedp.EvalAwaitPromise))
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return answer, fmt.Errorf("%w in %s", err, text)
	}
	return answer, nil
}

// run evaluates statements in the page.
func (p *consolePage) run(statements string) {
	p.t.Helper()
	ask[any](p, "(async () => {"+statements+"})()")
}

// until waits until an expression is true in the page. A page that is just going has no answer; the next one may.
func (p *consolePage) until(limit time.Duration, what, expression string) {
	p.t.Helper()
	for deadline := time.Now().Add(limit); ; {
		answer, err := tryAsk[bool](p, "Boolean("+expression+")")
		if answer {
			return
		}
		if time.Now().After(deadline) || p.ctx.Err() != nil {
			p.t.Fatalf("not within %v: %s (%v); the page says:\n%s\nfaults: %v", limit, what, err,
				ask[string](p, "document.body.innerText"), ask[[]string](p, "globalThis.faults ?? []"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// click clicks as a person does.
func (p *consolePage) click(selector string) {
	p.t.Helper()
	if _, err := chromedp.Run(p.ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)); err != nil {
		p.t.Fatalf("click %s: %v", selector, err)
	}
}

// faultless fails the test for what the page must not have.
func (p *consolePage) faultless() {
	p.t.Helper()
	if faults := ask[[]string](p, "globalThis.faults"); len(faults) > 0 {
		p.t.Errorf("faults of the page: %s", strings.Join(faults, "; "))
	}
}

// peakOf is the strongest frequency, in Hz, of what the node gets; 0 when it is all but silent.
const peakOf = `(async () => {
	const { context, gain } = ghostaux.sound;
	const analyser = globalThis.probe ??= Object.assign(context.createAnalyser(), { fftSize: 16384, smoothingTimeConstant: 0 });
	if (analyser.context !== context) { globalThis.probe = undefined; return 0; }
	gain.connect(analyser);
	const bins = new Float32Array(analyser.frequencyBinCount);
	analyser.getFloatFrequencyData(bins);
	let best = 0;
	for (let i = 1; i < bins.length; i++) if (bins[i] > bins[best]) best = i;
	return bins[best] > -40 ? best * context.sampleRate / analyser.fftSize : 0;
})()`

func (p *consolePage) hears440(limit time.Duration) {
	p.t.Helper()
	var heard float64
	testkit.Eventually(p.t, limit, "the page plays 440 Hz", func() bool {
		heard = ask[float64](p, peakOf)
		return heard >= 435 && heard <= 445
	})
}

func startWithPulse(t testing.TB, p *testkit.Pulse, args ...string) *testkit.Ghostaux {
	t.Helper()
	return testkit.StartGhostauxWith(t, testkit.Start{Args: args, Env: []string{"PULSE_SERVER=" + p.Server}})
}

// prints is what a program writes while others read it.
type prints struct {
	mu   sync.Mutex // guards text
	text []byte
}

// Write keeps it.
func (p *prints) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = append(p.text, b...)
	return len(b), nil
}

// find waits for what matches.
func (p *prints) find(t testing.TB, what string) (found string) {
	t.Helper()
	pattern := regexp.MustCompile(what)
	testkit.Eventually(t, 20*time.Second, "it prints "+what, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		found = string(pattern.Find(p.text))
		return found != ""
	})
	return found
}

// transferred is what a page has loaded, in bytes as they came.
const transferred = `performance.getEntriesByType("resource").reduce((sum, r) => sum + r.transferSize, performance.getEntriesByType("navigation")[0].transferSize)`

// The address that is printed opens the console; one click, and the desktop is heard, also after everything was lost.
func TestConsoleSound(t *testing.T) {
	pulse := testkit.StartPulse(t)
	playTone(t, pulse)
	var out prints
	testkit.StartGhostauxWith(t, testkit.Start{
		Args: []string{"--addr", testkit.VpcdAddr(t)}, Env: []string{"PULSE_SERVER=" + pulse.Server, "GHOSTAUX_AUTH_TOKEN="}, Stdout: &out,
	})
	p := newPage(t, 90*time.Second, map[string]any{"autoplay-policy": "document-user-activation-required"},
		`try { localStorage.setItem("ghostaux.sound.on", "true") } catch {}`) // as if it had played at the last visit
	p.open(out.find(t, `https://\S+/login\?token=\S+`))
	p.until(10*time.Second, "the sound is ready", `document.querySelector(".audioout .badge")?.textContent === "Ready"`)
	p.until(20*time.Second, "the browser wants a click first, and the card says so", `ghostaux.sound.state === "blocked" && /click/.test(document.getElementById("sound-state").textContent)`)
	p.click("#play")
	p.until(20*time.Second, "it plays", `ghostaux.sound.state === "playing" && document.getElementById("play").textContent === "Stop the sound"`)
	p.hears440(20 * time.Second)
	t.Logf("figures: %v", ask[map[string]any](p, "ghostaux.sound.figures()"))
	p.mutes()
	p.isLight()
	p.saysNoMicrophone()
	p.run(`location.reload()`)
	p.until(20*time.Second, "it wants to play by itself", `["playing", "blocked"].includes(globalThis.ghostaux?.sound.state)`)
	p.click("h1") // browsers differ in whether the click of before still counts
	p.hears440(20 * time.Second)

	pulse.Kill()
	begin := time.Now()
	p.until(20*time.Second, "the card says what is missing", `document.querySelector(".audioout .badge").textContent !== "Ready" && document.querySelector(".audioout .trouble strong").textContent.length > 10`)
	t.Logf("the card said so after %d ms", time.Since(begin).Milliseconds())
	pulse.Start(t)
	playTone(t, pulse)
	p.hears440(30 * time.Second)
	p.faultless()
}

// mutes silences what is heard, and lets it be heard again.
func (p *consolePage) mutes() {
	p.t.Helper()
	p.until(10*time.Second, "the meter moves", `document.querySelector(".audioout .meter").ariaValueNow > 50`)
	p.click(".audioout button[aria-pressed]")
	p.until(10*time.Second, "it is mute", `ghostaux.sound.muted && ghostaux.sound.level() < 0.001`)
	p.click(".audioout button[aria-pressed]")
	p.hears440(10 * time.Second)
}

// isLight weighs the page.
func (p *consolePage) isLight() {
	p.t.Helper()
	paint := ask[float64](p, `performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? -1`)
	weight := ask[float64](p, transferred)
	p.t.Logf("first paint after %.0f ms, %.0f bytes in all", paint, weight)
	if weight <= 0 || weight > 200_000 {
		p.t.Errorf("the page weighs %.0f bytes", weight)
	}
}

// saysNoMicrophone turns on a microphone that this computer does not have.
func (p *consolePage) saysNoMicrophone() {
	p.t.Helper()
	p.click("#microphone")
	p.until(20*time.Second, "the card says why it has no microphone", `ghostaux.microphone.state === "off" && ["NotFoundError", "NotAllowedError"].includes(ghostaux.microphone.problem) && /microphone/.test(document.getElementById("microphone-state").textContent)`)
	p.t.Logf("without a microphone: %s", ask[string](p, `document.getElementById("microphone-state").textContent`))
}

// The sound goes on in a page that nobody sees.
func TestConsoleBackground(t *testing.T) {
	pulse := testkit.StartPulse(t)
	playTone(t, pulse)
	g := startWithPulse(t, pulse, "--only", "audioout")
	p := newPage(t, time.Minute, map[string]any{ // the browser's own ways with such tabs
		"disable-background-timer-throttling": false, "disable-backgrounding-occluded-windows": false, "disable-renderer-backgrounding": false,
	})
	openConsole(t, g, p)
	p.click("#play")
	p.hears440(20 * time.Second)
	window, err := chromedp.Call(p.ctx, browser.GetWindowForTarget, browser.GetWindowForTargetParams{})
	if err != nil {
		t.Fatal(err)
	}
	params := browser.SetWindowBoundsParams{WindowID: window.WindowID, Bounds: &browser.Bounds{WindowState: browser.WindowStateMinimized}}
	if _, err := chromedp.Call(p.ctx, browser.SetWindowBounds, params); err != nil {
		t.Fatal(err)
	}
	p.until(10*time.Second, "the console is hidden", `document.hidden`)
	p.run(`globalThis.heard = 0; setInterval(() => { if (document.hidden && ghostaux.sound.level() > 0.01) heard++; }, 100);`)
	p.until(30*time.Second, "it is heard for seconds", `heard >= 5`) // the browser lets such pages look once a second
	p.faultless()
}
