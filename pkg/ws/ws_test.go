package ws_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/metrics"
	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
	"ghostaux/pkg/ws"
)

// serve accepts sockets with the options and gives each to handle. At the end of the test no socket may be left.
func serve(t testing.TB, o ws.Options, handle func(*ws.Conn)) (*ws.Sockets, *httptest.Server) {
	t.Helper()
	s := ws.NewSockets(metrics.New())
	srv := testkit.Serve(t, service.Endpoint{Guard: auth.Open, Handler: accepting(s, o, handle)})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if left := s.Drain(ctx); left != 0 {
			t.Errorf("%d sockets are left", left)
		}
	})
	return s, srv
}

// readAll reads until the socket is closed.
func readAll(c *ws.Conn) {
	var buf []byte
	var err error
	for err == nil {
		_, buf, err = c.Read(buf)
	}
}

// closeCode reads until the peer closes, and returns its code.
func closeCode(t testing.TB, c *websocket.Conn) (websocket.StatusCode, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		_, _, err := c.Read(ctx)
		if ce, ok := errors.AsType[websocket.CloseError](err); ok {
			return ce.Code, ce.Reason
		}
		if err != nil {
			t.Fatalf("not closed with a code: %v", err)
		}
	}
}

func TestEcho(t *testing.T) {
	_, srv := serve(t, ws.Options{ReadLimit: 1 << 20}, func(c *ws.Conn) {
		var buf []byte
		for {
			typ, msg, err := c.Read(buf)
			if err != nil {
				return
			}
			buf = msg
			if c.Write(typ, msg) != nil {
				return
			}
		}
	})
	c := testkit.Dial(t, srv.URL)
	for _, size := range []int{0, 1, 125, 126, 4096, 65535, 65536, 1 << 20} {
		want := bytes.Repeat([]byte{byte(size), 7}, size)[:size]
		if err := c.Write(t.Context(), websocket.MessageBinary, want); err != nil {
			t.Fatal(err)
		}
		typ, got, err := c.Read(t.Context())
		if err != nil || typ != websocket.MessageBinary || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: got %d, %v, %v", size, len(got), typ, err)
		}
	}
}

func TestReadLimit(t *testing.T) {
	tooBig := make(chan bool, 1)
	_, srv := serve(t, ws.Options{ReadLimit: 1 << 20}, func(c *ws.Conn) {
		_, msg, err := c.Read(nil)
		if err != nil || len(msg) != 1<<20 {
			t.Errorf("the largest message: %d bytes, %v", len(msg), err)
		}
		_, _, err = c.Read(nil)
		tooBig <- ws.IsTooBig(err)
	})
	c := testkit.Dial(t, srv.URL)
	for _, size := range []int{1 << 20, 1<<20 + 1} {
		if err := c.Write(t.Context(), websocket.MessageBinary, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	if code, _ := closeCode(t, c); code != websocket.StatusMessageTooBig || !<-tooBig {
		t.Errorf("closed with %d", code)
	}
}

// Frames that are made once for many peers arrive like others, pings of both kinds between them.
func TestFrames(t *testing.T) {
	marked := make(chan struct{})
	onPong := func(p []byte) {
		if string(p) == "mark" {
			close(marked)
		}
	}
	_, srv := serve(t, ws.Options{Frames: true, OnPongData: onPong, PingEvery: 20 * time.Millisecond}, func(c *ws.Conn) {
		var reading sync.WaitGroup
		reading.Go(func() { readAll(c) })
		defer reading.Wait()
		for _, size := range []int{0, 125, 126, 65535, 65536} {
			if _, err := c.WriteFrames(ws.AppendFrame(nil, ws.Binary, make([]byte, size))); err != nil {
				t.Error(err)
			}
			if err := c.Flush(); err != nil {
				t.Error(err)
			}
		}
		_, _ = c.WriteFrames(ws.AppendPing(nil, []byte("mark")))
	})
	c := testkit.Dial(t, srv.URL)
	for _, size := range []int{0, 125, 126, 65535, 65536} {
		_, got, err := c.Read(t.Context())
		if err != nil || len(got) != size {
			t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
	go func() { _, _, _ = c.Read(context.Background()) }() // answers the ping
	<-marked
	_ = c.CloseNow()
}

func TestCloseSaysWhy(t *testing.T) {
	long := strings.Repeat("ü", 100)
	_, srv := serve(t, ws.Options{}, func(c *ws.Conn) { c.Close(ws.TryAgainLater, long) })
	code, reason := closeCode(t, testkit.Dial(t, srv.URL))
	if code != websocket.StatusTryAgainLater || reason != strings.Repeat("ü", 61) {
		t.Errorf("%d %q", code, reason)
	}
}

func TestRefuse(t *testing.T) {
	s := ws.NewSockets(metrics.New())
	srv := testkit.Serve(t, service.Endpoint{Guard: auth.Open, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Refuse(w, r, ws.TryAgainLater, "no microphone yet")
	})})
	if code, reason := closeCode(t, testkit.Dial(t, srv.URL)); code != websocket.StatusTryAgainLater || reason != "no microphone yet" {
		t.Errorf("%d %q", code, reason)
	}
	testkit.Eventually(t, 10*time.Second, "nothing of it is left", func() bool { return s.Len() == 0 })
}

// Draining closes all with 1001, refuses new ones, and ends although peers do not answer.
func TestDrain(t *testing.T) {
	s, srv := serve(t, ws.Options{}, readAll)
	listening := testkit.Dial(t, srv.URL)
	for range 5 {
		testkit.Dial(t, srv.URL) // never reads
	}
	testkit.Eventually(t, 10*time.Second, "all are accepted", func() bool { return s.Len() == 6 })
	code := make(chan websocket.StatusCode, 1)
	go func() {
		_, _, err := listening.Read(context.Background())
		code <- websocket.CloseStatus(err)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if left := s.Drain(ctx); left != 0 {
		t.Errorf("%d left", left)
	}
	if c := <-code; c != websocket.StatusGoingAway {
		t.Errorf("closed with %d", c)
	}
	if _, resp, err := testkit.TryDial(t, srv.URL, ""); err == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a new socket: %v", err)
	}
}

func BenchmarkRead(b *testing.B) {
	done := make(chan struct{})
	_, srv := serve(b, ws.Options{ReadLimit: 1 << 20}, func(c *ws.Conn) {
		buf := make([]byte, 8192)
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			var err error
			if _, buf, err = c.Read(buf); err != nil {
				b.Error(err)
				break
			}
		}
		b.StopTimer()
		close(done)
	})
	c := testkit.Dial(b, srv.URL)
	msg := make([]byte, 8192)
	for {
		select {
		case <-done:
			return
		default:
			_ = c.Write(context.Background(), websocket.MessageBinary, msg)
		}
	}
}
