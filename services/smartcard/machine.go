package smartcard

import "time"

// actionKind is what the machine wants done.
type actionKind uint8

const (
	toFar        actionKind = iota // send data to the far end
	toReader                       // send data, framed already, to vpcd
	connect                        // connect to vpcd, for as long as it takes
	disconnect                     // close the connection to vpcd, or stop connecting
	resetChannel                   // the far end is a card agent that did not answer: end its connection
)

// action is one thing to do. Data is valid until the next event.
type action struct {
	kind actionKind
	data []byte
}

// request is what the far end was asked last. The zero value is no request.
type request struct {
	command  Command
	deadline time.Time
	answers  int  // far ends that have answered without settling it
	sure     bool // a STATUS that is empty only when there is no card
	failed   bool // a TRANSMIT that was answered by an ERROR, which is kept in text
	text     [maxText]byte
	length   int // of text
	atr      []byte
	atrBytes [maxATR]byte // the best answer of a STATUS so far; atr is in here
}

// power is what vpcd wants done to the card and the far end has not been asked yet. There is nothing to queue: vpcd waits for
// no answer, and only the last state of the card counts.
type power struct{ reset, off, on bool }

// timing is the part of Config that the machine needs.
type timing struct {
	poll     time.Duration // between two STATUS of a far end that answers
	transmit time.Duration // for the answer of a TRANSMIT
}

// machine is the bridge's state: events of both sides go in, actions come out. It has no clock, no goroutine and no
// socket, and belongs to one goroutine. Every method that takes the time is an event and returns what is to be done.
type machine struct {
	timing  timing
	metrics *counters
	todo    []action
	packet  []byte // what toFar points to
	frame   []byte // what toReader points to
	trouble trouble

	// The far end.
	present     bool // there is one
	agent       bool // it is a card agent: alone, and in order
	initialized bool
	trusted     bool // the last request was answered in time
	missed      int  // requests in a row that were not
	pause       time.Duration
	viewers     int  // far ends that answer each request
	opened      bool // the far end is connected to the card, as far as it was asked to
	request     request
	owed        int       // answers of the others to the last request
	settleUntil time.Time // nothing is asked before; zero: not settling
	pollAt      time.Time
	freshAt     time.Time // the far end asks the card for a STATUS from then on
	forgotUntil time.Time // it may have forgotten the card at a POWER_OFF until then or freshAt; zero: it has not
	doubtUntil  time.Time // no card before; zero: none in doubt
	relayDoubt  time.Time // doubtUntil of the relay while an agent stands in for it

	// The card and its reader.
	atr       []byte // nil: no card
	atrBytes  [maxATR]byte
	connected bool   // to vpcd
	powered   bool   // by vpcd
	apdu      []byte // that vpcd waits for the answer of; nil: none
	sent      bool   // it is the request
	power     power
}

func newMachine(t timing, m *counters) *machine {
	return &machine{timing: t, metrics: m, packet: make([]byte, 0, MaxPacket), frame: make([]byte, 0, frameHeader+MaxPayload)}
}

// AcceptsFrame reports whether the next message of vpcd may come: there is one exchange at a time.
func (m *machine) AcceptsFrame() bool { return m.apdu == nil }

// Deadline is when Tick is due; zero is never.
func (m *machine) Deadline() time.Time {
	switch {
	case !m.present:
		return time.Time{}
	case m.request.command != 0:
		return m.request.deadline
	case !m.settleUntil.IsZero():
		return m.settleUntil
	}
	if !m.doubtUntil.IsZero() && m.doubtUntil.Before(m.pollAt) {
		return m.doubtUntil
	}
	return m.pollAt
}

// FarUp is a far end that can be asked: the relay was found, or a card agent has connected. Nothing is known of it.
func (m *machine) FarUp(now time.Time, agent bool) []action {
	m.begin()
	m.loseCard()
	m.present, m.agent = true, agent
	m.initialized, m.trusted, m.missed, m.pause, m.viewers, m.opened = false, false, 0, 0, 1, false
	m.request, m.owed, m.settleUntil = request{}, 0, time.Time{}
	m.forgotUntil, m.freshAt, m.doubtUntil, m.power = time.Time{}, time.Time{}, time.Time{}, power{}
	if !agent {
		m.doubtUntil, m.relayDoubt = m.relayDoubt, time.Time{}
	}
	m.pollAt = now
	return m.next(now)
}

