package testkit

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/metrics"
	"ghostaux/pkg/service"
	"ghostaux/pkg/ws"
)

// Token is the credential of everything that testkit serves. Its password has what passwords have.
const Token = "kasm_user:p:w@ %+/ü"

// Env is a service's surroundings, with logs on the test's own output.
func Env(t testing.TB) service.Env {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	reg := metrics.New()
	a, err := auth.New(auth.Config{AuthToken: Token}, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	return service.Env{Log: log, Metrics: reg, Auth: a, Sockets: ws.NewSockets(reg)}
}

// Serve serves an endpoint on loopback with TLS and its guard, as pkg/host would, until the test ends.
func Serve(t testing.TB, ep service.Endpoint) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(ep.Guard(ep.Handler))
	srv.Listener = wires{srv.Listener}
	srv.Config.ConnContext = ws.ConnContext
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// wires is a listener of connections that can be upgraded.
type wires struct{ net.Listener }

// Accept implements net.Listener.
func (l wires) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return ws.NewWire(c), nil
}

// Authorization is the header value for a credential "user:password".
func Authorization(credential string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(credential))
}

// Client is an HTTP client that accepts any certificate, as Kasm's proxy does, and keeps nothing open at the end.
func Client(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Dial opens a WebSocket with Token, on https:// or wss:// URLs. It fails the test when it is refused.
func Dial(t testing.TB, url string) *websocket.Conn {
	t.Helper()
	conn, resp, err := TryDial(t, url, Token)
	if err != nil {
		t.Fatalf("dial %s: %v (%v)", url, err, resp)
	}
	return conn
}

// TryDial opens a WebSocket with the credential, or without any when it is "".
func TryDial(t testing.TB, url, credential string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	header := http.Header{}
	if credential != "" {
		header.Set("Authorization", Authorization(credential))
	}
	url = "wss" + strings.TrimPrefix(strings.TrimPrefix(url, "https"), "wss")
	conn, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: Client(t), HTTPHeader: header})
	if err != nil {
		return nil, resp, err
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn, resp, nil
}
