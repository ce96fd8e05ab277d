package cardagent

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
	"ghostaux/pkg/ws"
	"ghostaux/services/smartcard"
	"ghostaux/services/smartcard/pcsc/pcsctest"
)

func TestMain(m *testing.M) { testkit.LeakGate(m) }

var atr = []byte{0x3B, 0x80, 0x80, 0x01, 0x01}

// desk is a card with a pcscd that has a card in.
func desk(t *testing.T) (*card, *pcsctest.Pcscd) {
	p := pcsctest.Start(t)
	p.ATR = atr
	c := &card{socket: p.Socket, log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	t.Cleanup(c.close)
	return c, p
}

// ask asks the card and returns the answer.
func ask(t *testing.T, c *card, command smartcard.Command, payload ...byte) smartcard.Packet {
	t.Helper()
	p, err := smartcard.Decode(c.answer(t.Context(), smartcard.AppendPacket(nil, command, payload)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func want(t *testing.T, p smartcard.Packet, command smartcard.Command, payload string) {
	t.Helper()
	if p.Command != command || !strings.Contains(string(p.Payload), payload) || payload == "" && len(p.Payload) > 0 {
		t.Fatalf("got %v %q, want %v %q", p.Command, p.Payload, command, payload)
	}
}

func TestLifeOfACard(t *testing.T) {
	c, p := desk(t)
	want(t, ask(t, c, smartcard.Initialize), smartcard.Ack, "")
	want(t, ask(t, c, smartcard.Status), smartcard.Ack, string(atr))
	want(t, ask(t, c, smartcard.PowerOn), smartcard.Ack, "")
	want(t, ask(t, c, smartcard.Transmit, 0, 0xA4, 0, 0), smartcard.Ack, "\x90\x00")
	want(t, ask(t, c, smartcard.Reset), smartcard.Ack, "")
	want(t, ask(t, c, smartcard.PowerOff), smartcard.Ack, "")
	want(t, ask(t, c, smartcard.Transmit, 0, 0xA4, 0, 0), smartcard.Ack, "\x90\x00") // powers it
	if p.Connects != 2 || p.Resets != 2 {
		t.Errorf("%d connects, %d resets", p.Connects, p.Resets)
	}
	want(t, ask(t, c, 0x42), smartcard.Error, "unknown command")
	if got := c.answer(t.Context(), []byte{5, 0, 9}); got[0] != byte(smartcard.Error) {
		t.Errorf("half a packet is answered by %x", got)
	}
}

func TestCardThatGoesOrIsReset(t *testing.T) {
	for _, code := range []uint32{0x80100069, 0x80100068} {
		c, p := desk(t)
		want(t, ask(t, c, smartcard.PowerOn), smartcard.Ack, "")
		p.Lock()
		p.Code = code
		p.Unlock()
		want(t, ask(t, c, smartcard.Transmit, 0, 0xA4, 0, 0), smartcard.Error, "0x801000")
		p.Lock()
		p.Code = 0
		p.Unlock()
		want(t, ask(t, c, smartcard.Transmit, 0, 0xA4, 0, 0), smartcard.Ack, "\x90\x00")
		if p.Connects != 2 {
			t.Errorf("connected %d times: nobody may go on with a card that was reset", p.Connects)
		}
	}
}

func TestNoCardNoReaderNoService(t *testing.T) {
	c, p := desk(t)
	p.Lock()
	p.ATR = nil
	p.Unlock()
	want(t, ask(t, c, smartcard.Status), smartcard.Ack, "")
	want(t, ask(t, c, smartcard.PowerOn), smartcard.Error, "0x8010000C")
	p.Lock()
	p.ATR, p.Reader = atr, "Virtual PCD 00 00" // the desktop's own
	p.Unlock()
	want(t, ask(t, c, smartcard.Status), smartcard.Ack, "")
	c.want = "virtual"
	want(t, ask(t, c, smartcard.Status), smartcard.Ack, string(atr))
	c.close()
	c.socket = filepath.Join(t.TempDir(), "none")
	want(t, ask(t, c, smartcard.Status), smartcard.Ack, "")
	want(t, ask(t, c, smartcard.Transmit, 0, 0xA4, 0, 0), smartcard.Error, "0x8010001D")
}

func TestResponseThatDoesNotFit(t *testing.T) {
	c, p := desk(t)
	p.Respond = func([]byte) []byte { return make([]byte, 65538) }
	want(t, ask(t, c, smartcard.Transmit, 0, 0xA4, 0, 0), smartcard.Ack, "\x67\x00")
}

// server is the front door, whose handler does what the test wants with the agent.
func server(t *testing.T, serve func(*ws.Conn)) *httptest.Server {
	t.Helper()
	env := testkit.Env(t)
	return testkit.Serve(t, service.Endpoint{
		Guard: env.Auth.Require(auth.Owner, nil),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := env.Sockets.Accept(w, r, ws.Options{})
			if err != nil {
				return
			}
			defer conn.Release()
			serve(conn)
		}),
	})
}

// pin writes the server's certificate to a file.
func pin(t *testing.T, s *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cert.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// log is a log for people, kept.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), s)
}

// start runs an agent until the test ends; its error comes out of the channel.
func start(t *testing.T, c Config) (ended <-chan error, l *log) {
	t.Helper()
	l = &log{}
	c.Log = slog.New(slog.NewTextHandler(l, nil))
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		done <- a.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-gone
	})
	return done, l
}

