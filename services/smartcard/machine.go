package smartcard

import "time"

// State is what the bridge knows of the far end and of its card. The table in the package's documentation says what
// every event does in every state.
type State uint8

// The states.
const (
	NoRelay     State = iota // there is nothing to ask: neither KasmVNC's relay nor a card agent
	NoBrowser                // the relay is there, and nobody answers
	NoCard                   // the far end answers that there is no card
	InDoubt                  // a TRANSMIT was never answered, and its answer may still come: no card until then
	CardPresent              // vpcd is or will be connected
	Powered                  // and has powered the card
	Exchanging               // and waits for the answer of an APDU
	statesEnd                // number of states
)

// String is the state's name in /status, metrics and the documentation.
func (s State) String() string {
	return [statesEnd]string{
		"no relay", "no browser", "no card", "in doubt", "card present", "powered", "exchanging",
	}[s]
}

// Times that are properties of the other sides, not of a user's taste.
const (
	// shortTimeout is how long anything but a TRANSMIT may take. The original bridge waited about 2.5 s.
	shortTimeout = 3 * time.Second
	// agentTimeout is the same for a card agent, which is lost when it does not answer. It may be far away.
	agentTimeout = 10 * time.Second
	// slowest is the longest pause between two questions that nobody answers.
	slowest = 5 * time.Second
	// settle is the pause after the first answer that follows a timeout: what was late may come, and is discarded.
	settle = time.Second
	// errorHold is how long an ERROR to a TRANSMIT is kept back. It may be a new viewer's that has no card, and then the
	// response is on its way.
	errorHold = 500 * time.Millisecond
	// staleStatus is how old a STATUS of KasmVNC's client may be: it asks the card at most once a second, not within a
	// second of a TRANSMIT, and answers "no card" for the rest of that second after a POWER_OFF.
	staleStatus = 1100 * time.Millisecond
	// maxMissed is the number of questions without an answer after which nobody is there. A page that reloads misses one.
	maxMissed = 2
	// maxViewers bounds the far ends that are waited for.
	maxViewers = 8
)

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
	metrics *metrics
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
	viewers     int // far ends that answer each request
	request     request
	owed        int       // answers of the others to the last request
	settleUntil time.Time // nothing is asked before; zero: not settling
	pollAt      time.Time
	powerOffAt  time.Time // of the last POWER_OFF sent
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

func newMachine(t timing, m *metrics) *machine {
	return &machine{timing: t, metrics: m, packet: make([]byte, 0, MaxPacket), frame: make([]byte, 0, frameHeader+MaxPayload)}
}

// State is the state now.
func (m *machine) State() State {
	switch {
	case !m.present:
		return NoRelay
	case m.missed >= maxMissed || !m.initialized && !m.trusted:
		return NoBrowser
	case !m.doubtUntil.IsZero():
		return InDoubt
	case m.atr == nil:
		return NoCard
	case m.apdu != nil:
		return Exchanging
	case m.powered:
		return Powered
	}
	return CardPresent
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
	m.initialized, m.trusted, m.missed, m.pause, m.viewers = false, false, 0, 0, 1
	m.request, m.owed, m.settleUntil = request{}, 0, time.Time{}
	m.powerOffAt, m.doubtUntil, m.power = time.Time{}, time.Time{}, power{}
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
		m.powerOffAt = now
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
	wait := shortTimeout
	switch {
	case c == Transmit:
		wait = m.timing.transmit
	case m.agent:
		wait = agentTimeout
	}
	m.request = request{command: c, deadline: now.Add(wait)}
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
