package pulse_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"ghostaux/pkg/pulse"
	"ghostaux/pkg/testkit"
)

const testRate = 48000

// openTone opens a stream and keeps it half a second ahead of the server with a tone of 1000 Hz and amplitude 0.5, until the
// test ends or the stream does, which ended brings the error of.
func openTone(t *testing.T, c *pulse.Client) (stream *pulse.Playback, ended <-chan error) {
	t.Helper()
	p, err := c.OpenPlayback(pulse.PlaybackConfig{Sink: "out", Name: "test", Rate: testRate, Step: 10 * time.Millisecond})
	must(t, err)
	quit, done, failed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(done)
		for end := 0; ; {
			taken, ok := p.Taken(time.Now())
			if n := int(taken) + testRate/2 - end; ok && n > 0 {
				if err := p.Write(0, tone(end, n)); err != nil {
					failed <- err
					return
				}
				end += n
			}
			select {
			case <-quit:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		close(quit)
		<-done
	})
	return p, failed
}

func tone(from, n int) []float32 {
	samples := make([]float32, n)
	for i := range samples {
		samples[i] = float32(0.5 * math.Sin(2*math.Pi*1000*float64(from+i)/testRate))
	}
	return samples
}

// clean is that of a tone of amplitude 0.5 without a gap.
func clean(sound []float32) bool {
	l := testkit.Level(sound, testRate, 1000)
	return l > 0.48 && l < 0.52
}

// TestPlayback: what is written is heard, and the stream ends with the connection.
func TestPlayback(t *testing.T) {
	p := testkit.StartPulse(t)
	c := dial(t, p)
	_, ended := openTone(t, c)
	if _, err := c.OpenPlayback(pulse.PlaybackConfig{Sink: "out", Rate: testRate}); err == nil {
		t.Error("a second stream on one connection was opened")
	}
	rec := p.Record(t, "out.monitor", testRate)
	testkit.Eventually(t, limit, "the tone is heard", func() bool { return clean(rec.Next(t, 500*time.Millisecond)) })
	c.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, pulse.ErrGone) {
			t.Errorf("write to an ended stream: %v", err)
		}
	case <-time.After(limit):
		t.Error("an ended stream is written to")
	}
	testkit.Eventually(t, limit, "the stream is gone", func() bool {
		return p.Pactl(t, "list", "short", "sink-inputs") == ""
	})
}

// TestWriteReplaces: what has been written can be written again until the server takes it, and what lies between two
// writes is silence.
func TestWriteReplaces(t *testing.T) {
	p := testkit.StartPulse(t)
	c := dial(t, p)
	stream, err := c.OpenPlayback(pulse.PlaybackConfig{Sink: "out", Rate: testRate, Step: 10 * time.Millisecond})
	must(t, err)
	rec := p.Record(t, "out.monitor", testRate)
	_ = rec.Next(t, 100*time.Millisecond)
	taken, _ := stream.Taken(time.Now())
	const second = testRate
	loud := make([]float32, second)
	for i := range loud {
		loud[i] = 0.9
	}
	must(t, stream.Write(int(taken)+second, loud))          // from a second from now on,
	must(t, stream.Write(-second, make([]float32, second))) // which is taken back,
	must(t, stream.Write(second, tone(0, second)))          // and a second later a tone
	sound := rec.Next(t, 4*time.Second)
	if testkit.Loudest(sound) > 0.52 {
		t.Error("what was replaced is heard")
	}
	heard := 0
	for _, v := range sound {
		if v > 0.01 || v < -0.01 {
			heard++
		}
	}
	if heard < second*9/10 || heard > second*11/10 {
		t.Errorf("%d samples of sound, want a second of them", heard)
	}
}

// TestTakenWhileSuspended: a sink that stands still is told from one that is a little late, and goes on where it was.
func TestTakenWhileSuspended(t *testing.T) {
	p := testkit.StartPulse(t)
	stream, _ := openTone(t, dial(t, p))
	took := func() bool {
		_, ok := stream.Taken(time.Now())
		return ok
	}
	_ = p.Pactl(t, "suspend-sink", "out", "1")
	testkit.Eventually(t, limit, "nothing is taken", func() bool { return !took() })
	_ = p.Pactl(t, "suspend-sink", "out", "0")
	testkit.Eventually(t, limit, "it goes on", took)
	rec := p.Record(t, "out.monitor", testRate)
	testkit.Eventually(t, limit, "the tone is heard", func() bool { return clean(rec.Next(t, 500*time.Millisecond)) })
}
