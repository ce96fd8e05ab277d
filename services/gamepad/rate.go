package gamepad

import "time"

// The rate that a peer may keep up. Four pads polled at the 50 Hz of Kasm's client make 200 rows a second, at 250 Hz
// 1000. The burst takes what four pads sent during the longest silence that keep-alive lets pass. Above the rate the
// peer's messages are read more slowly; a peer that goes on so is closed, since its states are late by then.
const (
	rowRate    = 1000 // a second
	rowBurst   = 12000
	throttling = 5 * time.Second
)

// bucket is a token bucket of rows.
type bucket struct {
	tokens float64
	at     time.Time // of the last take
	since  time.Time // throttled without a break; zero: not
}

// take takes n rows at now. It returns for how long to wait before the next read, and whether to give up.
func (b *bucket) take(n int, now time.Time) (wait time.Duration, tooFast bool) {
	if b.at.IsZero() {
		b.tokens = rowBurst
	} else {
		b.tokens = min(rowBurst, b.tokens+now.Sub(b.at).Seconds()*rowRate)
	}
	b.at = now
	b.tokens -= float64(max(n, 1))
	if b.tokens > rowBurst/10 {
		b.since = time.Time{}
	}
	if b.tokens >= 0 {
		return 0, false
	}
	if b.since.IsZero() {
		b.since = now
	}
	return time.Duration(-b.tokens / rowRate * float64(time.Second)), now.Sub(b.since) > throttling
}
