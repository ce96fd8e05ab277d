package audioout

import "time"

// maxStep is the longest piece of sound that one message can add. A larger step of the time stamps is a pause, a
// seek or a new encoder, and no sound.
const maxStep = time.Second

// soundClock counts how much sound a publisher has sent: the time stamps' progress without pauses. A publisher whose
// stream has no time stamps is taken to send in real time.
type soundClock struct {
	kind clockKind
	last ticks
	wall time.Time // of the previous message
}

// advance returns how much sound the run adds, which came at now.
func (c *soundClock) advance(r run, now time.Time) time.Duration {
	wall := now.Sub(c.wall)
	c.wall = now
	if r.clock == noClock {
		if c.kind != noClock || wall > maxStep {
			return 0
		}
		return wall
	}
	const wrap = 1 << ptsBits
	step := time.Duration((r.time-c.last)%wrap) * (time.Second / 10) / 9000
	known := c.kind == r.clock
	c.kind, c.last = r.clock, r.time
	if !known || step > maxStep {
		return 0
	}
	return step
}
