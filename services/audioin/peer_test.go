package audioin

import (
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// line is a stream that has taken so much, and keeps where what was written to it last begins and ends.
type line struct {
	taken      int64
	begin, end int64
}

func (l *line) Done() <-chan struct{}         { return nil }
func (l *line) Close()                        {}
func (l *line) Taken(time.Time) (int64, bool) { return l.taken, true }

func (l *line) Write(skip int, samples []float32) error {
	l.begin = l.end + int64(skip)
	l.end = l.begin + int64(len(samples))
	return nil
}

// TestEmptyMessagesShiftNothing: a message with no whole sample in it, before the first sound, between two, and in a pause.
func TestEmptyMessagesShiftNothing(t *testing.T) {
	const rate = 48000
	cfg := testConfig("").jitter(rate)
	p, l := newPeer(cfg), &line{}
	p.attach(l)
	now := time.Now()
	sound := testkit.Sine(1000, 0.5, rate, 0, 480)
	for range 3 {
		l.taken += rate
		p.receive(nil, now)
		p.receive([]byte{1, 2, 3}, now)
		p.receive(sound, now)
		if want := l.taken; l.begin != want {
			t.Errorf("the margin begins at %d, %d were taken", l.begin, want)
		}
		p.receive(nil, now)
		p.receive(sound, now)
		if want := l.taken + int64(cfg.target) + 480; l.begin != want {
			t.Errorf("the second message begins at %d, want %d", l.begin, want)
		}
	}
}
