package ws_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/ws"
)

// eachWay runs the test for sockets of both kinds, since each pings in its own way.
func eachWay(t *testing.T, test func(*testing.T, ws.Options)) {
	for name, o := range map[string]ws.Options{"messages": {}, "frames": {Frames: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, o) })
		})
	}
}

// A silent peer that answers pings stays for hours, with a ping often enough for every proxy.
func TestKeepAlive(t *testing.T) {
	eachWay(t, func(t *testing.T, o ws.Options) {
		pongs := 0
		o.OnPong = func() { pongs++ }
		p := servePipes(t, o, nil, readAll)
		conn := p.dial(t)
		conn.CloseRead(t.Context())
		time.Sleep(time.Hour)
		synctest.Wait()
		if pongs < 179 || pongs > 180 {
			t.Errorf("%d pongs in an hour, want one every 20 s", pongs)
		}
		if p.sockets.Len() != 1 || p.count(t, "websockets_lost_total") != 0 {
			t.Error("the peer was cut")
		}
		_ = conn.CloseNow()
	})
}

// A peer that vanished without a word, as a laptop that sleeps, takes what the kernel queues and answers nothing.
func TestVanishedPeerIsCut(t *testing.T) {
	eachWay(t, func(t *testing.T, o ws.Options) {
		var gone time.Time
		p := servePipes(t, o, nil, func(c *ws.Conn) {
			readAll(c)
			gone = time.Now()
		})
		start := time.Now()
		conn := p.connect(t)
		upgrade(t, conn, "")
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if took := gone.Sub(start); took != ws.DefaultPingDead {
			t.Errorf("cut after %v, want %v", took, ws.DefaultPingDead)
		}
		if p.sockets.Len() != 0 || p.count(t, "websockets_lost_total") != 1 || p.count(t, "websockets_open") != 0 {
			t.Error("it is not counted, or not released")
		}
	})
}

// A peer may take longer for one message than a ping waits for its pong.
func TestSlowPeerIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result := make(chan error, 1)
		p := servePipes(t, ws.Options{}, nil, func(c *ws.Conn) {
			reading := make(chan struct{})
			go func() {
				defer close(reading)
				readAll(c)
			}()
			result <- c.Write(ws.Binary, make([]byte, 1000))
			<-reading
		})
		conn := p.connect(t)
		upgrade(t, conn, "")
		time.Sleep(40 * time.Second)
		if _, err := io.ReadFull(conn, make([]byte, 1004)); err != nil {
			t.Errorf("the message is lost: %v", err)
		}
		if err := <-result; err != nil {
			t.Errorf("the write failed: %v", err)
		}
		_ = conn.Close()
		synctest.Wait()
	})
}

// Whatever a peer does not read, Close and Cut end in bounded time, and a blocked writer with them.
func TestBlockedWriterEnds(t *testing.T) {
	for name, e := range map[string]struct {
		end  func(c *ws.Conn)
		took time.Duration // at most
	}{
		"Close": {func(c *ws.Conn) { c.Close(ws.GoingAway, "") }, 2 * time.Second},
		"Cut":   {(*ws.Conn).Cut, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				took := make(chan time.Duration, 1)
				p := servePipes(t, ws.Options{}, nil, func(c *ws.Conn) {
					failed := make(chan error, 1)
					go func() { failed <- c.Write(ws.Binary, make([]byte, 1000)) }()
					synctest.Wait() // it is blocked
					start := time.Now()
					e.end(c)
					if err := <-failed; err == nil {
						t.Error("a write that nobody took succeeded")
					}
					took <- time.Since(start)
				})
				upgrade(t, p.connect(t), "")
				if d := <-took; d > e.took {
					t.Errorf("it took %v, want at most %v", d, e.took)
				}
				synctest.Wait()
			})
		})
	}
}

// TLS says farewell before it closes, and waits for a peer that reads nothing. A cut does not.
func TestCutDoesNotWaitForTLS(t *testing.T) {
	config := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		took := make(chan time.Duration, 2)
		p := servePipes(t, ws.Options{}, config, func(c *ws.Conn) {
			start := time.Now()
			c.Cut()
			took <- time.Since(start)
			c.Release()
			took <- time.Since(start)
		})
		conn := tls.Client(p.connect(t), &tls.Config{InsecureSkipVerify: true})
		upgrade(t, conn, "")
		if cut, release := <-took, <-took; cut != 0 || release != 0 {
			t.Errorf("Cut took %v, with Release %v", cut, release)
		}
		synctest.Wait()
	})
}

// At a stop those who listen learn it, and those who do not are cut.
func TestDrainWaitsForNobody(t *testing.T) {
	config := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		p := servePipes(t, ws.Options{}, config, readAll)
		polite := make(chan error, 3)
		for range 3 {
			conn := p.dialTLS(t)
			go func() {
				_, _, err := conn.Read(context.Background())
				polite <- err
			}()
		}
		for range 3 {
			upgrade(t, tls.Client(p.connect(t), &tls.Config{InsecureSkipVerify: true}), "") // reads nothing from now on
		}
		synctest.Wait()
		start := time.Now()
		limit, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if left := p.sockets.Drain(limit); left != 0 {
			t.Errorf("%d sockets are left", left)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		for range 3 {
			if err := <-polite; websocket.CloseStatus(err) != websocket.StatusGoingAway {
				t.Errorf("a peer that listens learns %v", err)
			}
		}
		select {
		case <-p.sockets.Stopping():
		default:
			t.Error("handlers of endless answers do not learn it")
		}
	})
}

func TestDrainCountsHandlersThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := servePipes(t, ws.Options{}, nil, func(*ws.Conn) { <-release })
		for range 2 {
			upgrade(t, p.connect(t), "")
		}
		synctest.Wait()
		limit, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		if left := p.sockets.Drain(limit); left != 2 || time.Since(start) > 5*time.Second {
			t.Errorf("%d left after %v", left, time.Since(start))
		}
		close(release)
		synctest.Wait()
		if p.sockets.Len() != 0 || p.sockets.Drain(t.Context()) != 0 {
			t.Error("they are still counted")
		}
	})
}

func TestNoNewSocketsWhileStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := servePipes(t, ws.Options{}, nil, readAll)
		p.sockets.Drain(t.Context())
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return p.connect(t), nil }}
		_, resp, err := websocket.Dial(t.Context(), "ws://pipe/", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
		if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%v, %v", resp, err)
		}
	})
}

func TestServerWithoutConnContext(t *testing.T) {
	w := httptest.NewRecorder()
	p := servePipes(t, ws.Options{}, nil, readAll)
	_, err := p.sockets.Accept(w, httptest.NewRequest(http.MethodGet, "/", nil), ws.Options{})
	if err == nil || w.Code != http.StatusInternalServerError {
		t.Errorf("%d, %v", w.Code, err)
	}
}

func certificate(t *testing.T) *tls.Config {
	t.Helper()
	certs, err := auth.OpenCertificates(auth.CertConfig{Cert: t.TempDir() + "/self.pem"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return certs.TLSConfig()
}

func (p *pipes) dialTLS(t *testing.T) *websocket.Conn {
	t.Helper()
	transport := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		return tls.Client(p.connect(t), &tls.Config{InsecureSkipVerify: true}), nil
	}}
	conn, _, err := websocket.Dial(t.Context(), "wss://pipe/", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}
