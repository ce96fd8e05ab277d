package integration

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ghostaux/pkg/testkit"
)

// workspaces is the page with the client's loop, and the proxy in front of the container, which adds the credential.
func workspaces(t testing.TB, service string) *httptest.Server {
	t.Helper()
	target := &url.URL{Scheme: "https", Host: service}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.URL.Path = "/"
		r.Out.Header.Set("Authorization", testkit.Authorization(testkit.Token))
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/gamepad.html") })
	mux.Handle("/desktop/1/gamepad/", proxy)
	srv := httptest.NewServer(mux)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		transport.CloseIdleConnections()
	})
	return srv
}

// testBrowser: a press in Chromium's page is the right event in the guest, and rumble comes back.
func (m *machine) testBrowser(t *testing.T) {
	m.startService(t, nil)
	page := workspaces(t, m.Addr(padPort))
	ctx := testkit.StartBrowser(t, 2*time.Minute, nil)
	if _, err := chromedp.Run(ctx, chromedp.Navigate(page.URL)); err != nil {
		t.Fatal(err)
	}
	evaluate := func(script string) {
		t.Helper()
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](script)); err != nil {
			t.Fatalf("%s: %v", script, err)
		}
	}
	event := m.read(t, m.waitPad(t, 0).Node)
	for _, step := range [][2]string{
		{"fake.press(0, 1)", "1/0x130=1"},
		{"fake.press(7, 0.5)", "3/0x5=128"},
		{"fake.move(0, -0.25)", "3/0x0=-8192"},
		{"fake.press(12, 1)", "3/0x11=-1"},
		{"fake.press(0, 0); fake.press(7, 0); fake.move(0, 0); fake.press(12, 0)", "1/0x130=0 3/0x0=0 3/0x5=0 3/0x11=0"},
		{"fake.press(16, 1)", "1/0x13c=1"},
	} {
		evaluate(step[0])
		if got := event.frame(t); got != step[1] {
			t.Errorf("%s: %s, want %s", step[0], got, step[1])
		}
	}
	var id int
	force := map[string]any{"node": m.pads(t)[0].Node, "do": "upload", "id": -1, "strong": 0xffff, "length": 1000}
	m.Call(t, "/force", force, &id)
	m.Call(t, "/force", map[string]any{"node": force["node"], "do": "play", "id": id, "value": 1}, nil)
	patiently(t, "the page is told to rumble", func() bool {
		told, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`messages.some(m => m.message_type === "rumble" && m.index === 0 && m.strong === 1)`))
		return err == nil && told
	})
	m.Call(t, "/force", map[string]any{"node": force["node"], "do": "close"}, nil)
	if err := chromedp.Cancel(ctx); err != nil {
		t.Fatalf("close the browser: %v", err)
	}
	if got := event.frame(t); got != "1/0x13c=0" {
		t.Errorf("the browser is closed: %s", got)
	}
}

// testConsole: a press in the console is an event in the guest, and what a game there plays is felt at the pad.
func (m *machine) testConsole(t *testing.T) {
	m.startService(t, nil)
	p := newPage(t, 2*time.Minute, nil, fakePad)
	p.open("https://" + m.Addr(doorPort) + "/login?token=" + url.QueryEscape(testkit.Token))
	p.until(time.Minute, "the page knows the services", `globalThis.ghostaux?.events.link === "open"`)
	p.run(`plug(true)`)
	event := m.read(t, m.waitPad(t, 0).Node)
	for _, step := range [][2]string{
		{"pad.buttons[0].value = 1", "1/0x130=1"},
		{"pad.axes[3] = -0.5", "3/0x4=-16383"},
		{"pad.buttons[0].value = pad.axes[3] = 0", "1/0x130=0 3/0x4=0"},
	} {
		p.run(step[0])
		if got := event.frame(t); got != step[1] {
			t.Errorf("%s: %s, want %s", step[0], got, step[1])
		}
	}
	var id int
	node := m.pads(t)[0].Node
	m.Call(t, "/force", map[string]any{"node": node, "do": "upload", "id": -1, "strong": 0xffff, "weak": 0x8000, "length": 1000}, &id)
	m.Call(t, "/force", map[string]any{"node": node, "do": "play", "id": id, "value": 1}, nil)
	p.until(time.Minute, "the pad rumbles", `pad.vibrationActuator.effects.some((e) => e.strongMagnitude === 1 && e.weakMagnitude === 0.5 && e.duration > 0)`)
	p.run(`plug(false)`)
	p.faultless()
}
