package integration

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ghostaux/pkg/testkit"
)

// webClient is a copy of a page like KasmVNC's, which isolates itself as KasmVNC does, on another port of the same host.
func webClient(t *testing.T) (dir string, srv *httptest.Server) {
	t.Helper()
	dir = t.TempDir()
	content, err := os.ReadFile("console/client.html")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(dir))
	srv = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cross-Origin-Embedder-Policy", "require-corp")
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return dir, srv
}

func installPanel(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(testkit.Binary(t), append([]string{"install-panel"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("install-panel: %v: %s", err, out)
	}
	return string(out)
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The panel in a foreign page: what is typed reaches that page's canvas, before, while it is open and after it was used,
// and its API works.
func TestConsolePanel(t *testing.T) {
	pulse := testkit.StartPulse(t)
	playTone(t, pulse)
	g := startWithPulse(t, pulse)
	dir, srv := webClient(t)
	index := filepath.Join(dir, "index.html")
	original := contentOf(t, index)
	_, port, _ := strings.Cut(g.Addr(t, "frontdoor"), ":")
	installPanel(t, dir, "--port", port)
	once := contentOf(t, index)
	if out := installPanel(t, dir, "--port", port); contentOf(t, index) != once || !strings.Contains(out, "as it should be") {
		t.Errorf("installed twice: %s\n%s", out, contentOf(t, index))
	}

	p := newPage(t, 2*time.Minute, nil)
	p.open(g.URL(t, "frontdoor", "/login?token="+url.QueryEscape(testkit.Token)))
	p.open(srv.URL)
	p.until(20*time.Second, "the panel knows the services", `ghostaux.connect().state?.services.length > 0`)
	p.types("a")
	p.pointAt(`ghostaux.connect().button`)
	p.until(5*time.Second, "the panel is open", `ghostaux.connect().open`)
	p.types("b")
	p.look("panel-page", axeCore(t), 1440)
	if keys, pointers := ask[string](p, "keys"), ask[int](p, "pointers"); keys != "ab" || pointers != 0 {
		t.Errorf("the canvas got the keys %q, want \"ab\"; and the page %d clicks", keys, pointers)
	}
	p.run(`const desk = ghostaux.connect(); globalThis.told = []; desk.addEventListener("state", ({ detail }) => told.push(detail.sound.state));
		await desk.sound.volume(0.5); await desk.sound.start();`)
	p.until(30*time.Second, "the API's sound plays", `told.includes("playing") && ghostaux.connect().state.sound.volume === 0.5`)
	if problem := ask[string](p, `ghostaux.connect().call("no.such").then(() => "", (error) => error.message)`); problem == "" {
		t.Error("a call that does not exist is answered")
	}
	count := ask[int](p, `ghostaux.connect().upload([new File(["hello"], "from-panel.txt")])`)
	testkit.Eventually(t, 20*time.Second, "the file is there", func() bool {
		b, err := os.ReadFile(filepath.Join(g.Home, "Uploads", "from-panel.txt"))
		return err == nil && string(b) == "hello" && count == 1
	})
	// The button "Stop the sound" in the frame, at the place where it is seen.
	p.pointAt(`{ getBoundingClientRect() { const { left, top } = ghostaux.connect().frame.getBoundingClientRect(); return { left: left + 60, top: top + 112, width: 0, height: 0 }; } }`)
	p.until(20*time.Second, "a click in the panel stops the sound", `ghostaux.connect().state.sound.state === "off"`)
	p.until(5*time.Second, "the canvas has the keyboard again", `document.activeElement === canvas`)
	p.types("c")
	if keys := ask[string](p, "keys"); keys != "abc" {
		t.Errorf("the canvas got %q, want \"abc\"", keys)
	}
	p.speaksByMessages(g.URL(t, "frontdoor", "/"))
	p.faultless()

	installPanel(t, dir, "--remove")
	if contentOf(t, index) != original {
		t.Errorf("taken out again, the page is\n%s", contentOf(t, index))
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("something is left in the directory: %v", entries)
	}
}

// speaksByMessages has a frame of the page's own, without the script, and takes the panel away.
func (p *consolePage) speaksByMessages(console string) {
	p.t.Helper()
	p.run(`ghostaux.connect().remove();
		const frame = Object.assign(document.createElement("iframe"), { src: "` + console + `", allow: "microphone; autoplay; gamepad" });
		globalThis.answers = [];
		addEventListener("message", ({ source, data }) => source === frame.contentWindow && answers.push(data));
		globalThis.say = (message) => frame.contentWindow.postMessage({ ghostaux: 1, ...message }, "*");
		document.body.append(frame);`)
	p.until(20*time.Second, "the frame tells its state", `answers.some(({ ghostaux, event, detail }) => ghostaux === 1 && event === "state" && detail.link === "open")`)
	p.run(`say({ id: 1, call: "state" }); say({ id: 2, call: "sound.mute", arguments: [true] }); say({ id: 3, call: "sound.steal" });`)
	p.until(20*time.Second, "it answers", `answers.find(({ id }) => id === 1)?.result.role === "owner" && answers.some(({ id, error }) => id === 2 && !error) && answers.find(({ id }) => id === 3)?.error`)
	p.until(20*time.Second, "it tells what has changed", `answers.some(({ event, detail }) => event === "state" && detail.sound.muted)`)
	if ask[bool](p, `Boolean(document.querySelector("ghostaux-panel"))`) {
		p.t.Error("the panel is still there")
	}
}

func (p *consolePage) types(key string) {
	p.t.Helper()
	if _, err := chromedp.Run(p.ctx, chromedp.KeyEvent(key)); err != nil {
		p.t.Fatalf("type %s: %v", key, err)
	}
}

// pointAt clicks in the middle of an element, which may be in a shadow tree.
func (p *consolePage) pointAt(element string) {
	p.t.Helper()
	at := ask[[2]float64](p, "(() => { const { left, top, width, height } = ("+element+").getBoundingClientRect(); return [left + width / 2, top + height / 2]; })()")
	if _, err := chromedp.Run(p.ctx, chromedp.MouseClickXY(at[0], at[1])); err != nil {
		p.t.Fatalf("click: %v", err)
	}
}
