package gamepad

import (
	"strings"
	"testing"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"ghostaux/pkg/testkit"
	"ghostaux/pkg/ws"
)

// TestLateDevice: a peer that comes causes the next try, and is told what it came to.
func TestLateDevice(t *testing.T) {
	maker := newFakeMaker()
	maker.setError(errAbsent)
	r := start(t, config(), maker)
	for range 3 {
		conn := testkit.Dial(t, r.server.URL)
		_, msg, err := conn.Read(t.Context())
		if err != nil || !strings.Contains(string(msg), "docker run --device /dev/uinput") || !strings.Contains(string(msg), "hostPath") {
			t.Errorf("message %s %v", msg, err)
		}
		_, _, err = conn.Read(t.Context())
		if websocket.CloseStatus(err) != ws.TryAgainLater || !strings.Contains(err.Error(), "--device /dev/uinput") {
			t.Errorf("closed with %v", err)
		}
	}
	maker.setError(nil)
	conn := r.join(t)
	send(t, conn, held(0))
	eventually(t, "pressed", func() bool { return r.isHeld(0) })
}

// TestDeviceLost: the peer's socket outlives the device, and its state is there again with the next one.
func TestDeviceLost(t *testing.T) {
	r := start(t, config(), newFakeMaker())
	conn := r.join(t)
	send(t, conn, held(0))
	eventually(t, "pressed", func() bool { return r.isHeld(0) })
	first := r.maker.pad(0)
	first.breakWith(unix.ENODEV)
	send(t, conn, "["+rowText(map[int]string{6: "1"})+"]")
	eventually(t, "a new pad with the newest state", func() bool { return r.maker.pad(0) != first && r.maker.pad(0).key(btnB) })
	second := r.maker.pad(0)
	second.tell(feedback{kind: lost, err: unix.ENODEV})
	eventually(t, "a third pad", func() bool { return r.maker.pad(0) != second && r.maker.pad(0).key(btnB) })
	if !first.isClosed() || !second.isClosed() {
		t.Error("a lost device was not closed")
	}
}
