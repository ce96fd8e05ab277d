package integration

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"

	"ghostaux/pkg/testkit"
)

// proxied is ghostaux with sound behind an nginx, as docs/OPERATIONS.md shows it: with the default limit of bodies, 1 MiB, and
// a read timeout that is shorter than the silence of the tests.
type proxied struct {
	g         *testkit.Ghostaux
	base      string // of the services' paths at nginx
	uploadDir string
}

const proxyLines = `proxy_ssl_verify off; proxy_http_version 1.1; proxy_read_timeout 25s;
	proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;`

func startProxied(t *testing.T, path string, locations func(g *testkit.Ghostaux) string, args ...string) *proxied {
	t.Helper()
	pulse := testkit.StartPulse(t)
	p := &proxied{uploadDir: t.TempDir()}
	p.g = testkit.StartGhostauxWith(t, testkit.Start{
		Env:  []string{"PULSE_SERVER=" + pulse.Server},
		Args: append([]string{"--upload-dir", p.uploadDir}, args...),
	})
	pem := newImage(t).pem
	n := testkit.StartNginx(t, "ssl", "ssl_certificate "+pem+"; ssl_certificate_key "+pem+";\n"+locations(p.g))
	p.base = "https://" + n.Addr + path
	return p
}

// One port, with a prefix before everything.
func TestNginxOnePort(t *testing.T) {
	t.Parallel()
	p := startProxied(t, "/desk/7", func(g *testkit.Ghostaux) string {
		return "location /desk/7/ { proxy_pass https://" + g.Addr(t, "frontdoor") + "; " + proxyLines + " }"
	}, "--prefix", "/desk/7")
	for _, path := range []string{"/status", "/healthz", "/metrics"} {
		if status := p.get(t, path); status != http.StatusOK {
			t.Errorf("GET %s: %d", path, status)
		}
	}
	news := stayOpen(t, testkit.Dial(t, p.base+"/events"))
	p.everything(t)
	if news.told(t) < 4 { // the state, and every 10 s that it is alive
		t.Error("the page's socket was told nothing for a while")
	}
}

// The console finds out by itself how much nginx takes at once, which by default is 1 MiB.
func TestNginxConsoleUpload(t *testing.T) {
	p := startProxied(t, "/desk/7", func(g *testkit.Ghostaux) string {
		return "location /desk/7/ { proxy_pass https://" + g.Addr(t, "frontdoor") + "; " + proxyLines + " }"
	}, "--prefix", "/desk/7")
	page := newPage(t, 2*time.Minute, nil)
	page.open(p.base + "/login?token=" + url.QueryEscape(testkit.Token))
	page.until(20*time.Second, "the page knows the services", `globalThis.ghostaux?.events.link === "open"`)
	content := randomContent(11, 6<<20+5)
	path := filepath.Join(t.TempDir(), "through.bin")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(page.ctx, chromedp.SetUploadFiles(chromedp.CSS(".drop input[type=file]"), []string{path})); err != nil {
		t.Fatal(err)
	}
	page.until(time.Minute, "it has ended", `ghostaux.uploads.list[0]?.finished`)
	if problem := ask[string](page, `ghostaux.uploads.list[0].problem`); problem != "" {
		t.Errorf("it failed: %s", problem)
	}
	if got, err := os.ReadFile(filepath.Join(p.uploadDir, "through.bin")); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file: %v, equal %v", err, bytes.Equal(got, content))
	}
	page.faultless()
}

// A port for each service, the paths made by nginx.
func TestNginxPortForEach(t *testing.T) {
	t.Parallel()
	p := startProxied(t, "", func(g *testkit.Ghostaux) (block string) {
		for path, name := range map[string]string{"/audio/": "audioout", "/uploads/": "upload", "/audio_input/": "audioin", "/gamepad/": "gamepad"} {
			block += fmt.Sprintf("location %s { proxy_pass https://%s/; %s }\n", path, g.Addr(t, name), proxyLines)
		}
		return block
	})
	p.everything(t)
}

func (p *proxied) get(t *testing.T, path string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", testkit.Authorization(testkit.Token))
	resp, err := testkit.Client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// openSocket is a WebSocket through the proxy whose client only reads, and so answers pings.
type openSocket struct {
	conn     *websocket.Conn
	messages atomic.Int64
	ended    chan error
}

func stayOpen(t *testing.T, conn *websocket.Conn) *openSocket {
	t.Helper()
	s := &openSocket{conn: conn, ended: make(chan error, 1)}
	go func() {
		for {
			if _, _, err := s.conn.Read(context.WithoutCancel(t.Context())); err != nil {
				s.ended <- err
				return
			}
			s.messages.Add(1)
		}
	}()
	return s
}

// told ends the socket, which must be open still, and returns how many messages came.
func (s *openSocket) told(t *testing.T) int64 {
	t.Helper()
	select {
	case err := <-s.ended:
		t.Fatalf("it was closed: %v", err)
	default:
	}
	_ = s.conn.CloseNow()
	<-s.ended
	return s.messages.Load()
}

// everything uses each service, while a microphone says nothing for longer than the proxy's timeout.
func (p *proxied) everything(t *testing.T) {
	microphone := stayOpen(t, dialMicrophone(t, p.base+"/audio_input/?sample_rate=48000", testkit.Token))
	silence := time.After(30 * time.Second)
	p.uploads(t)
	listensAs(t, p.base+"/audio/", testkit.Token)
	refusesPad(t, p.base+"/gamepad/", testkit.Token)
	select {
	case err := <-microphone.ended:
		t.Fatalf("the silent microphone was closed: %v", err)
	case <-silence:
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := microphone.conn.Write(ctx, websocket.MessageBinary, make([]byte, 4*4096)); err != nil {
		t.Fatalf("speak after the silence: %v", err)
	}
	if err := microphone.conn.Ping(ctx); err != nil {
		t.Errorf("the microphone does not answer after the silence: %v", err)
	}
	microphone.told(t)
}

// uploads sends a file in chunks whose requests just fit nginx's default limit.
func (p *proxied) uploads(t *testing.T) {
	t.Helper()
	file := chunked{id: "x", name: "x.bin", size: 3<<20 + 5, chunk: 1<<20 - 4096}
	content := randomContent(9, file.size)
	for i := range file.count() {
		body, kind := file.form(i, content[i*file.chunk:min((i+1)*file.chunk, file.size)])
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.base+"/uploads/upload", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Authorization", testkit.Authorization(testkit.Token))
		resp, err := testkit.Client(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("chunk %d: %s", i, resp.Status)
		}
	}
	got, err := os.ReadFile(filepath.Join(p.uploadDir, file.name))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file: %v, equal %v", err, bytes.Equal(got, content))
	}
}
