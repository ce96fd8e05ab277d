package ws_test

import (
	"testing"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/testkit"
	"ghostaux/pkg/ws"
)

// A panic ends its own socket, not the process.
func TestPanicEndsOneSocket(t *testing.T) {
	s, srv := serve(t, ws.Options{}, func(c *ws.Conn) {
		if _, msg, err := c.Read(nil); err == nil && string(msg) == "panic" {
			panic("handler")
		}
	})
	other := testkit.Dial(t, srv.URL)
	conn := testkit.Dial(t, srv.URL)
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("panic")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); err == nil || websocket.CloseStatus(err) != -1 {
		t.Errorf("the peer learns %v, want a cut", err)
	}
	testkit.Eventually(t, 10*time.Second, "only the other socket is left", func() bool { return s.Len() == 1 })
	_ = other.Close(websocket.StatusNormalClosure, "")
}

// 50 peers come and go in every way there is, while pings are under way; TestMain's gate finds what they leave.
func TestChurn(t *testing.T) {
	s, srv := serve(t, ws.Options{PingEvery: time.Millisecond}, readAll)
	for i := range 50 {
		switch i % 5 {
		case 0: // politely
			_ = testkit.Dial(t, srv.URL).Close(websocket.StatusNormalClosure, "")
		case 1: // without a word
			_ = testkit.Dial(t, srv.URL).CloseNow()
		case 2: // in the middle of a frame
			conn := rawPeer(t, srv, "")
			_, _ = conn.Write([]byte{0x82, 0xFE, 0x10, 0x00, 1, 2, 3, 4, 5})
			_ = conn.Close()
		case 3: // with what is no frame
			conn := rawPeer(t, srv, "")
			_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			_ = conn.Close()
		case 4: // behind a message
			conn := testkit.Dial(t, srv.URL)
			_ = conn.Write(t.Context(), websocket.MessageBinary, make([]byte, 30<<10))
			_ = conn.CloseNow()
		}
	}
	testkit.Eventually(t, 20*time.Second, "all are released", func() bool { return s.Len() == 0 })
}

// JSMpeg offers the sub-protocol "null", and browsers drop a connection whose offer is not taken.
func TestOfferedSubprotocolIsTaken(t *testing.T) {
	_, srv := serve(t, ws.Options{}, readAll)
	for _, offer := range []string{"null", "null, binary"} {
		conn := rawPeer(t, srv, "Sec-WebSocket-Protocol: "+offer+"\r\n")
		if conn.answer.Get("Sec-WebSocket-Protocol") != "null" {
			t.Errorf("offered %s, took %q", offer, conn.answer.Get("Sec-WebSocket-Protocol"))
		}
	}
	if conn := rawPeer(t, srv, ""); conn.answer.Values("Sec-WebSocket-Protocol") != nil {
		t.Error("took one that was not offered")
	}
}
