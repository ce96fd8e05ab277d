package audioin

import (
	"context"
	"time"
)

// How the latency of a stream follows the machine: PulseAudio runs dry when it or we get the processor too late, which
// is heard as a crackle each time. Then the stream gets more to live on, and less again when all has been well.
const (
	watchEvery   = time.Second
	dryTooOften  = 3 // times in watchEvery
	calmSeconds  = 60
	mostLatency  = 100 * time.Millisecond // or the configured one when that is more
	growthFactor = 1.5
)

// latency is the latency that one stream has now, and how it has fared.
type latency struct {
	configured, now time.Duration
	dry             int64 // the stream's underflows when it was looked at last
	calm            int   // times in a row that it was looked at and had not run dry
}

// next looks at the underflows so far and returns the latency to have from now on.
func (l *latency) next(underflows int64) time.Duration {
	fresh := underflows - l.dry
	l.dry = underflows
	if fresh == 0 {
		l.calm++
	} else {
		l.calm = 0
	}
	switch {
	case fresh >= dryTooOften:
		return min(scale(l.now, growthFactor), max(mostLatency, l.configured))
	case l.calm >= calmSeconds:
		l.calm = 0
		return max(scale(l.now, 1/growthFactor), l.configured)
	}
	return l.now
}

func scale(d time.Duration, factor float64) time.Duration { return time.Duration(float64(d) * factor) }

// watch waits until ctx or the stream ends, and adapts the stream's latency meanwhile.
func watch(ctx context.Context, p *peer, current stream, configured time.Duration) {
	l := latency{configured: configured, now: configured}
	p.asked(configured)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-current.Done():
			return
		case <-tick.C:
		}
		next := l.next(current.Underflows())
		if next == l.now {
			continue
		}
		if next > l.now {
			p.pad(next - l.now) // the server takes the difference at once
		}
		if current.SetLatency(next) != nil {
			return
		}
		l.now = next
		p.asked(next)
	}
}
