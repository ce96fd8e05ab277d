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
	// clientCache is how long KasmVNC's client answers a STATUS from memory: for 1 s after it has asked the card, and after a
	// TRANSMIT. The rest is for two clocks that do not agree.
	clientCache = 1020 * time.Millisecond
	// maxMissed is the number of questions without an answer after which nobody is there. A page that reloads misses one.
	maxMissed = 2
	// maxViewers bounds the far ends that are waited for.
	maxViewers = 8
)

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
