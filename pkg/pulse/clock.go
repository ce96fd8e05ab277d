package pulse

import "time"

const (
	clockPeriod = 4 * time.Second
	staleAfter  = 2 * time.Second
)

// clock tells how far a server has come that tells it now and then. What it told comes late as a rule, at times very
// late, and never early: so of all that was told over one or two periods that counts which was furthest ahead.
type clock struct {
	rate  float64 // samples/s
	start time.Time
	ahead [2]float64 // samples, of what was told before what the rate makes of the time: now, and in the last period
	since time.Time  // begin of this period
	told  time.Time  // last
	first bool       // nothing has been told yet
}

func newClock(rate int, start time.Time) clock {
	return clock{rate: float64(rate), start: start, since: start, told: start, first: true}
}

func (c *clock) due(at time.Time) float64 { return c.rate * at.Sub(c.start).Seconds() }

// tell says that the server has come so far.
func (c *clock) tell(samples int64, at time.Time) {
	ahead := float64(samples) - c.due(at)
	switch {
	case c.first || at.Sub(c.told) > staleAfter: // what it did meanwhile nobody knows
		c.ahead = [2]float64{ahead, ahead}
		c.since = at
	case at.Sub(c.since) > clockPeriod:
		c.ahead = [2]float64{ahead, c.ahead[0]}
		c.since = at
	default:
		c.ahead[0] = max(c.ahead[0], ahead)
	}
	c.told, c.first = at, false
}

// read is how far it has come. Ok is false when it has told nothing for long.
func (c *clock) read(at time.Time) (samples int64, ok bool) {
	return int64(c.due(at) + max(c.ahead[0], c.ahead[1])), at.Sub(c.told) <= staleAfter
}
