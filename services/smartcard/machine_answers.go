package smartcard

import (
	"bytes"
	"time"
)

// Packet is a packet of the far end. Only one that can be the answer of the request is taken for it.
func (m *machine) Packet(now time.Time, b []byte) []action {
	m.begin()
	if !m.present {
		return m.todo
	}
	p, err := Decode(b)
	switch {
	case err == ErrLong && m.request.command == Transmit:
		m.note(now, troubleLong)
		m.request.answers++
		m.pollAt = now.Add(m.afterUse())
		m.answered(now)
		m.settleAPDU(wrongLength[:])
		m.succeed(now)
	case err != nil || p.Command != Ack && p.Command != Error:
		if err == ErrVersion {
			m.note(now, troubleVersion)
		}
		m.metrics.discarded(malformed)
	case m.request.command == 0:
		m.unasked(now, p)
	case !m.fits(p):
		m.metrics.discarded(stale)
		m.lateResponse(now, p)
	case !m.trusted:
		m.revive(now)
	default:
		m.take(now, p)
	}
	return m.next(now)
}

// fits reports whether the packet can be an answer of the request. The answer of a STATUS is an ATR or empty, that of a
// TRANSMIT is neither, and all others are empty.
func (m *machine) fits(p Packet) bool {
	if p.Command == Error {
		return true
	}
	switch m.request.command {
	case Status:
		return len(p.Payload) == 0 || isATR(p.Payload)
	case Transmit:
		return len(p.Payload) > 0 && !bytes.Equal(p.Payload, m.atr)
	}
	return len(p.Payload) == 0
}

// unasked is an answer with no request to belong to: one more viewer's, or one that came late.
func (m *machine) unasked(now time.Time, p Packet) {
	m.metrics.discarded(duplicate)
	switch {
	case m.owed > 0:
		m.freshAt = now.Add(clientCache) // it has been busy until now
		if m.owed--; m.owed == 0 {
			m.settleUntil = time.Time{}
		}
	case m.lateResponse(now, p) || !m.trusted:
	case !m.settleUntil.IsZero():
		m.settleUntil = now.Add(settle) // until nothing late comes any more
	case !m.agent && m.viewers < maxViewers:
		m.viewers++
	}
}

// lateResponse ends the doubt when the packet is the response that it is about.
func (m *machine) lateResponse(now time.Time, p Packet) bool {
	if m.doubtUntil.IsZero() || p.Command != Ack || len(p.Payload) == 0 || isATR(p.Payload) {
		return false
	}
	if m.viewers == 1 {
		m.doubtUntil = now
	}
	return true
}

// revive is the first answer after a silence. It may belong to an older request, so it says only that somebody is there.
func (m *machine) revive(now time.Time) {
	if m.request.command == Initialize {
		m.initialized = true
	}
	first := m.missed == 0 && m.doubtUntil.IsZero() // nothing was ever unanswered: there is nothing to wait for
	m.request = request{}
	m.trusted, m.missed, m.pause = true, 0, 0
	m.pollAt, m.freshAt = now, now.Add(clientCache)
	if !first {
		m.settleUntil = now.Add(settle)
	}
}

// take uses an answer of the request, which there may be several of when several viewers are connected.
func (m *machine) take(now time.Time, p Packet) {
	r := &m.request
	r.answers++
	all := r.answers >= m.viewers
	switch {
	case r.command == Status:
		m.takeStatus(now, p, all)
	case r.command == Transmit && p.Command == Ack:
		m.takeResponse(now, p.Payload)
	case r.command == Transmit && m.agent:
		m.takeError(now, p.Payload)
	case r.command == Transmit:
		r.failed, r.length = true, copy(r.text[:], p.Payload)
		if hold := now.Add(errorHold); all && hold.Before(r.deadline) {
			r.deadline = hold
		}
	case p.Command == Error && !all: // another one may do better
	default:
		if p.Command == Error && (r.command != PowerOff || m.atr != nil) { // of a card that is gone it says nothing new
			m.noteError(now, p.Payload)
		}
		switch r.command {
		case Initialize:
			m.initialized, m.pollAt = true, now
		case PowerOff:
			m.pollAt = latest(m.pollAt, m.newsAt())
		}
		m.answered(now)
		m.succeed(now)
	}
}

