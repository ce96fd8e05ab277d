package smartcard

import "time"

// ReaderUp is vpcd's connection.
func (m *machine) ReaderUp(now time.Time) []action {
	m.begin()
	m.connected = m.atr != nil
	if !m.connected {
		m.do(disconnect, nil)
	}
	return m.next(now)
}

// ReaderDown is the loss of vpcd's connection: pcscd has ended, or vpcd has thrown the card out. The card is powered off, so that
// nobody inherits what was unlocked, and offered again.
func (m *machine) ReaderDown(now time.Time) []action {
	m.begin()
	if m.connected {
		m.closeReader()
		m.power = power{off: true}
	}
	if m.atr != nil {
		m.do(connect, nil)
	}
	return m.next(now)
}

// Frame is a message of vpcd. An APDU is used until it is answered; see AcceptsFrame.
func (m *machine) Frame(now time.Time, data []byte) []action {
	m.begin()
	switch {
	case !m.connected || m.atr == nil:
		return m.todo // of a connection that is being closed
	case len(data) == 1 && data[0] <= vpcdReset:
		m.control(data[0])
	case len(data) == 1 && data[0] == vpcdATR:
		m.reply(m.atr)
	case len(data) < minAPDU:
		m.reply(wrongLength[:])
	default:
		m.powered = true
		m.apdu, m.sent = data, false
	}
	return m.next(now)
}

// minAPDU is the header CLA INS P1 P2, ISO 7816-4.
const minAPDU = 4

func (m *machine) control(c byte) {
	switch c {
	case vpcdOff:
		m.powered = false
		m.power.off, m.power.on = true, false
	case vpcdOn:
		m.powered = true
		m.power.on = true
	case vpcdReset:
		m.powered = true
		// KasmVNC's client acknowledges a RESET and leaves the card as it is. Disconnecting from it takes back what was
		// unlocked; the next TRANSMIT connects again.
		m.power = power{reset: true, off: true}
	}
}

// reply sends data, which is not empty, to vpcd.
func (m *machine) reply(data []byte) {
	m.frame = appendFrame(m.frame[:0], data)
	m.do(toReader, m.frame)
}

// loseCard takes the card out of the reader. What vpcd waits for will not be answered: its connection closes.
func (m *machine) loseCard() {
	if m.atr == nil {
		return
	}
	m.atr = nil
	m.closeReader()
	// KasmVNC's client keeps its connection to a card that was removed, or reset by another program, and sends what the next
	// card is asked to it, in vain, until it is told to disconnect.
	m.power = power{off: m.opened}
	m.do(disconnect, nil)
}

// closeReader forgets what the connection to vpcd stood for. The answer of a TRANSMIT that is under way will find nobody.
func (m *machine) closeReader() {
	m.connected, m.powered, m.apdu, m.sent = false, false, nil, false
}
