package ws_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
	"ghostaux/pkg/ws"
)

func context10s(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// closeOf waits until the peer learns the end.
func closeOf(t *testing.T, conn *websocket.Conn) (websocket.StatusCode, error) {
	t.Helper()
	for {
		if _, _, err := conn.Read(context10s(t)); err != nil {
			return websocket.CloseStatus(err), err
		}
	}
}

func echo(c *ws.Conn) {
	buf := make([]byte, 0, 16) // grows
	for {
		typ, msg, err := c.Read(buf)
		if err != nil {
			return
		}
		if err := c.Write(typ, msg); err != nil {
			return
		}
		buf = msg
	}
}

func TestMessagesPassWhole(t *testing.T) {
	_, srv := serve(t, ws.Options{ReadLimit: 1 << 20}, echo)
	conn := testkit.Dial(t, srv.URL)
	for _, n := range []int{0, 1, 15, 16, 17, 125, 126, 65535, 65536, 1 << 20} {
		for _, typ := range []websocket.MessageType{websocket.MessageBinary, websocket.MessageText} {
			want := bytes.Repeat([]byte{'x'}, n)
			if err := conn.Write(context10s(t), typ, want); err != nil {
				t.Fatal(err)
			}
			got, msg, err := conn.Read(context10s(t))
			if err != nil || got != typ || !bytes.Equal(msg, want) {
				t.Fatalf("%d bytes of %v came back as %d of %v, %v", n, typ, len(msg), got, err)
			}
		}
	}
}

func TestReadLimit(t *testing.T) {
	tooBig := make(chan bool, 1)
	_, srv := serve(t, ws.Options{ReadLimit: 1000}, func(c *ws.Conn) {
		for {
			if _, _, err := c.Read(nil); err != nil {
				tooBig <- ws.IsTooBig(err)
				return
			}
		}
	})
	conn := testkit.Dial(t, srv.URL)
	for _, n := range []int{1000, 1001} {
		if err := conn.Write(context10s(t), websocket.MessageBinary, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	if code, err := closeOf(t, conn); code != websocket.StatusMessageTooBig {
		t.Errorf("the peer learns %v", err)
	}
	if !<-tooBig {
		t.Error("the handler does not learn it")
	}
}

// The same bytes go to many peers; a ping among them comes back when everything before it was read.
func TestFrames(t *testing.T) {
	sizes := []int{0, 125, 126, 65535, 65536}
	var frames []byte
	for _, n := range sizes {
		frames = ws.AppendFrame(frames, ws.Binary, make([]byte, n))
	}
	frames = ws.AppendPing(frames, []byte("mark"))
	pongs := make(chan string, 2)
	_, srv := serve(t, ws.Options{OnPongData: func(b []byte) { pongs <- string(b) }}, func(c *ws.Conn) {
		if err := c.WriteFrames(frames); err != nil {
			t.Error(err)
		}
		readAll(c)
	})
	for range 2 {
		conn := testkit.Dial(t, srv.URL)
		for _, n := range sizes {
			typ, msg, err := conn.Read(context10s(t))
			if err != nil || typ != websocket.MessageBinary || len(msg) != n {
				t.Fatalf("%d bytes arrived as %d of %v, %v", n, len(msg), typ, err)
			}
		}
		reading := conn.CloseRead(t.Context()) // answers the ping
		if got := <-pongs; got != "mark" {
			t.Errorf("the pong has %q", got)
		}
		_ = conn.Close(websocket.StatusNormalClosure, "")
		<-reading.Done()
	}
}

func TestCloseSaysWhy(t *testing.T) {
	long := strings.Repeat("ü", 100) // 200 bytes; a close frame takes 123
	_, srv := serve(t, ws.Options{}, func(c *ws.Conn) { c.Close(ws.TryAgainLater, long) })
	code, err := closeOf(t, testkit.Dial(t, srv.URL))
	if code != websocket.StatusTryAgainLater || !strings.Contains(err.Error(), strings.Repeat("ü", 61)) || !utf8.ValidString(err.Error()) {
		t.Errorf("the peer learns %v", err)
	}
}

func TestRefuse(t *testing.T) {
	s := ws.NewSockets(prometheus.NewRegistry())
	srv := testkit.Serve(t, service.Endpoint{Guard: auth.Open, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Refuse(w, r, ws.PolicyViolation, "one at a time")
	})})
	code, err := closeOf(t, testkit.Dial(t, srv.URL))
	if code != websocket.StatusPolicyViolation || !strings.Contains(err.Error(), "one at a time") {
		t.Errorf("the peer learns %v", err)
	}
	testkit.Eventually(t, 10*time.Second, "the socket is released", func() bool { return s.Len() == 0 })
	resp, err := testkit.Client(t).Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("a request that is no WebSocket: %s", resp.Status)
	}
}

// A panic ends its own socket, not the process.
func TestPanicEndsOneSocket(t *testing.T) {
	s, srv := serve(t, ws.Options{}, func(c *ws.Conn) {
		if _, msg, err := c.Read(nil); err == nil && string(msg) == "panic" {
			panic("handler")
		}
	})
	other := testkit.Dial(t, srv.URL)
	conn := testkit.Dial(t, srv.URL)
	if err := conn.Write(context10s(t), websocket.MessageText, []byte("panic")); err != nil {
		t.Fatal(err)
	}
	if code, err := closeOf(t, conn); code != -1 {
		t.Errorf("the peer learns %v, want a cut", err)
	}
	testkit.Eventually(t, 10*time.Second, "only the other socket is left", func() bool { return s.Len() == 1 })
	_ = other.Close(websocket.StatusNormalClosure, "")
}

// 50 peers come and go in every way there is; TestMain's gate finds what they leave.
func TestChurn(t *testing.T) {
	s, srv := serve(t, ws.Options{PingEvery: time.Millisecond}, echo)
	for i := range 50 {
		switch i % 5 {
		case 0: // politely
			_ = testkit.Dial(t, srv.URL).Close(websocket.StatusNormalClosure, "")
		case 1: // without a word
			_ = testkit.Dial(t, srv.URL).CloseNow()
		case 2: // in the middle of a frame
			conn := rawPeer(t, srv)
			_, _ = conn.Write([]byte{0x82, 0xFE, 0x10, 0x00, 1, 2, 3, 4, 5})
			_ = conn.Close()
		case 3: // with what is no frame
			conn := rawPeer(t, srv)
			_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			_ = conn.Close()
		case 4: // while much is under way to it
			conn := testkit.Dial(t, srv.URL)
			_ = conn.Write(context10s(t), websocket.MessageBinary, make([]byte, 30<<10))
			_ = conn.CloseNow()
		}
	}
	testkit.Eventually(t, 20*time.Second, "all sockets are released", func() bool { return s.Len() == 0 })
}
