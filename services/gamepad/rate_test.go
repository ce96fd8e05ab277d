package gamepad

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	feed := func(rate int, during time.Duration) (slept time.Duration, closed bool) {
		var b bucket
		now := time.Unix(0, 0)
		for end := now.Add(during); now.Before(end); {
			wait, tooFast := b.take(1, now)
			if tooFast {
				return slept, true
			}
			slept += wait
			now = now.Add(max(wait, time.Second/time.Duration(rate)))
		}
		return slept, false
	}
	if slept, closed := feed(900, time.Minute); slept > 0 || closed {
		t.Errorf("900 rows a second: slept %v, closed %v", slept, closed)
	}
	if slept, closed := feed(10000, 10*time.Second); slept == 0 || !closed {
		t.Errorf("10000 rows a second: slept %v, closed %v", slept, closed)
	}
	var b bucket
	now := time.Unix(0, 0)
	for range 10000 { // what piled up while the network stood still for 50 s
		if wait, tooFast := b.take(1, now); wait > 0 || tooFast {
			t.Fatal("a backlog is throttled")
		}
	}
}