// takeStatus prefers the known card over a new one, and a new one over none.
func (m *machine) takeStatus(now time.Time, p Packet, all bool) {
	r := &m.request
	if p.Command == Error {
		m.noteError(now, p.Payload)
	} else if len(p.Payload) > 0 && r.atr == nil {
		r.atr = r.atrBytes[:copy(r.atrBytes[:], p.Payload)]
	}
	if m.atr != nil && p.Command == Ack && bytes.Equal(p.Payload, m.atr) {
		r.atr, all = r.atrBytes[:copy(r.atrBytes[:], p.Payload)], true
	}
	if all {
		m.decideStatus(now)
	}
}

// decideStatus acts on what the STATUS has brought.
func (m *machine) decideStatus(now time.Time) {
	atr, sure := m.request.atr, m.request.sure
	m.pollAt = now.Add(m.timing.poll)
	m.answered(now)
	if sure || atr != nil {
		m.forgotUntil = time.Time{}
	}
	switch {
	case !m.doubtUntil.IsZero():
	case atr == nil && m.atr != nil && !sure:
		m.pollAt = m.newsAt() // not a removal, unless it says so again
	case !bytes.Equal(atr, m.atr):
		m.loseCard()
		if atr != nil {
			m.atr = m.atrBytes[:copy(m.atrBytes[:], atr)]
			m.metrics.cards.Inc()
			m.do(connect, nil)
		}
	}
	m.succeed(now)
}

// takeResponse gives vpcd the answer that it waits for.
func (m *machine) takeResponse(now time.Time, response []byte) {
	m.metrics.exchanges.Inc()
	m.viewers = max(m.viewers, m.request.answers) // an ERROR that was kept back was another viewer's
	m.pollAt = now.Add(m.afterUse())
	m.answered(now)
	m.settleAPDU(response)
	m.succeed(now)
}

// takeError ends a TRANSMIT that has failed.
func (m *machine) takeError(now time.Time, text []byte) {
	m.noteError(now, text)
	m.pollAt = now.Add(m.afterUse())
	m.answered(now)
	if isGone(text) {
		m.loseCard()
	} else {
		m.settleAPDU(noDiagnosis[:])
	}
	m.succeed(now)
}

// newsAt is when a STATUS can first be told from what the far end has forgotten: it asks the card again, or it has asked since
// the POWER_OFF. The zero time is always.
func (m *machine) newsAt() time.Time {
	if m.freshAt.Before(m.forgotUntil) {
		return m.freshAt
	}
	return m.forgotUntil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// afterUse is how long after the card was used its far end has news of it.
func (m *machine) afterUse() time.Duration {
	if m.agent {
		return m.timing.poll
	}
	return max(m.timing.poll, clientCache)
}

// answered ends the request, and waits for the others that answer it too.
func (m *machine) answered(now time.Time) {
	switch m.request.command {
	case Transmit:
		m.freshAt = now.Add(clientCache)
		if !m.forgotUntil.IsZero() {
			m.forgotUntil = m.freshAt
		}
	case Status:
		m.freshAt = now.Add(clientCache)
	}
	m.owed = max(0, m.viewers-m.request.answers)
	if m.owed > 0 {
		m.settleUntil = now.Add(shortTimeout)
	}
}

// succeed forgets the request. It is apart from answered since what is done in between depends on it.
func (m *machine) succeed(time.Time) {
	m.request = request{}
	m.missed, m.pause = 0, 0
}

// Status words that ghostaux makes itself, ISO 7816-4.
var (
	noDiagnosis = [2]byte{0x6F, 0x00} // the card could not be reached
	wrongLength = [2]byte{0x67, 0x00} // it does not fit
)

// settleAPDU answers vpcd, if it still waits for the answer of the request.
func (m *machine) settleAPDU(response []byte) {
	if m.apdu == nil || !m.sent {
		m.metrics.discarded(orphaned)
		return
	}
	m.apdu, m.sent = nil, false
	m.reply(response)
}
