package pulse

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jfreymuth/pulse/proto"

	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
)

const clockRate = 48000

// TestClock: a server that tells five times in two seconds how far it is, in steps of 10 ms, up to 80 ms late, and whose
// rate is 300 ppm more than it should be, for a quarter of an hour.
func TestClock(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	start := time.Unix(1000, 0)
	c := newClock(clockRate, start)
	truth := func(at time.Time) int64 { return int64(at.Sub(start).Seconds() * clockRate * 1.0003) }
	for at := start; at.Sub(start) < 15*time.Minute; at = at.Add(400 * time.Millisecond) {
		late := time.Duration(r.Int64N(int64(80 * time.Millisecond)))
		if r.IntN(4) == 0 {
			late = time.Duration(r.Int64N(int64(time.Millisecond)))
		}
		c.tell(truth(at)/480*480+480, at.Add(late))
		if at.Sub(start) < 10*time.Second {
			continue
		}
		now := at.Add(100 * time.Millisecond)
		samples, ok := c.read(now)
		if off := samples - truth(now); !ok || off < -480 || off > 480+200 {
			t.Fatalf("after %v: %d samples off, %v", at.Sub(start), off, ok)
		}
	}
}

// TestClockOfServerThatStoodStill: it is known as such, and begins anew where it is.
func TestClockOfServerThatStoodStill(t *testing.T) {
	start := time.Unix(1000, 0)
	c := newClock(clockRate, start)
	at := start.Add(time.Second)
	c.tell(clockRate, at)
	if n, ok := c.read(at.Add(time.Second)); !ok || n != 2*clockRate {
		t.Errorf("%d samples after two seconds, %v", n, ok)
	}
	at = at.Add(time.Minute)
	if _, ok := c.read(at); ok {
		t.Error("nothing told for a minute is no trouble")
	}
	c.tell(clockRate+100, at)
	if n, ok := c.read(at); !ok || n != clockRate+100 {
		t.Errorf("%d samples after the minute, %v", n, ok)
	}
}

// TestPanicEndsOnlyTheConnection: the process stays, and the reason is known.
func TestPanicEndsOnlyTheConnection(t *testing.T) {
	c, err := Dial(t.Context(), testkit.StartPulse(t).Server)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.OpenPlayback(PlaybackConfig{Sink: "out", Rate: clockRate, Step: 10 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	c.received((*proto.Request)(nil))
	select {
	case <-c.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the connection does not end")
	}
	if _, ok := errors.AsType[*service.PanicError](c.Err()); !ok {
		t.Errorf("reason: %v, want the panic", c.Err())
	}
}
