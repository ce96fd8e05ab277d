package host_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-chi/chi/v5"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/host"
	"ghostaux/pkg/metrics"
	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
	"ghostaux/pkg/ws"
)

// fake is a service with the endpoints that a test wants.
type fake struct {
	name      string
	endpoints []service.Endpoint
}

func (f *fake) Name() string                  { return f.name }
func (f *fake) Endpoints() []service.Endpoint { return f.endpoints }

func (f *fake) Run(ctx context.Context, ready func()) error {
	ready()
	<-ctx.Done()
	return nil
}

// running is a host that serves.
type running struct {
	supervisor *service.Supervisor
	auth       *auth.Auth
	sockets    *ws.Sockets
	stop       func()
	log        *lockedBuffer
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// build makes a host of the services that endpoints make.
func build(t *testing.T, c host.Config, endpoints func(a *auth.Auth, s *ws.Sockets) []service.Service) (*host.Host, *running, error) {
	t.Helper()
	return buildWith(t, auth.Config{AuthToken: testkit.Token}, c, endpoints)
}

// buildWith is build with other credentials.
func buildWith(t *testing.T, credentials auth.Config, c host.Config, endpoints func(a *auth.Auth, s *ws.Sockets) []service.Service) (*host.Host, *running, error) {
	t.Helper()
	r := &running{log: &lockedBuffer{}}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	reg := metrics.New()
	a, err := auth.New(credentials, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	certs, err := auth.OpenCertificates(auth.CertConfig{Cert: t.TempDir() + "/self.pem"}, log)
	if err != nil {
		t.Fatal(err)
	}
	r.auth, r.sockets = a, ws.NewSockets(reg)
	services := endpoints(a, r.sockets)
	r.supervisor = service.NewSupervisor(log, reg, services, nil)
	h, err := host.New(host.Options{
		Config: c, Log: log, Auth: a, TLS: certs.TLSConfig(), Sockets: r.sockets, Supervisor: r.supervisor,
		Services: services, Metrics: reg, Version: "test",
		Console: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "console %s", r.URL.Path) }),
	})
	return h, r, err
}

func start(t *testing.T, c host.Config, endpoints func(a *auth.Auth, s *ws.Sockets) []service.Service) *running {
	t.Helper()
	h, r, err := build(t, c, endpoints)
	if err != nil {
		t.Fatal(err)
	}
	return r.run(t, h)
}

// run serves until the test ends.
func (r *running) run(t *testing.T, h *host.Host) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	devices, release := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { h.Run(ctx, func() {}); release() })
	all.Go(func() { r.supervisor.Run(devices) })
	r.stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
	})
	t.Cleanup(r.stop)
	return r
}

// addr waits for the address of a service's endpoint.
func (r *running) addr(t *testing.T, name string) string {
	t.Helper()
	var addr string
	testkit.Eventually(t, 10*time.Second, name+" listens", func() bool {
		for _, st := range r.supervisor.Snapshot() {
			for _, a := range st.Addresses {
				if st.Name == name && a.Error == "" {
					addr = a.Addr
				}
			}
		}
		return addr != ""
	})
	return addr
}

// frontDoor waits for the front door's address, which only the log has.
func (r *running) frontDoor(t *testing.T) string {
	t.Helper()
	var addr string
	testkit.Eventually(t, 10*time.Second, "the front door listens", func() bool {
		for line := range strings.Lines(r.log.String()) {
			if strings.Contains(line, "msg=listening service=frontdoor") {
				_, rest, _ := strings.Cut(line, "addr=")
				addr, _, _ = strings.Cut(rest, " ")
			}
		}
		return addr != ""
	})
	return addr
}

// get asks with the credential, or without any when it is "".
func get(t *testing.T, url, credential string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if credential != "" {
		req.Header.Set("Authorization", testkit.Authorization(credential))
	}
	resp, err := testkit.Client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// pathEcho answers with the path that it sees.
var pathEcho = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s for %s", r.URL.Path, auth.From(r.Context()).Role)
})

func oneService(handler http.Handler) func(*auth.Auth, *ws.Sockets) []service.Service {
	return func(a *auth.Auth, _ *ws.Sockets) []service.Service {
		return []service.Service{&fake{name: "upload", endpoints: []service.Endpoint{
			{Addr: "127.0.0.1:0", Mount: "/uploads/", Guard: a.Require(auth.Owner, nil), Handler: handler},
		}}}
	}
}

