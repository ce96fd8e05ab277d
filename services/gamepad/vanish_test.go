package gamepad

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// gate is a proxy that can stop passing anything on without closing, as a network that is gone does.
type gate struct {
	net.Listener
	shut atomic.Bool
}

func newGate(t *testing.T, target string) *gate {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Listener: l}
	ctx, cancel := context.WithCancel(context.Background())
	var copying sync.WaitGroup
	copying.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				in.Close()
				return
			}
			context.AfterFunc(ctx, func() { in.Close(); out.Close() })
			copying.Go(func() { g.pass(in, out) })
			copying.Go(func() { g.pass(out, in) })
		}
	})
	t.Cleanup(func() { l.Close(); cancel(); copying.Wait() })
	return g
}

// pass keeps what comes while the gate is shut, and passes it on later, as TCP does.
func (g *gate) pass(from, to net.Conn) {
	defer to.Close()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		for g.shut.Load() {
			time.Sleep(time.Millisecond)
			if _, err := to.Write(nil); err != nil {
				return
			}
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// TestVanished: the network goes away in silence, and comes back.
func TestVanished(t *testing.T) {
	r := start(t, config(), newFakeMaker())
	g := newGate(t, r.server.Listener.Addr().String())
	conn := testkit.Dial(t, "https://"+g.Addr().String())
	conn.CloseRead(context.Background())
	send(t, conn, held(0))
	eventually(t, "pressed", func() bool { return r.isHeld(0) })
	g.shut.Store(true)
	begin := time.Now()
	eventually(t, "released", func() bool { return r.maker.pad(0).neutral() })
	t.Logf("released %v after the network went away", time.Since(begin).Round(time.Millisecond))
	g.shut.Store(false)
	eventually(t, "pressed again", func() bool { return r.isHeld(0) })
	if n := r.service.count.missed.Get(); n < 1 {
		t.Errorf("missed %v times", n)
	}
}

// TestSilenceIsNotGone: a held button sends nothing, for as long as it is held.
func TestSilenceIsNotGone(t *testing.T) {
	r := start(t, config(), newFakeMaker())
	conn := r.join(t)
	send(t, conn, held(0))
	eventually(t, "pressed", func() bool { return r.isHeld(0) })
	pad := r.maker.pad(0)
	for deadline := time.Now().Add(4 * missingAfter); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if pad.neutral() && r.service.count.missed.Get() == 0 {
			t.Fatal("released without a reason")
		}
	}
	eventually(t, "still pressed", func() bool { return r.isHeld(0) })
}