// FarDown is the end of the far end. When it only gives way to an agent, a TRANSMIT that it has not answered is kept in mind.
func (m *machine) FarDown(now time.Time, givesWay bool) []action {
	m.begin()
	if givesWay && !m.agent {
		m.relayDoubt = m.doubtUntil
		if m.request.command == Transmit {
			m.relayDoubt = now.Add(m.timing.transmit)
		}
	}
	m.loseCard()
	m.present, m.request, m.doubtUntil, m.power = false, request{}, time.Time{}, power{}
	return m.todo
}

// Tick is due at Deadline, and harmless at any time.
func (m *machine) Tick(now time.Time) []action {
	m.begin()
	if m.present && m.request.command != 0 && !now.Before(m.request.deadline) {
		m.timeout(now)
	}
	if !m.settleUntil.IsZero() && !now.Before(m.settleUntil) {
		m.viewers = max(1, m.viewers-m.owed) // who has not answered by now has left
		m.owed, m.settleUntil = 0, time.Time{}
	}
	return m.next(now)
}

func (m *machine) begin() { m.todo = m.todo[:0] }

func (m *machine) do(kind actionKind, data []byte) {
	m.todo = append(m.todo, action{kind: kind, data: data})
}

// next asks the far end what is due, when it may be asked, and returns what there is to do.
func (m *machine) next(now time.Time) []action {
	if !m.doubtUntil.IsZero() && !now.Before(m.doubtUntil) {
		m.doubtUntil = time.Time{}
	}
	if !m.present || m.request.command != 0 || !m.settleUntil.IsZero() {
		return m.todo
	}
	due := !now.Before(m.pollAt)
	switch {
	case !m.trusted: // nothing but questions that do not touch the card, until it answers
		if due && !m.initialized && m.missed%2 == 0 {
			m.ask(now, Initialize, nil)
		} else if due {
			m.ask(now, Status, nil)
		}
	case !m.initialized:
		m.ask(now, Initialize, nil)
	case m.power.reset:
		m.power.reset = false
		m.ask(now, Reset, nil)
	case m.power.off:
		m.power.off = false
		if !m.agent {
			m.forgotUntil = now.Add(clientCache)
		}
		m.ask(now, PowerOff, nil)
	case m.power.on:
		m.power.on = false
		m.ask(now, PowerOn, nil)
	case m.apdu != nil:
		m.sent = true
		m.ask(now, Transmit, m.apdu)
	case due:
		m.ask(now, Status, nil)
	}
	return m.todo
}

func (m *machine) ask(now time.Time, c Command, payload []byte) {
	switch c {
	case PowerOn, Transmit:
		m.opened = true
	case PowerOff:
		m.opened = false
	}
	wait := shortTimeout
	switch {
	case c == Transmit:
		wait = m.timing.transmit
	case m.agent:
		wait = agentTimeout
	}
	m.request = request{command: c, deadline: now.Add(wait), sure: !now.Before(m.newsAt())}
	m.packet = AppendPacket(m.packet[:0], c, payload)
	m.metrics.asked(c)
	m.do(toFar, m.packet)
}

// timeout gives up on the request. An answer that comes later must not be taken for that of another request: see
// settle for the short ones and InDoubt for a TRANSMIT.
func (m *machine) timeout(now time.Time) {
	r := &m.request
	m.metrics.timedOut(r.command)
	if r.command == Status && r.answers > 0 { // some answered: the others have left
		m.viewers = r.answers
		m.decideStatus(now)
		return
	}
	if r.failed && r.answers >= m.viewers {
		m.takeError(now, r.text[:r.length])
		m.settleUntil = now.Add(settle)
		return
	}
	command := r.command
	m.request = request{}
	if command == Initialize && m.trusted {
		m.initialized = true // a far end that does not know it can do without
	}
	m.trusted = false
	m.missed++
	if m.agent { // it answers in order, on a connection of its own: a new connection is a new start
		m.note(now, troubleAgentSilent)
		m.loseCard()
		m.do(resetChannel, nil)
		m.pollAt = now.Add(slowest)
		return
	}
	if command == Transmit {
		m.note(now, troubleTimeout)
		m.loseCard()
		m.power.off = true // ends what the card is doing, if anything can
		m.doubtUntil = now.Add(m.timing.transmit)
		m.pollAt = now
		return
	}
	m.pause = min(max(2*m.pause, m.timing.poll), max(slowest, m.timing.poll))
	m.pollAt = now.Add(m.pause)
	if m.missed >= maxMissed {
		m.initialized = false
		m.loseCard()
	}
}