func TestAgentComesBackUntilItIsDisplaced(t *testing.T) {
	_, p := desk(t)
	times := 0
	s := server(t, func(conn *ws.Conn) {
		if err := conn.Write(ws.Binary, smartcard.AppendPacket(nil, smartcard.Status, nil)); err != nil {
			return
		}
		if _, msg, err := conn.Read(nil); err != nil || !bytes.Contains(msg, atr) {
			t.Errorf("status is answered by %x, %v", msg, err)
		}
		if times++; times == 2 {
			conn.Close(ws.PolicyViolation, smartcard.Displaced)
		}
	})
	ended, _ := start(t, Config{URL: s.URL + "/smartcard/", Credential: testkit.Token, ServerCert: pin(t, s), Socket: p.Socket})
	select {
	case err := <-ended:
		if !errors.Is(err, ErrDisplaced) || times != 2 {
			t.Errorf("ended after %d connections with %v", times, err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a displaced agent goes on")
	}
}

func TestAgentSaysWhatIsWrong(t *testing.T) {
	s := server(t, func(*ws.Conn) { t.Error("a connection") })
	other := filepath.Join(t.TempDir(), "other.pem") // httptest gives all servers one certificate
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("another")})
	if err := os.WriteFile(other, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		config Config
		says   string
	}{
		"wrong password": {Config{URL: s.URL, Credential: "kasm_user:wrong", Insecure: true}, "password is wrong"},
		"not trusted":    {Config{URL: s.URL, Credential: testkit.Token}, "certificate"},
		"not the one":    {Config{URL: s.URL, Credential: testkit.Token, ServerCert: other}, "another certificate"},
		"nobody's there": {Config{URL: "https://127.0.0.1:1/smartcard/", Credential: testkit.Token}, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			_, l := start(t, tt.config)
			testkit.Eventually(t, 10*time.Second, "the log says "+tt.says, func() bool { return l.has(tt.says) })
			if l.has(tt.config.Credential) {
				t.Error("the credential is in the log")
			}
		})
	}
}

func TestConfigFaults(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Config{
		{URL: "desktop:4900"},
		{URL: "ftp://desktop/"},
		{URL: "http://desktop.example/smartcard/"},
		{URL: "https://d/", ServerCert: "/nowhere"},
		{URL: "https://d/", ServerCert: empty},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	if _, err := New(Config{URL: "http://localhost:4900/smartcard/"}); err != nil {
		t.Error(err)
	}
}