func TestPathsAndGuards(t *testing.T) {
	router := chi.NewRouter() // as the services have
	router.Handle("/", pathEcho)
	router.Handle("/upload", pathEcho)
	for _, prefix := range []string{"", "/x/y"} {
		r := start(t, host.Config{Addr: "127.0.0.1:0", Prefix: prefix}, oneService(router))
		own, front := "https://"+r.addr(t, "upload"), "https://"+r.frontDoor(t)
		for _, c := range []struct {
			url, credential string
			status          int
			body            string
		}{
			{own + "/upload", testkit.Token, 200, "/upload for owner"},
			{own + "/upload", "", 401, ""},
			{own + "/upload", "kasm_user:", 401, ""},
			{front + prefix + "/uploads/upload", testkit.Token, 200, "/upload for owner"},
			{front + prefix + "/uploads/", testkit.Token, 200, "/ for owner"},
			{front + prefix + "/uploads", testkit.Token, 200, "/ for owner"},
			{front + prefix + "/uploads/upload", "", 401, ""},
			{front + prefix + "/status", "", 401, ""},
			{front + prefix + "/metrics", "", 401, ""},
			{front + prefix + "/metrics", testkit.Token, 200, ""},
			{front + prefix + "/healthz", "", 200, "ok\n"},
			{front + prefix + "/readyz", "", 200, "ready\n"},
			{front + prefix + "/", testkit.Token, 200, "console /"},
			{front + prefix + "/main.js", testkit.Token, 200, "console /main.js"},
			{front + prefix + "/main.js", "", 401, ""},
			{front + prefix + "/login", "", 200, ""},
		} {
			status, body := get(t, c.url, c.credential)
			if status != c.status || c.body != "" && body != c.body {
				t.Errorf("GET %s as %q: %d %q, want %d %q", c.url, c.credential, status, body, c.status, c.body)
			}
		}
		if prefix != "" {
			if status, _ := get(t, front+"/uploads/upload", testkit.Token); status != 404 {
				t.Errorf("outside the prefix: %d", status)
			}
		}
		if strings.Contains(r.log.String(), "p:w@") {
			t.Errorf("the log has the password:\n%s", r.log.String())
		}
	}
}

func TestStatus(t *testing.T) {
	r := start(t, host.Config{Addr: "127.0.0.1:0"}, oneService(pathEcho))
	_, body := get(t, "https://"+r.frontDoor(t)+"/status", testkit.Token)
	var page struct {
		Role     string
		Services []struct{ Name, State string }
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatal(err)
	}
	if page.Role != "owner" || len(page.Services) != 1 || page.Services[0].State != "ready" {
		t.Errorf("%s", body)
	}
}

func TestNothingIsOpenByOmission(t *testing.T) {
	_, _, err := build(t, host.Config{Addr: "off"}, func(*auth.Auth, *ws.Sockets) []service.Service {
		return []service.Service{&fake{name: "x", endpoints: []service.Endpoint{{Addr: "127.0.0.1:0", Handler: pathEcho}}}}
	})
	if err == nil || !strings.Contains(err.Error(), "guard") {
		t.Errorf("err %v", err)
	}
}

func TestAddressAskedForTwice(t *testing.T) {
	_, _, err := build(t, host.Config{Addr: "127.0.0.1:4902"}, func(a *auth.Auth, _ *ws.Sockets) []service.Service {
		return []service.Service{&fake{name: "upload", endpoints: []service.Endpoint{
			{Addr: "127.0.0.1:4902", Handler: pathEcho, Guard: auth.Open},
		}}}
	})
	if err == nil || !strings.Contains(err.Error(), "4902") || !strings.Contains(err.Error(), "upload") {
		t.Errorf("err %v", err)
	}
}

