package smartcard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ghostaux/pkg/relay"
	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
)

// fakeRelay is a relay with a scripted browser, in the bubble of a test.
type fakeRelay struct {
	receive func([]byte)

	mu     sync.Mutex // guards the following fields
	answer func(p Packet) (time.Duration, []byte)
	absent bool
	asked  map[Command]int
}

func (f *fakeRelay) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (f *fakeRelay) Wait(ctx context.Context) error {
	for f.State().Present == false {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (f *fakeRelay) State() relay.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return relay.State{Present: !f.absent, Reason: "no relay"}
}

func (f *fakeRelay) Send(_ context.Context, b []byte) error { return f.TrySend(b) }
func (f *fakeRelay) Close() error                           { return nil }

func (f *fakeRelay) TrySend(b []byte) error {
	p, err := Decode(bytes.Clone(b))
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.absent {
		return relay.ErrAbsent
	}
	f.asked[p.Command]++
	if f.answer == nil {
		return nil
	}
	delay, answer := f.answer(p)
	if answer != nil {
		go func() { // ends in the bubble's time
			time.Sleep(delay)
			f.receive(answer)
		}()
	}
	return nil
}

func (f *fakeRelay) set(answer func(p Packet) (time.Duration, []byte)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *fakeRelay) count(c Command) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[c]
}

// card answers as a browser with a card does, after 10 ms.
func card(atr []byte, respond func(apdu []byte) []byte) func(Packet) (time.Duration, []byte) {
	return func(p Packet) (time.Duration, []byte) {
		var payload []byte
		switch p.Command {
		case Status:
			payload = atr
		case Transmit:
			payload = respond(p.Payload)
		}
		return 10 * time.Millisecond, AppendPacket(nil, Ack, payload)
	}
}

func echo(apdu []byte) []byte { return append(bytes.Clone(apdu), 0x90, 0x00) }

// pipes gives the service connections to a vpcd in the bubble.
type pipes struct{ conns chan net.Conn }

func (p pipes) open(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	default:
		_ = near.Close()
		_ = far.Close()
		return nil, errors.New("connection refused")
	}
}

// house is the service in a bubble.
type house struct {
	t     *testing.T
	relay *fakeRelay
	vpcd  pipes
	log   *countingLog
	svc   *Service
}

type countingLog struct {
	mu    sync.Mutex
	lines []string
}

func (c *countingLog) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, string(b))
	return len(b), nil
}

func (c *countingLog) all() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.lines, "")
}

// inHouse runs f with a running service, whose time is the bubble's.
func inHouse(t *testing.T, f func(h *house)) {
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, relay: &fakeRelay{asked: map[Command]int{}}, vpcd: pipes{make(chan net.Conn)}, log: &countingLog{}}
		env := testkit.Env(t)
		env.Log = slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		svc, err := New(Config{Relay: "/tmp/smartcard", VpcdAddr: "192.0.2.1:35963", Poll: time.Second, Timeout: 120 * time.Second}, env)
		if err != nil {
			t.Fatal(err)
		}
		h.svc = svc
		svc.dial = h.vpcd
		svc.openRelay = func(receive func([]byte)) (relayLink, error) {
			h.relay.receive = receive
			return h.relay, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- svc.Run(ctx, func() {}) }()
		synctest.Wait()
		f(h)
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		time.Sleep(5 * time.Minute) // answers that are under way
	})
}

// reader is vpcd's side of the next connection, which must come within a minute.
func (h *house) reader() *vpcdSide {
	h.t.Helper()
	select {
	case conn := <-h.vpcd.conns:
		h.t.Cleanup(func() { _ = conn.Close() })
		return &vpcdSide{h.t, conn}
	case <-time.After(time.Minute):
		h.t.Fatal("nobody connects to vpcd")
		return nil
	}
}

type vpcdSide struct {
	t    *testing.T
	conn net.Conn
}

func (v *vpcdSide) send(data ...byte) {
	v.t.Helper()
	if _, err := v.conn.Write(appendFrame(nil, data)); err != nil {
		v.t.Fatal(err)
	}
}

func (v *vpcdSide) get() []byte {
	v.t.Helper()
	data, err := readFrame(v.conn, make([]byte, MaxPayload))
	if err != nil {
		v.t.Fatalf("read from the service: %v", err)
	}
	return data
}

func (v *vpcdSide) ask(want []byte, data ...byte) {
	v.t.Helper()
	v.send(data...)
	if got := v.get(); !bytes.Equal(got, want) {
		v.t.Fatalf("%.20X is answered by %.20X, want %.20X", data, got, want)
	}
}

func TestThousandATRsAskNobody(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(card(atrA, echo))
		v := h.reader()
		before := h.relay.count(Status)
		for range 1000 {
			v.ask(atrA, vpcdATR)
		}
		if n := h.relay.count(Status); n != before {
			t.Errorf("%d questions to the browser", n-before)
		}
	})
}

func TestBytewiseAndLongest(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(card(atrA, func(apdu []byte) []byte { return apdu }))
		v := h.reader()
		long := bytes.Repeat([]byte{0, 0xA4, 1}, MaxPayload/3)
		go func() {
			for _, b := range appendFrame(appendFrame(nil, []byte{vpcdOn}), long) {
				_, _ = v.conn.Write([]byte{b})
			}
		}()
		if got := v.get(); !bytes.Equal(got, long) {
			t.Errorf("%d bytes came back, want %d", len(got), len(long))
		}
	})
}

