package gamepad

import (
	"context"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"ghostaux/pkg/testkit"
	"ghostaux/pkg/ws"
)

// TestFlood: a peer that sends more than it may makes nobody else wait.
func TestFlood(t *testing.T) {
	r := start(t, config(), newFakeMaker())
	flooder, player := r.join(t), r.join(t)
	ctx, stop := context.WithCancel(t.Context())
	var flooding sync.WaitGroup
	flooding.Go(func() {
		msg := []byte(held(3))
		for flooder.Write(ctx, websocket.MessageText, msg) == nil {
		}
	})
	eventually(t, "the flooder is throttled", func() bool { return r.service.count.rows.Get() > rowBurst })
	send(t, player, held(0))
	eventually(t, "another peer's pad works", func() bool { return r.isHeld(0) })
	eventually(t, "the flooder is closed", func() bool { return r.service.count.tooFast.Get() == 1 })
	stop()
	flooding.Wait()
	eventually(t, "its pad is released", func() bool { return r.maker.pad(3).neutral() })
	if !r.isHeld(0) && r.service.count.missed.Get() == 0 { // a busy machine's pongs may be late
		t.Error("the other peer's pad was released, too")
	}
	eventually(t, "the other peer's pad is held", func() bool { return r.isHeld(0) })
}

// TestChurn: peers that come and go leave nothing behind; the leak gate looks at the end.
func TestChurn(t *testing.T) {
	r := start(t, config(), newFakeMaker())
	for i := range 50 {
		conn := r.join(t)
		send(t, conn, held(i%Slots))
		if i%2 == 0 {
			_ = conn.CloseNow()
		} else {
			_ = conn.Close(websocket.StatusNormalClosure, "")
		}
	}
	eventually(t, "all peers are gone", func() bool { return r.service.count.peers.Get() == 0 })
	eventually(t, "all is released", func() bool {
		for slot := range Slots {
			if p := r.maker.pad(slot); p != nil && !p.neutral() {
				return false
			}
		}
		return true
	})
	if n := r.maker.count(); n > Slots {
		t.Errorf("%d pads were made for %d slots", n, Slots)
	}
}

func TestTooManyPeers(t *testing.T) {
	r := start(t, config(), newFakeMaker())
	for range maxPeers {
		r.join(t)
	}
	eventually(t, "all are in", func() bool { return r.service.count.peers.Get() == maxPeers })
	conn := testkit.Dial(t, r.server.URL)
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != ws.TryAgainLater {
		t.Errorf("one too many: %v", err)
	}
}
