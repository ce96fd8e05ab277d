package host_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/host"
	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
	"ghostaux/pkg/ws"
)

// state is a message of /events.
type state struct {
	Version        int
	Type           string
	Role, Ghostaux string
	Services       []struct {
		Name, Control, State, Reason string
		Detail                       any
	}
}

// nextState reads the next message that has news.
func nextState(t *testing.T, conn *websocket.Conn) state {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		_, msg, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		var s state
		if err := json.Unmarshal(msg, &s); err != nil {
			t.Fatal(err)
		}
		if s.Version != 1 {
			t.Fatalf("version %d", s.Version)
		}
		if s.Type == "state" {
			return s
		}
	}
}

// viewerLine is listener, with the password "listen", who may only listen.
const viewerLine = "listener:$5$kasm$eSFyL9hofPk8FAsbnzuzh2V.3zbhJ4q4gZ4Yxj3SDN5:r\n"

// device is a service whose Run fails while it is told to.
type device struct {
	fake
	broken chan error // what Run ends with
}

func (d *device) Run(ctx context.Context, ready func()) error {
	ready()
	select {
	case err := <-d.broken:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (d *device) Report() any { return map[string]string{"dir": "/home/someone"} }

func TestEventsTellChanges(t *testing.T) {
	d := &device{fake: fake{name: "upload"}, broken: make(chan error)}
	r := start(t, host.Config{Addr: "127.0.0.1:0"}, func(*auth.Auth, *ws.Sockets) []service.Service { return []service.Service{d} })
	conn := testkit.Dial(t, "https://"+r.frontDoor(t)+"/events")
	s := nextState(t, conn)
	for s.Services[0].State != "ready" {
		s = nextState(t, conn)
	}
	if s.Role != "owner" || s.Ghostaux != "test" || s.Services[0].Control != "on" || s.Services[0].Detail == nil {
		t.Errorf("%+v", s)
	}
	// It stays broken until that has been told: a fault that ends within a tenth of a second may be no news.
	told := make(chan struct{})
	go func() {
		for {
			select {
			case d.broken <- &service.Fault{Err: http.ErrServerClosed, Kind: service.Absent, Advice: "open it"}:
			case <-told:
				return
			}
		}
	}()
	for s.Services[0].State != "degraded" {
		s = nextState(t, conn)
	}
	close(told)
	if s.Services[0].Reason == "" {
		t.Errorf("no reason: %+v", s)
	}
	for s.Services[0].State != "ready" { // tried again
		s = nextState(t, conn)
	}
}

func TestEventsTellAViewerOfSoundOnly(t *testing.T) {
	passwords := filepath.Join(t.TempDir(), "kasmpasswd")
	if err := os.WriteFile(passwords, []byte(viewerLine), 0o600); err != nil {
		t.Fatal(err)
	}
	sound := &device{fake: fake{name: "audioout"}, broken: make(chan error)}
	upload := &device{fake: fake{name: "upload"}, broken: make(chan error)}
	h, r, err := buildWith(t, auth.Config{Kasmpasswd: passwords}, host.Config{Addr: "127.0.0.1:0"}, func(*auth.Auth, *ws.Sockets) []service.Service {
		return []service.Service{sound, upload}
	})
	if err != nil {
		t.Fatal(err)
	}
	r.run(t, h)
	conn, _, err := testkit.TryDial(t, "https://"+r.frontDoor(t)+"/events", "listener:listen")
	if err != nil {
		t.Fatal(err)
	}
	s := nextState(t, conn)
	if s.Role != "viewer" || s.Ghostaux != "" || len(s.Services) != 1 || s.Services[0].Name != "audioout" || s.Services[0].Detail != nil {
		t.Errorf("%+v", s)
	}
}

func TestHiddenAndLocked(t *testing.T) {
	r := start(t, host.Config{Addr: "127.0.0.1:0", ConsoleHide: []string{"upload"}}, oneService(pathEcho))
	own, front := "https://"+r.addr(t, "upload"), "https://"+r.frontDoor(t)+"/uploads"
	for _, url := range []string{own, front} {
		if status, body := get(t, url+"/upload", testkit.Token); status != 403 || !strings.Contains(body, "administrator") {
			t.Errorf("GET %s: %d %q", url, status, body)
		}
		if status, _ := get(t, url+"/upload", ""); status != 401 {
			t.Errorf("GET %s without credential: %d", url, status)
		}
	}
	s := nextState(t, testkit.Dial(t, "https://"+r.frontDoor(t)+"/events"))
	if s.Services[0].Control != "hidden" {
		t.Errorf("%+v", s)
	}
	_, _, err := build(t, host.Config{Addr: "off", ConsoleLock: []string{"uplaod"}}, oneService(pathEcho))
	if err == nil || !strings.Contains(err.Error(), `--console-lock "uplaod"`) {
		t.Errorf("err %v", err)
	}
}

// Pages come and go, and one never takes what it is told; the stop does not wait for it.
func TestEventsChurn(t *testing.T) {
	r := start(t, host.Config{Addr: "127.0.0.1:0"}, oneService(pathEcho))
	url := "https://" + r.frontDoor(t) + "/events"
	testkit.Dial(t, url)
	for range 50 {
		conn := testkit.Dial(t, url)
		nextState(t, conn)
		_ = conn.CloseNow()
	}
	testkit.Eventually(t, 10*time.Second, "only the first is left", func() bool { return r.sockets.Len() == 1 })
	conn := testkit.Dial(t, url)
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		_, _, err := conn.Read(ctx)
		if err == nil {
			continue
		}
		if code := websocket.CloseStatus(err); code != websocket.StatusUnsupportedData {
			t.Errorf("a page that speaks is closed with %v", err)
		}
		break
	}
}

// The console may be a frame of the same host's other ports, or else only of the origins that were named.
func TestFrameAncestors(t *testing.T) {
	for _, c := range []struct {
		origins []string
		want    string
	}{
		{nil, "frame-ancestors 'self' https://127.0.0.1:*"},
		{[]string{"https://desk.example:6901"}, "frame-ancestors 'self' https://desk.example:6901"},
	} {
		h, r, err := buildWith(t, auth.Config{AuthToken: testkit.Token, AllowOrigin: c.origins}, host.Config{Addr: "127.0.0.1:0"}, oneService(pathEcho))
		if err != nil {
			t.Fatal(err)
		}
		r.run(t, h)
		resp, err := testkit.Client(t).Get("https://" + r.frontDoor(t) + "/login")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Content-Security-Policy"); !strings.HasSuffix(got, c.want) {
			t.Errorf("with %v: %s", c.origins, got)
		}
	}
}

func TestPanelIsForEverybody(t *testing.T) {
	r := start(t, host.Config{Addr: "127.0.0.1:0"}, oneService(pathEcho))
	front := "https://" + r.frontDoor(t)
	if status, body := get(t, front+"/panel.js", ""); status != 200 || body != "console /panel.js" {
		t.Errorf("%d %q", status, body)
	}
}
