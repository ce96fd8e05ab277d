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

// The panel in a foreign page: what is typed reaches that page's canvas, before, while it is open and after it was used.
func TestConsolePanel(t *testing.T) {
	pulse := testkit.StartPulse(t)
	playTone(t, pulse)
	g := startWithPulse(t, pulse)
	dir, srv := webClient(t)
	_, port, _ := strings.Cut(g.Addr(t, "frontdoor"), ":")
	installsPanel(t, dir, port)
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
	p.run(`await ghostaux.connect().sound.start()`)
	p.until(30*time.Second, "the sound plays", `ghostaux.connect().state.sound.state === "playing"`)
	// The button "Stop the sound" in the frame, at the place where it is seen.
	p.pointAt(`{ getBoundingClientRect() { const { left, top } = ghostaux.connect().frame.getBoundingClientRect(); return { left: left + 60, top: top + 112, width: 0, height: 0 }; } }`)
	p.until(20*time.Second, "a click in the panel stops the sound", `ghostaux.connect().state.sound.state === "off"`)
	p.until(5*time.Second, "the canvas has the keyboard again", `document.activeElement === canvas`)
	p.types("c")
	if keys := ask[string](p, "keys"); keys != "abc" {
		t.Errorf("the canvas got %q, want \"abc\"", keys)
	}
	p.run(`await ghostaux.connect().microphone.start()`)
	p.until(10*time.Second, "it is told why there is no microphone", `(({ state, problem }) => state === "off" && ["NotFoundError", "NotAllowedError"].includes(problem))(ghostaux.connect().state.microphone)`)
	p.faultless()
}

// installsPanel puts the panel into the page in dir, where doing it again changes nothing; it goes with the test, and leaves nothing.
func installsPanel(t *testing.T, dir, port string) {
	t.Helper()
	index := filepath.Join(dir, "index.html")
	original := contentOf(t, index)
	installPanel(t, dir, "--port", port)
	once := contentOf(t, index)
	if out := installPanel(t, dir, "--port", port); contentOf(t, index) != once || !strings.Contains(out, "as it should be") {
		t.Errorf("installed twice: %s\n%s", out, contentOf(t, index))
	}
	t.Cleanup(func() {
		installPanel(t, dir, "--remove")
		if contentOf(t, index) != original {
			t.Errorf("taken out again, the page is\n%s", contentOf(t, index))
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("something is left in the directory: %v", entries)
		}
	})
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
