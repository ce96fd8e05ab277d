package nbio_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"ghostaux/pkg/nbio"
)

func newTimer(t *testing.T) *nbio.Timer {
	t.Helper()
	timer, err := nbio.NewTimer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = timer.Close() })
	return timer
}

// after is how long a Wait takes.
func after(t *testing.T, timer *nbio.Timer) time.Duration {
	t.Helper()
	begin := time.Now()
	if err := timer.Wait(); err != nil {
		t.Fatal(err)
	}
	return time.Since(begin)
}

func TestTimerFiresWhenItWasLastTold(t *testing.T) {
	timer := newTimer(t)
	timer.Reset(time.Hour)
	timer.Reset(30 * time.Millisecond)
	if took := after(t, timer); took < 30*time.Millisecond {
		t.Errorf("fired after %v, want 30ms", took)
	}
	timer.Reset(time.Millisecond)
	timer.Reset(50 * time.Millisecond)
	if took := after(t, timer); took < 50*time.Millisecond {
		t.Errorf("fired after %v: when it was told before", took)
	}
	for _, due := range []time.Duration{0, -time.Hour} {
		timer.Reset(due)
		after(t, timer)
	}
}

// TestTimerFiresOnce: what fired while nobody waited is found by the next Wait, and by no other.
func TestTimerFiresOnce(t *testing.T) {
	timer := newTimer(t)
	timer.Reset(0)
	after(t, timer)
	waited := make(chan error, 1)
	go func() { waited <- timer.Wait() }()
	select {
	case err := <-waited:
		t.Errorf("fired again: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	timer.Reset(time.Millisecond) // also while somebody waits
	if err := <-waited; err != nil {
		t.Error(err)
	}
}

func TestTimerEnds(t *testing.T) {
	timer := newTimer(t)
	waited := make(chan error, 1)
	go func() { waited <- timer.Wait() }()
	_ = timer.Close()
	if err := <-waited; !errors.Is(err, net.ErrClosed) {
		t.Errorf("while it waits: %v", err)
	}
	timer.Reset(0)
	if err := timer.Wait(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestTimerCostsNoMemory(t *testing.T) {
	timer := newTimer(t)
	perRun := testing.AllocsPerRun(100, func() {
		timer.Reset(0)
		_ = timer.Wait()
	})
	if perRun != 0 {
		t.Errorf("%v allocations for a Reset and a Wait", perRun)
	}
}
