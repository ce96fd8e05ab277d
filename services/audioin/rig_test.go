package audioin

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
)

const limit = 15 * time.Second

// testConfig is the default configuration, with a delay that forgives a loaded machine.
func testConfig(server string) Config {
	return Config{Addr: ":0", Latency: 100 * time.Millisecond, MaxQueue: 500 * time.Millisecond, MaxPeers: 16, Pulse: server}
}

// rig is the service on a PulseAudio of its own, run as the supervisor would.
type rig struct {
	pulse *testkit.Pulse
	svc   *Service
	url   string
	stop  func() // ends Run, waits, and reports its error
	env   service.Env
}

func newRig(t *testing.T, modules ...string) *rig {
	t.Helper()
	r := &rig{pulse: testkit.StartPulse(t, modules...), env: testkit.Env(t)}
	svc, err := New(testConfig(r.pulse.Server), r.env)
	if err != nil {
		t.Fatal(err)
	}
	r.svc = svc
	r.url = testkit.Serve(t, svc.Endpoints()[0]).URL
	r.run(t)
	return r
}

// run runs the service, again and again, until stop or the end of the test.
func (r *rig) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done, ready := make(chan struct{}), make(chan struct{}, 100)
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := r.svc.Run(ctx, func() { ready <- struct{}{} }); err != nil {
				t.Logf("Run: %v", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	r.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(r.stop)
	select {
	case <-ready:
	case <-time.After(limit):
		t.Fatal("the service is not ready")
	}
}

// speaker is a browser's microphone: it sends a tone, a message of 20 ms every 20 ms, until it is stopped.
type speaker struct {
	conn *websocket.Conn
	stop func() // the sending, not the connection
}

func (r *rig) speak(t *testing.T, hz, amplitude float64, rate string, samplesPerSecond int) *speaker {
	t.Helper()
	conn := testkit.Dial(t, r.url+"/?sample_rate="+rate)
	return &speaker{conn: conn, stop: say(t, conn, hz, amplitude, samplesPerSecond)}
}

func say(t *testing.T, conn *websocket.Conn, hz, amplitude float64, rate int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		start, sent := time.Now(), 0
		for {
			due := int(time.Since(start).Seconds()*50) + 1
			for ; sent < due; sent++ {
				n := rate / 50
				if conn.Write(ctx, websocket.MessageBinary, testkit.Sine(hz, amplitude, rate, sent*n, n)) != nil {
					return
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// names are the second column of a short list of pactl.
func (r *rig) names(t *testing.T, kind string) []string {
	t.Helper()
	var names []string
	for line := range strings.Lines(r.pulse.Pactl(t, "list", "short", kind)) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) > 1 {
			names = append(names, f[1])
		}
	}
	return names
}

// closeOf waits for the connection's end and returns its code.
func closeOf(t *testing.T, conn *websocket.Conn) websocket.StatusCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}
