package smartcard

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ghostaux/pkg/relay"
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

// bubbleTimer is a timer of the bubble's time.
type bubbleTimer struct {
	timer *time.Timer
	ended chan struct{}
	close func()
}

func newBubbleTimer() (timer, error) {
	t := &bubbleTimer{timer: time.NewTimer(time.Hour), ended: make(chan struct{})}
	t.close = sync.OnceFunc(func() { close(t.ended) })
	return t, nil
}

func (t *bubbleTimer) Reset(d time.Duration) { t.timer.Reset(d) }

func (t *bubbleTimer) Wait() error {
	select {
	case <-t.timer.C:
		return nil
	case <-t.ended:
		return net.ErrClosed
	}
}

func (t *bubbleTimer) Close() error {
	t.close()
	return nil
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
		svc.dial, svc.newTimer = h.vpcd, newBubbleTimer
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
