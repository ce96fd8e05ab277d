package gamepad

import "time"

// maxRumble is the longest effect that a browser plays (GamepadHapticActuator, W3C Gamepad Extensions: 5 s). What
// lasts longer is told again, a little earlier, so that there is no gap.
const (
	maxRumble     = 5 * time.Second
	rumbleOverlap = time.Second
	maxEffects    = 16 // that a game can upload to one pad
	fullGain      = 0xffff
	fullMagnitude = 0xffff
)

// effect is struct ff_effect of type FF_RUMBLE.
type effect struct {
	id           int16
	strong, weak uint16        // magnitudes of the heavy and the light motor
	length       time.Duration // 0: until it is stopped
	delay        time.Duration
}

// vibration is what the pad's two motors shall do now.
type vibration struct {
	strong, weak uint16
	length       time.Duration // at most maxRumble; 0 with both magnitudes 0: stop
}

// motors plays the effects of one pad, as the kernel's ff-memless does for real pads: effects that play together
// add up. The time comes from outside.
type motors struct {
	gain    uint16
	effects [maxEffects]playing
	last    vibration
	next    time.Time // when update must be called again; zero: not before the next feedback
}

type playing struct {
	effect
	known bool
	from  time.Time // zero: not playing
	until time.Time // zero: until it is stopped
}

func newMotors() motors { return motors{gain: fullGain} }

// take notes what the game wants; update tells what comes of it.
func (m *motors) take(f *feedback, now time.Time) {
	if f.kind == gain {
		m.gain = uint16(min(max(f.count, 0), fullGain))
		return
	}
	if f.id < 0 || f.id >= maxEffects {
		return
	}
	p := &m.effects[f.id]
	switch f.kind {
	case upload: // of an effect that plays already: it goes on with the new magnitudes
		p.effect, p.known = f.effect, true
	case erase:
		*p = playing{}
	case play:
		p.start(f.count, now)
	}
}

func (p *playing) start(count int32, now time.Time) {
	p.from, p.until = time.Time{}, time.Time{}
	if count <= 0 || !p.known {
		return
	}
	p.from = now.Add(p.delay)
	if p.length > 0 {
		p.until = p.from.Add(time.Duration(count) * p.length)
	}
}

// update returns what to tell the peer at now, if anything, and sets next.
func (m *motors) update(now time.Time) (vibration, bool) {
	v, change := m.sum(now)
	m.next = change
	running := v.strong > 0 || v.weak > 0
	if running {
		v.length = maxRumble
		if !change.IsZero() {
			v.length = min(v.length, change.Sub(now))
		}
		if renew := now.Add(maxRumble - rumbleOverlap); change.IsZero() || renew.Before(change) {
			m.next = renew
		}
	}
	tell := running || m.last.strong > 0 || m.last.weak > 0
	m.last = v
	return v, tell
}

// sum adds the effects that play at now, and returns when the sum changes next.
func (m *motors) sum(now time.Time) (v vibration, change time.Time) {
	var strong, weak uint64
	for i := range m.effects {
		p := &m.effects[i]
		switch {
		case p.from.IsZero():
		case now.Before(p.from):
			change = earlier(change, p.from)
		case p.until.IsZero():
			strong, weak = strong+uint64(p.strong), weak+uint64(p.weak)
		case now.Before(p.until):
			strong, weak = strong+uint64(p.strong), weak+uint64(p.weak)
			change = earlier(change, p.until)
		default:
			p.from = time.Time{}
		}
	}
	v.strong = uint16(min(strong, fullMagnitude) * uint64(m.gain) / fullGain)
	v.weak = uint16(min(weak, fullMagnitude) * uint64(m.gain) / fullGain)
	return v, change
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
