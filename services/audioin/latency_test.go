package audioin

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fakeStream runs dry as often as it is told.
type fakeStream struct {
	done      chan struct{}
	dry       atomic.Int64
	latencies []time.Duration
}

func (f *fakeStream) Done() <-chan struct{} { return f.done }
func (f *fakeStream) Underflows() int64     { return f.dry.Load() }
func (f *fakeStream) Close()                {}
func (f *fakeStream) SetLatency(d time.Duration) error {
	f.latencies = append(f.latencies, d)
	return nil
}

// TestLatencyFollowsTheMachine: more where the stream runs dry, up to a limit, and the configured one again in calm.
func TestLatencyFollowsTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStream{done: make(chan struct{})}
		p := newPeer(testConfig("").jitter(48000))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			watch(ctx, p, f, 20*time.Millisecond)
		}()
		for range 10 {
			f.dry.Add(dryTooOften)
			time.Sleep(watchEvery)
		}
		f.dry.Add(1) // now and then is nothing
		time.Sleep(10 * time.Minute)
		cancel()
		<-ended
		ms := make([]int64, len(f.latencies))
		for i, d := range f.latencies {
			ms[i] = d.Round(time.Millisecond).Milliseconds()
		}
		if want := []int64{30, 45, 68, 100, 67, 44, 30, 20}; !slices.Equal(ms, want) {
			t.Errorf("latencies %v, want %v", ms, want)
		}
	})
}

func TestWatchEndsWithTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStream{done: make(chan struct{})}
		close(f.done)
		watch(t.Context(), newPeer(testConfig("").jitter(48000)), f, 20*time.Millisecond)
	})
}

// TestPadDoesNotClick: and it neither loses nor repeats sound.
func TestPadDoesNotClick(t *testing.T) {
	w := newWorld(10*time.Millisecond, 300*time.Millisecond, 1024)
	w.sound = tone(simRate, 200)
	step := largestStep(w)
	w.run(2 * time.Second)
	before := w.j.fill()
	w.j.pad(480)
	if got := w.j.fill(); got != before+480 {
		t.Errorf("%d samples queued, want %d", got, before+480)
	}
	w.j.pull(make([]float32, 480)) // what the server takes at once
	w.run(2 * time.Second)
	if w.j.stats.underruns != 0 || w.j.target != w.j.cfg.target {
		t.Errorf("%d gaps, target %.1f ms", w.j.stats.underruns, ms(w.j.target))
	}
	if limit := 0.5 / float64(w.j.cfg.samples(fadeTime)); *step > 1.5*smoothest+limit {
		t.Errorf("a step of %.4f", *step)
	}
}
