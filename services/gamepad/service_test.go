package gamepad

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/metrics"
	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
	"ghostaux/pkg/ws"
)

// rig is the service with fake pads, supervised, behind TLS and its guard.
type rig struct {
	service *Service
	maker   *fakeMaker
	server  *httptest.Server
	stop    func() // ends Run and waits for it
}

func start(t testing.TB, c Config, fake *fakeMaker) *rig {
	t.Helper()
	s, err := New(c, testkit.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	s.make = func() maker { return fake }
	super := service.NewSupervisor(s.env.Log, metrics.New(), []service.Service{s}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { super.Run(ctx) })
	r := &rig{service: s, maker: fake, server: testkit.Serve(t, s.Endpoints()[0])}
	r.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(func() {
		drain, done := context.WithTimeout(context.Background(), 5*time.Second)
		defer done()
		s.env.Sockets.Drain(drain)
		r.stop()
	})
	return r
}

func config() Config {
	return Config{Addr: ":0", Device: DeviceAuto, Profile: ProfileAuto, Remove: RemoveAtExit, Uinput: "/dev/uinput", Input: "/dev/input"}
}

// join opens a socket that answers pings.
func (r *rig) join(t testing.TB) *websocket.Conn {
	t.Helper()
	conn := testkit.Dial(t, r.server.URL)
	conn.CloseRead(context.Background())
	return conn
}

func send(t testing.TB, conn *websocket.Conn, msg string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := conn.Write(ctx, websocket.MessageText, []byte(msg)); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// held has A, the left trigger and the left stick.
func held(slot int) string {
	return "[" + rowText(map[int]string{0: fmt.Sprint(slot), 1: "32767", 2: "-32767", 5: "1", 11: "1"}) + "]"
}

func neutral(slot int) string { return "[" + rowText(map[int]string{0: fmt.Sprint(slot)}) + "]" }

func (r *rig) isHeld(slot int) bool {
	p := r.maker.pad(slot)
	return p.key(btnA) && p.abs(absZ) == 255 && p.abs(absX) == 32767 && p.abs(absY) == -32767
}

func TestPressAndRelease(t *testing.T) {
	r := start(t, config(), newFakeMaker())
	conn := r.join(t)
	send(t, conn, `{"message_type":"device_connected","id":"pad","index":0}`)
	send(t, conn, held(0))
	eventually(t, "all is pressed", func() bool { return r.isHeld(0) })
	send(t, conn, neutral(0))
	eventually(t, "all is released", func() bool { return r.maker.pad(0).neutral() })
	if r.maker.count() != 1 {
		t.Errorf("%d pads, want the one that was used", r.maker.count())
	}
	report, err := json.Marshal(r.service.Report())
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"device":"uinput","profile":"xbox360","peers":1,"pads":[{"slot":0,"node":"/dev/input/event7","held":true,"visible":true}]}`; string(report) != want {
		t.Errorf("report %s\nwant   %s", report, want)
	}
}

func TestGoodbyes(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, conn *websocket.Conn){
		"close": func(_ *testing.T, conn *websocket.Conn) { _ = conn.Close(websocket.StatusNormalClosure, "") },
		"reset": func(_ *testing.T, conn *websocket.Conn) { _ = conn.CloseNow() },
		"disconnect": func(t *testing.T, conn *websocket.Conn) {
			send(t, conn, `{"message_type":"device_disconnected","id":"pad","index":2}`)
		},
		"moved": func(t *testing.T, conn *websocket.Conn) {
			send(t, conn, `{"message_type":"device_connected","id":"pad","index":3}`)
		},
		"malformed": func(t *testing.T, conn *websocket.Conn) { send(t, conn, `[[`) },
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, config(), newFakeMaker())
			other, conn := r.join(t), r.join(t)
			send(t, other, held(0))
			send(t, conn, `{"message_type":"device_connected","id":"pad","index":2}`)
			send(t, conn, held(2))
			eventually(t, "both are pressed", func() bool { return r.isHeld(0) && r.isHeld(2) })
			leave(t, conn)
			eventually(t, "all is released", func() bool { return r.maker.pad(2).neutral() })
			if !r.isHeld(0) {
				t.Error("another peer's pad was released, too")
			}
		})
	}
}

func TestMalformedIsClosed(t *testing.T) {
	r := start(t, config(), newFakeMaker())
	for name, tt := range map[string]struct {
		typ  websocket.MessageType
		msg  string
		code ws.Code
	}{
		"not JSON": {websocket.MessageText, "{", ws.InvalidPayload},
		"slot 4":   {websocket.MessageText, held(4), ws.PolicyViolation},
		"slot -1":  {websocket.MessageText, held(-1), ws.PolicyViolation},
		"binary":   {websocket.MessageBinary, "[]", ws.UnsupportedData},
		"1 MiB":    {websocket.MessageText, "[" + strings.Repeat(" ", 1<<20) + "]", ws.MessageTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			conn := testkit.Dial(t, r.server.URL)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_ = conn.Write(ctx, tt.typ, []byte(tt.msg)) // a close in the middle of a large one fails it
			_, _, err := conn.Read(ctx)
			if got := websocket.CloseStatus(err); got != tt.code {
				t.Errorf("%v, want close %d", err, tt.code)
			}
		})
	}
	conn := r.join(t)
	send(t, conn, held(0))
	eventually(t, "the service lives", func() bool { return r.isHeld(0) })
}

// TestReload: the new page's socket comes before the old one is gone.
func TestReload(t *testing.T) {
	r := start(t, config(), newFakeMaker())
	old := r.join(t)
	send(t, old, held(0))
	eventually(t, "pressed by the old page", func() bool { return r.isHeld(0) })
	page := r.join(t)
	send(t, page, "["+rowText(map[int]string{6: "1"})+"]")
	eventually(t, "pressed by the new page", func() bool { return r.maker.pad(0).key(btnB) && !r.maker.pad(0).key(btnA) })
	_ = old.CloseNow()
	eventually(t, "the old page is gone", func() bool { return r.service.count.peers.Get() == 1 })
	send(t, page, "["+rowText(map[int]string{6: "1", 7: "1"})+"]")
	eventually(t, "the new page presses on", func() bool { return r.maker.pad(0).key(btnX) })
	if !r.maker.pad(0).key(btnB) || r.maker.count() != 1 {
		t.Error("the old page's goodbye released the new one's button, or made a new pad")
	}
}

func TestStopReleases(t *testing.T) {
	r := start(t, config(), newFakeMaker())
	conn := r.join(t)
	send(t, conn, held(1))
	eventually(t, "pressed", func() bool { return r.isHeld(1) })
	r.stop()
	if p := r.maker.pad(1); !p.neutral() || !p.isClosed() {
		t.Error("Run has returned with something pressed, or a pad open")
	}
}

func TestCountAndRemove(t *testing.T) {
	c := config()
	c.Count, c.Remove = 2, RemoveAtDisconnect
	r := start(t, c, newFakeMaker())
	eventually(t, "two pads at start", func() bool { return r.maker.count() == 2 })
	conn := r.join(t)
	send(t, conn, held(0))
	send(t, conn, held(3))
	eventually(t, "pressed", func() bool { return r.isHeld(0) && r.isHeld(3) })
	_ = conn.CloseNow()
	eventually(t, "the pad beyond the count is removed", func() bool { return r.maker.pad(3).isClosed() })
	if !r.maker.pad(3).neutral() || r.maker.pad(0).isClosed() {
		t.Error("removed with something pressed, or a pad that was asked for at start")
	}
	conn = r.join(t)
	send(t, conn, held(3))
	eventually(t, "it comes back", func() bool { return r.maker.count() == 4 && r.isHeld(3) })
}

func TestRumbleReachesTheHolder(t *testing.T) {
	r := start(t, config(), newFakeMaker())
	bystander, conn := testkit.Dial(t, r.server.URL), testkit.Dial(t, r.server.URL)
	send(t, bystander, neutral(0))
	eventually(t, "a pad for the other", func() bool { return r.maker.pad(0) != nil })
	send(t, conn, neutral(2))
	eventually(t, "a pad", func() bool { return r.maker.pad(2) != nil })
	tell := r.maker.pad(2).tell
	tell(feedback{slot: 2, kind: upload, id: 1, effect: effect{id: 1, strong: 0xffff, weak: 0x8000}})
	tell(feedback{slot: 2, kind: play, id: 1, count: 1})
	read := func(want string) {
		t.Helper()
		_, msg, err := conn.Read(t.Context())
		if err != nil || string(msg) != want {
			t.Errorf("got %s %v, want %s", msg, err, want)
		}
	}
	read(`{"message_type":"rumble","index":2,"strong":1.000,"weak":0.500,"duration":5000}`)
	tell(feedback{slot: 2, kind: play, id: 1})
	read(`{"message_type":"rumble","index":2,"strong":0.000,"weak":0.000,"duration":0}`)
	_ = bystander.CloseNow()
	eventually(t, "two messages are counted", func() bool { return r.service.count.rumbles.Get() == 2 })
}

func TestGuard(t *testing.T) {
	r := start(t, config(), newFakeMaker())
	for _, credential := range []string{"", "kasm_user:", "kasm_user:wrong"} {
		_, resp, err := testkit.TryDial(t, r.server.URL, credential)
		if err == nil || resp == nil || resp.StatusCode != 401 {
			t.Errorf("%q: %v, want 401", credential, err)
		}
	}
	conn, _, err := testkit.TryDial(t, r.server.URL+"/any/path?x=y", testkit.Token)
	if err != nil {
		t.Fatalf("any path: %v", err)
	}
	_ = conn.CloseNow()
}

func TestConfigFaults(t *testing.T) {
	c := Config{Addr: "x", Device: "d", Profile: "p", Remove: "r", Count: 5, Uinput: "u", Input: "i"}
	err := c.Validate()
	for _, flag := range []string{"addr", "device", "profile", "remove", "count", "uinput", "input"} {
		if err == nil || !strings.Contains(err.Error(), "--gamepad-"+flag+" ") {
			t.Errorf("--gamepad-%s is not named in: %v", flag, err)
		}
	}
	if err := config().Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
}
