//go:build !race

package ws_test

import (
	"io"
	"testing"

	"ghostaux/pkg/ws"
)

// What runs for every packet and peer allocates nothing, but for what crypto/tls allocates itself: one small object for
// every record read. Not with the race detector, which empties pools at random.
func TestNoAllocations(t *testing.T) {
	conns, done := make(chan *ws.Conn), make(chan struct{})
	_, srv := serve(t, ws.Options{Frames: true}, func(c *ws.Conn) {
		conns <- c
		<-done
	})
	defer close(done)
	peer := rawPeer(t, srv, "")
	c := <-conns
	go func() { _, _ = io.CopyBuffer(io.Discard, struct{ io.Reader }{peer.NetConn()}, make([]byte, 4096)) }()
	msg := make([]byte, 200)
	masked := append([]byte{0x82, 0x80 | 126, 0, 200, 1, 2, 3, 4}, msg...) // a peer masks what it sends
	frames := ws.AppendFrame(nil, ws.Binary, msg)
	buf := make([]byte, 0, 1024)
	for _, m := range []struct {
		what string
		run  func() error
		want float64
	}{
		{"Read", func() error {
			if _, err := peer.Write(masked); err != nil {
				return err
			}
			_, _, err := c.Read(buf)
			return err
		}, 1},
		{"Write", func() error { return c.Write(ws.Binary, msg) }, 0},
		{"WriteFrames", func() error {
			if all, err := c.WriteFrames(frames); err != nil || all {
				return err
			}
			return c.Flush()
		}, 0},
	} {
		n := testing.AllocsPerRun(1000, func() {
			if err := m.run(); err != nil {
				t.Fatal(err)
			}
		})
		if n > m.want {
			t.Errorf("%s: %v allocations a message", m.what, n)
		}
	}
}
