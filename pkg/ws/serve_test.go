package ws_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"ghostaux/pkg/metrics"
	"ghostaux/pkg/testkit"
	"ghostaux/pkg/ws"
)

// accepting is a handler that gives every socket to handle and releases it.
func accepting(s *ws.Sockets, o ws.Options, handle func(c *ws.Conn)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := s.Accept(w, r, o)
		if err != nil {
			return
		}
		defer c.Release()
		handle(c)
	})
}

// upgrade does the peer's half of the handshake by hand, with more lines in its head, and perhaps bytes behind it that it
// sends before it has the answer, whose head is returned.
func upgrade(t *testing.T, conn net.Conn, lines string, early ...byte) http.Header {
	t.Helper()
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+lines+"\r\n"+string(early))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(oneByte{conn}, 16), nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v, %v", resp, err)
	}
	return resp.Header
}

// oneByte reads single bytes, so that nothing behind the answer's head is taken.
type oneByte struct{ net.Conn }

func (o oneByte) Read(b []byte) (int, error) { return o.Conn.Read(b[:1]) }

// peer is one on TLS of whose bytes the test decides.
type peer struct {
	*tls.Conn
	answer http.Header // to its upgrade
}

func rawPeer(t *testing.T, srv *httptest.Server, lines string, early ...byte) peer {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(srv.URL, "https://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.NetConn().Close() })
	return peer{conn, upgrade(t, conn, lines, early...)}
}

// pipes is a server whose connections are pipes without any buffer, for tests in synctest's time.
type pipes struct {
	sockets *ws.Sockets
	metrics *metrics.Registry
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func servePipes(t *testing.T, o ws.Options, config *tls.Config, handle func(c *ws.Conn)) *pipes {
	t.Helper()
	p := &pipes{metrics: metrics.New(), conns: make(chan net.Conn), closed: make(chan struct{})}
	p.sockets = ws.NewSockets(p.metrics)
	srv := &http.Server{
		Handler: accepting(p.sockets, o, handle), ConnContext: ws.ConnContext, ErrorLog: log.New(io.Discard, "", 0),
	}
	var l net.Listener = p
	if config != nil {
		l = tls.NewListener(p, config)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return p
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, errors.New("closed")
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) connect(t *testing.T) net.Conn {
	near, far := net.Pipe()
	p.conns <- ws.NewWire(far)
	t.Cleanup(func() { _ = near.Close() })
	return near
}

// dial is a well-behaved peer.
func (p *pipes) dial(t *testing.T) *websocket.Conn {
	t.Helper()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return p.connect(t), nil }}
	conn, _, err := websocket.Dial(t.Context(), "ws://pipe/", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func (p *pipes) count(t *testing.T, name string) float64 {
	t.Helper()
	return testkit.Metric(t, p.metrics, name)
}