// Fifty APDUs at once, as when a desktop looks at a new card, are answered in order.
func TestFiftyAPDUsInOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(card(atrA, echo))
		v := h.reader()
		go func() {
			for i := range 50 {
				v.send(0, 0xA4, 0, byte(i))
			}
		}()
		for i := range 50 {
			if want := echo([]byte{0, 0xA4, 0, byte(i)}); !bytes.Equal(v.get(), want) {
				t.Fatalf("answer %d is not the one of APDU %d", i, i)
			}
		}
	})
}

func TestSlowPIN(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(func(p Packet) (time.Duration, []byte) {
			_, answer := card(atrA, echo)(p)
			if p.Command == Transmit {
				return 45 * time.Second, answer
			}
			return 0, answer
		})
		v := h.reader()
		v.ask([]byte{0, 0x20, 0, 1, 0x90, 0}, 0, 0x20, 0, 1)
	})
}

// A far end that answers everything 45 s late is never believed.
func TestEverythingLate(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(func(p Packet) (time.Duration, []byte) {
			_, answer := card(atrA, echo)(p)
			return 45 * time.Second, answer
		})
		time.Sleep(time.Hour)
		if r := h.svc.Report().(Report); r.Card {
			t.Errorf("report %+v", r)
		}
	})
}

func TestVpcdVanishesDuringAnExchange(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(func(p Packet) (time.Duration, []byte) {
			_, answer := card(atrA, echo)(p)
			if p.Command == Transmit && p.Payload[1] == 0x20 {
				return 10 * time.Second, answer
			}
			return 0, answer
		})
		v := h.reader()
		v.send(0, 0x20, 0, 1)
		time.Sleep(2 * time.Second)
		_ = v.conn.Close()
		v = h.reader() // at once, not after the exchange
		v.ask(atrA, vpcdATR)
		v.ask([]byte{0, 0xB0, 0, 2, 0x90, 0}, 0, 0xB0, 0, 2)
	})
}

// vpcd that is not there is tried for ever, about once a second, and without a word.
func TestVpcdIsAwayForAnHour(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(card(atrA, echo))
		time.Sleep(time.Hour)
		if r := h.svc.Report().(Report); r.Reader != "connecting" || r.ReaderError == "" || r.Advice == "" {
			t.Errorf("report %+v", r)
		}
		begin := time.Now()
		h.reader().ask(atrA, vpcdATR)
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("connected after %v", took)
		}
		if n := strings.Count(h.log.all(), "\n"); n > 10 {
			t.Errorf("%d lines:\n%s", n, h.log.all())
		}
	})
}

// A vpcd that throws every connection out is not tried in a busy loop.
func TestVpcdThatClosesAtOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(card(atrA, echo))
		tries := 0
		for end := time.Now().Add(time.Minute); time.Now().Before(end); tries++ {
			_ = h.reader().conn.Close()
		}
		if tries > 80 {
			t.Errorf("%d connections in a minute", tries)
		}
	})
}

// A day without anybody, and one with a browser and no card.
func TestIdleDays(t *testing.T) {
	for name, answer := range map[string]func(Packet) (time.Duration, []byte){
		"nobody": nil, "no card": card(nil, echo),
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.relay.set(answer)
				time.Sleep(24 * time.Hour)
				if n := strings.Count(h.log.all(), "\n"); n > 10 {
					t.Errorf("%d lines", n)
				}
				if n := h.relay.count(Status) + h.relay.count(Initialize); n > 24*3600+10 {
					t.Errorf("%d questions", n)
				}
			})
		})
	}
}

func TestNothingSecretInTheLog(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(card(atrA, func([]byte) []byte { return []byte("SECRET-OF-THE-CARD\x90\x00") }))
		v := h.reader()
		v.send([]byte("\x00\x20\x00\x81\x081234SECRET")...)
		_ = v.get()
		h.relay.set(func(p Packet) (time.Duration, []byte) { return 0, AppendPacket(nil, Error, []byte("SECRET")) })
		v.send(0, 0xB0, 0, 0)
		_ = v.get()
		time.Sleep(time.Minute)
		for _, secret := range []string{"SECRET", "1234", fmt.Sprintf("%X", "SECRET"), fmt.Sprintf("%x", "SECRET"), "3b65", "3B65"} {
			if strings.Contains(h.log.all(), secret) {
				t.Errorf("%q in the log:\n%s", secret, h.log.all())
			}
		}
	})
}

func TestRelayComesAndGoes(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(card(atrA, echo))
		for range 50 {
			v := h.reader()
			v.ask(atrA, vpcdATR)
			h.relay.mu.Lock()
			h.relay.absent = true
			h.relay.mu.Unlock()
			if _, err := io.ReadAll(v.conn); err != nil {
				t.Fatal(err)
			}
			h.relay.mu.Lock()
			h.relay.absent = false
			h.relay.mu.Unlock()
		}
	})
}

func TestPanicEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc, err := New(Config{Relay: "/tmp/smartcard", VpcdAddr: "192.0.2.1:35963", Poll: time.Second, Timeout: time.Minute}, testkit.Env(t))
		if err != nil {
			t.Fatal(err)
		}
		svc.openRelay = func(func([]byte)) (relayLink, error) { return panicking{&fakeRelay{asked: map[Command]int{}}}, nil }
		err = svc.Run(t.Context(), func() {})
		if _, ok := errors.AsType[*service.PanicError](err); !ok {
			t.Errorf("Run: %v", err)
		}
	})
}

type panicking struct{ *fakeRelay }

func (panicking) TrySend([]byte) error { panic("boom") }
