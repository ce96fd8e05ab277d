package smartcard

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
	"ghostaux/pkg/ws"
)

// start runs a service without a relay, whose vpcd is the returned listener, until the test ends.
func start(t *testing.T) (url string, vpcd net.Listener) {
	t.Helper()
	vpcd, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vpcd.Close() })
	svc, err := New(Config{Relay: off, VpcdAddr: vpcd.Addr().String(), Poll: minPoll, Timeout: time.Second}, testkit.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	run(t, svc)
	return testkit.Serve(t, svc.Endpoints()[0]).URL, vpcd
}

// run runs the service until the test ends, and returns when it is ready.
func run(t *testing.T, svc *Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- svc.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("Run: %v", err)
	}
}

// serveCard answers as a card agent does, until its connection ends, and returns the error that ended it.
func serveCard(t *testing.T, conn *websocket.Conn, atr []byte) error {
	for {
		_, msg, err := conn.Read(t.Context())
		if err != nil {
			return err
		}
		p, err := Decode(msg)
		if err != nil {
			return err
		}
		_, answer := card(atr, echo)(p)
		if err := conn.Write(t.Context(), websocket.MessageBinary, answer); err != nil {
			return err
		}
	}
}

func accept(t *testing.T, l net.Listener) *vpcdSide {
	t.Helper()
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
	conn, err := l.Accept()
	if err != nil {
		t.Fatalf("nobody connects to vpcd: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &vpcdSide{t, conn}
}

func TestNewestAgentWins(t *testing.T) {
	url, vpcd := start(t)
	first := testkit.Dial(t, url+mount)
	displaced := make(chan error, 1)
	go func() { displaced <- serveCard(t, first, atrA) }()
	v := accept(t, vpcd)
	v.ask(atrA, vpcdATR)
	v.ask(echo(apdu), apdu...)
	second := testkit.Dial(t, url+mount)
	go func() { _ = serveCard(t, second, atrB) }()
	if err := <-displaced; ws.CloseCode(err) != ws.PolicyViolation || !strings.Contains(err.Error(), Displaced) {
		t.Errorf("the first agent ended with %v", err)
	}
	v = accept(t, vpcd)
	v.ask(atrB, vpcdATR)
	v.ask(echo(apdu), apdu...)
}

func TestAgentThatDoesNotSpeakTheProtocol(t *testing.T) {
	url, _ := start(t)
	conn := testkit.Dial(t, url+mount)
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	for {
		if _, _, err := conn.Read(t.Context()); err != nil {
			if ws.CloseCode(err) != ws.UnsupportedData {
				t.Errorf("closed with %v", err)
			}
			return
		}
	}
}

func TestAgentIsGuarded(t *testing.T) {
	url, _ := start(t)
	for _, credential := range []string{"", "kasm_user:wrong"} {
		if _, resp, err := testkit.TryDial(t, url+mount, credential); err == nil || resp.StatusCode != 401 {
			t.Errorf("with %q: %v", credential, err)
		}
	}
}

func TestAgentWithoutReader(t *testing.T) {
	svc, err := New(Config{Relay: off, VpcdAddr: "127.0.0.1:1", Poll: minPoll, Timeout: time.Second}, testkit.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	err = svc.Run(t.Context(), func() { t.Error("ready without vpcd") })
	fault, ok := errors.AsType[*service.Fault](err)
	if !ok || fault.Kind != service.Absent || !strings.Contains(fault.Advice, installLines[0]) {
		t.Errorf("Run: %v", err)
	}
	conn := testkit.Dial(t, testkit.Serve(t, svc.Endpoints()[0]).URL+mount)
	if _, _, err := conn.Read(t.Context()); ws.CloseCode(err) != ws.TryAgainLater {
		t.Errorf("closed with %v", err)
	}
}

// Fifty agents come and go, and fifty applications' connections with them.
func TestChurn(t *testing.T) {
	url, vpcd := start(t)
	for range 50 {
		conn := testkit.Dial(t, url+mount)
		ended := make(chan error, 1)
		go func() { ended <- serveCard(t, conn, atrA) }()
		v := accept(t, vpcd)
		v.ask(atrA, vpcdATR)
		v.ask(echo(apdu), apdu...)
		_ = conn.CloseNow()
		<-ended
		if _, err := v.conn.Read(make([]byte, 1)); err == nil {
			t.Fatal("the reader is not empty without an agent")
		}
	}
}

// A vpcd that is configured as host:port connects, and again after every card; its second slot stays empty.
func TestListening(t *testing.T) {
	addr := testkit.VpcdAddr(t)
	env := testkit.Env(t)
	svc, err := New(Config{Relay: off, VpcdAddr: addr, VpcdListen: true, Poll: minPoll, Timeout: time.Second}, env)
	if err != nil {
		t.Fatal(err)
	}
	run(t, svc)
	dial := func(addr string) *vpcdSide {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return &vpcdSide{t, conn}
	}
	present := func() bool {
		v := dial(addr)
		_ = v.conn.SetDeadline(time.Now().Add(5 * time.Second))
		v.send(vpcdATR)
		_, err := readFrame(v.conn, make([]byte, MaxPayload))
		_ = v.conn.Close()
		return err == nil
	}
	if present() {
		t.Error("a card without an agent")
	}
	conn := testkit.Dial(t, testkit.Serve(t, svc.Endpoints()[0]).URL+mount)
	go func() { _ = serveCard(t, conn, atrA) }()
	testkit.Eventually(t, 10*time.Second, "vpcd gets the card", present)
	host, port, _ := net.SplitHostPort(addr)
	number, _ := strconv.Atoi(port)
	second := dial(net.JoinHostPort(host, strconv.Itoa(number+1)))
	if n, err := second.conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes in the second slot", n)
	}
}

func TestExchangeDoesNotAllocate(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	answer := AppendPacket(nil, Ack, []byte{0x90, 0x00})
	if n := testing.AllocsPerRun(1000, func() {
		r.m.Frame(r.now, apdu)
		r.m.Packet(r.now, answer)
	}); n != 0 {
		t.Errorf("%v allocations for an exchange", n)
	}
}

func TestConfig(t *testing.T) {
	good := Config{Relay: "/tmp/smartcard", VpcdAddr: "127.0.0.1:35963", Poll: time.Second, Timeout: 120 * time.Second}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	bad := Config{Relay: "smartcard", VpcdAddr: ":35963", Poll: time.Millisecond, Timeout: 48 * time.Hour}
	err := bad.Validate()
	for _, flag := range []string{"--smartcard-relay", "--smartcard-vpcd-addr", "--smartcard-poll 1ms", "--smartcard-timeout 48h"} {
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("no word of %s in %v", flag, err)
		}
	}
}

func TestCheck(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	vpcd := testkit.VpcdAddr(t)
	_, port, _ := net.SplitHostPort(vpcd)
	svc, err := New(Config{Relay: "/nowhere/smartcard", VpcdAddr: vpcd, Poll: time.Second, Timeout: time.Minute}, testkit.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	svc.root = root
	find := func(what string) service.Finding {
		t.Helper()
		for _, f := range svc.Check(t.Context()) {
			if f.What == what {
				return f
			}
		}
		t.Fatalf("no finding %q", what)
		return service.Finding{}
	}
	for _, what := range []string{"pcscd", "vpcd driver", "vpcd configuration", "vpcd", "smart card relay"} {
		if f := find(what); f.OK || f.Advice == "" {
			t.Errorf("on an empty machine: %+v", f)
		}
	}
	if f := find("pcscd"); !strings.Contains(f.Advice, installLines[0]) || !strings.Contains(f.Advice, installLines[1]) {
		t.Errorf("advice %q", f.Advice)
	}
	write("usr/sbin/pcscd", "")
	write("usr/lib/pcsc/drivers/serial/libifdvpcd.so", "")
	write("etc/reader.conf.d/libccidtwin", "DEVICENAME /dev/ttyS0\nLIBPATH /usr/lib/other.so\n")
	write("etc/reader.conf.d/vpcd", "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME   /dev/null:"+port+"\nLIBPATH libifdvpcd.so\n")
	listener, err := net.Listen("tcp4", ":"+port) // as vpcd does
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, what := range []string{"pcscd", "vpcd driver", "vpcd configuration", "vpcd"} {
		if f := find(what); !f.OK {
			t.Errorf("on a good machine: %+v", f)
		}
	}
	for device, advice := range map[string]string{
		"/dev/null:0x8C80": "127.0.0.1:35968", "10.0.0.1:35963": "--smartcard-vpcd-listen", "/dev/null:x": "0x8C7B",
	} {
		write("etc/reader.conf.d/vpcd", "DEVICENAME "+device+"\nLIBPATH libifdvpcd.so\n")
		if f := find("vpcd configuration"); f.OK || !strings.Contains(f.Advice, advice) {
			t.Errorf("DEVICENAME %s: %+v", device, f)
		}
	}
}