// TestPeersBeforeDevices: devices are looked for once all addresses accept connections, or have been found to be taken.
func TestPeersBeforeDevices(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := first.Addr().String()
	_ = first.Close()
	h, _, err := build(t, host.Config{Addr: "off"}, func(a *auth.Auth, _ *ws.Sockets) []service.Service {
		return []service.Service{&fake{name: "upload", endpoints: []service.Endpoint{
			{Name: "a", Addr: taken.Addr().String(), Guard: auth.Open, Handler: pathEcho},
			{Name: "b", Addr: free, Guard: auth.Open, Handler: pathEcho},
		}}}
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	h.Run(ctx, func() {
		if conn, err := net.Dial("tcp", free); err != nil {
			t.Error(err)
		} else {
			_ = conn.Close()
		}
		cancel()
	})
	if ctx.Err() == nil {
		t.Error("Run did not say that it tried")
	}
}

// An address that another program has degrades its service alone, says so, and is taken as soon as it is free.
func TestAddressInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := start(t, host.Config{Addr: "off"}, func(a *auth.Auth, _ *ws.Sockets) []service.Service {
		return []service.Service{
			&fake{name: "upload", endpoints: []service.Endpoint{{Addr: taken.Addr().String(), Guard: auth.Open, Handler: pathEcho}}},
			&fake{name: "other", endpoints: []service.Endpoint{{Addr: "127.0.0.1:0", Guard: auth.Open, Handler: pathEcho}}},
		}
	})
	if status, _ := get(t, "https://"+r.addr(t, "other")+"/", ""); status != 200 {
		t.Errorf("the other service: %d", status)
	}
	testkit.Eventually(t, 10*time.Second, "upload is degraded with its address", func() bool {
		st := r.supervisor.Snapshot()[0]
		return st.State == service.Degraded && strings.Contains(st.Reason, taken.Addr().String()) && strings.Contains(st.Reason, "in use")
	})
	taken.Close()
	if status, _ := get(t, "https://"+r.addr(t, "upload")+"/", ""); status != 200 {
		t.Errorf("after it was freed: %d", status)
	}
	if st := r.supervisor.Snapshot()[0]; st.State != service.Ready {
		t.Errorf("after it was freed: %+v", st)
	}
}

func TestPanicEndsOneRequest(t *testing.T) {
	r := start(t, host.Config{Addr: "off"}, oneService(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("handler")
		}
	})))
	url := "https://" + r.addr(t, "upload")
	if status, body := get(t, url+"/panic", testkit.Token); status != 500 || strings.Contains(body, "handler") {
		t.Errorf("%d %q", status, body)
	}
	if status, _ := get(t, url+"/", testkit.Token); status != 200 {
		t.Errorf("after it: %d", status)
	}
}

// A stop tells every socket 1001 before the devices go, and ends although one peer does not listen.
func TestStopClosesSockets(t *testing.T) {
	r := start(t, host.Config{Addr: "off"}, func(a *auth.Auth, s *ws.Sockets) []service.Service {
		return []service.Service{&fake{name: "upload", endpoints: []service.Endpoint{{
			Addr: "127.0.0.1:0", Guard: a.Require(auth.Owner, nil),
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, err := s.Accept(w, r, ws.Options{})
				if err != nil {
					return
				}
				defer conn.Release()
				_, _, _ = conn.Read(nil)
			}),
		}}}}
	})
	url := "https://" + r.addr(t, "upload") + "/"
	listening, deaf := testkit.Dial(t, url), testkit.Dial(t, url)
	_ = deaf
	closed := make(chan websocket.StatusCode, 1)
	go func() {
		_, _, err := listening.Read(context.Background())
		closed <- websocket.CloseStatus(err)
	}()
	r.stop()
	if code := <-closed; code != websocket.StatusGoingAway {
		t.Errorf("closed with %d, want 1001", code)
	}
}

// Peers that send rubbish get an answer or a cut, and nobody else notices.
func TestBadInput(t *testing.T) {
	r := start(t, host.Config{Addr: "off"}, oneService(pathEcho))
	addr := r.addr(t, "upload")
	for name, send := range map[string]string{
		"garbage":         "\x00\x01\x02\r\n\r\n",
		"half a request":  "GET / HT",
		"10 MB of a line": "GET /" + strings.Repeat("x", 10<<20) + " HTTP/1.1\r\n\r\n",
	} {
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(conn, send) // the host may cut before it has all
		_ = conn.CloseWrite()
		answer, _ := io.ReadAll(conn)
		if len(answer) > 0 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) {
			t.Errorf("%s: answered %.80q", name, answer)
		}
		conn.Close()
	}
	if status, _ := get(t, "https://"+addr+"/", testkit.Token); status != 200 {
		t.Errorf("after it: %d", status)
	}
}

func TestConfigFaults(t *testing.T) {
	err := host.Config{Addr: "4900", Prefix: "x/"}.Validate()
	if err == nil || !strings.Contains(err.Error(), `--addr "4900"`) || !strings.Contains(err.Error(), `--prefix "x/"`) {
		t.Errorf("%v", err)
	}
	for _, addr := range []string{"off", "", ":4900", "127.0.0.1:0", "[::1]:80"} {
		if err := (host.Config{Addr: addr}).Validate(); err != nil {
			t.Errorf("%q: %v", addr, err)
		}
	}
}
