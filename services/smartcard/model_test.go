package smartcard

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// table reads the state table out of the package's documentation: what may follow on a state and an event.
func table(t *testing.T) map[[2]string][]string {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[[2]string][]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimPrefix(line, "//\t"), "|")
		if len(cells) != 4 || strings.TrimSpace(cells[0]) == "state" {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows[[2]string{cells[0], cells[1]}] = strings.Split(cells[2], ", ")
	}
	if len(rows) < 20 {
		t.Fatalf("only %d rows in the table of doc.go", len(rows))
	}
	return rows
}

// late is an answer on its way.
type late struct {
	at     time.Time
	packet []byte
}

// world is everything around the machine: a browser with a card, viewers without one, and vpcd, all of them at random.
// It knows which card answered which APDU, and so what vpcd may be told.
type world struct {
	t      *testing.T
	random *rand.Rand
	table  map[[2]string][]string
	m      *machine
	now    time.Time

	far      bool // the relay is there
	agent    bool
	browser  bool
	card     byte // 0: none
	handle   byte // the card that the browser is connected to, and stays so when it is removed; 0: none
	others   int  // viewers without a card
	way      []late
	asked    int // requests that neither were answered nor can have timed out
	lastAsk  time.Time
	lastWait time.Duration

	wanted    bool // the machine wants a connection to vpcd
	connected bool
	session   uint32 // of vpcd's connection
	shown     byte   // the card that vpcd was shown in this session
	answering byte   // the card that has answered since vpcd connected, powered it off or reset it; 0: none has
	apdu      uint32 // that vpcd waits for; 0: none
	frame     []byte
	exchanges int
	seen      map[[3]string]bool // state, event and next state that have come up
}

// atrOfCard has the card's number in it.
func atrOfCard(card byte) []byte { return []byte{0x3B, 0x01, card} }

func (w *world) chance(percent int) bool { return w.random.IntN(100) < percent }

// event hands an event to the machine, does what it wants, and checks what came of it.
func (w *world) event(name string, f func() []action) {
	w.t.Helper()
	before := w.m.State().String()
	for _, a := range f() {
		w.do(a)
	}
	after := w.m.State().String()
	w.seen[[3]string{before, name, after}] = true
	if after != before && !slices.Contains(w.table[[2]string{before, name}], after) {
		w.t.Fatalf("%s, %s: became %s, which the table does not have", before, name, after)
	}
	hasCard := w.m.State() >= CardPresent
	if w.wanted != hasCard {
		w.t.Fatalf("%s, %s: a reader is wanted: %v, in state %s", before, name, w.wanted, after)
	}
}

func (w *world) do(a action) {
	w.t.Helper()
	switch a.kind {
	case toFar:
		w.take(a.data)
	case connect:
		w.wanted = true
	case disconnect:
		w.wanted, w.connected, w.apdu = false, false, 0
	case toReader:
		w.reply(a.data)
	case resetChannel:
		w.way = nil
	}
}

// take is the far end's side of a request.
func (w *world) take(packet []byte) {
	w.t.Helper()
	if !w.far {
		w.t.Fatal("something was sent without a far end")
	}
	if w.asked > 0 && w.now.Before(w.lastAsk.Add(w.lastWait)) {
		w.t.Fatalf("a second request while the first has %v to go", w.lastAsk.Add(w.lastWait).Sub(w.now))
	}
	p, err := Decode(packet)
	if err != nil {
		w.t.Fatal(err)
	}
	w.asked, w.lastAsk, w.lastWait = 1, w.now, shortTimeout
	if w.agent {
		w.lastWait = agentTimeout
	}
	if p.Command == Transmit {
		w.lastWait = 120 * time.Second
	}
	if w.browser && !w.chance(3) { // some are lost in a reload
		w.send(w.answer(p), p.Command)
	}
	for range w.others {
		if w.agent { // there is one agent, and nobody else
			break
		}
		none := AppendPacket(nil, Ack, nil)
		if p.Command == Transmit {
			none = AppendPacket(nil, Error, []byte("0x80100066"))
		}
		w.send(none, Status)
	}
}

func (w *world) answer(p Packet) []byte {
	switch p.Command {
	case PowerOff:
		w.handle = 0
	case PowerOn, Transmit:
		if w.handle == 0 {
			w.handle = w.card
		}
	}
	switch {
	case p.Command == Status && w.card != 0:
		return AppendPacket(nil, Ack, atrOfCard(w.card))
	case p.Command == Transmit && (w.card == 0 || w.card != w.handle):
		return AppendPacket(nil, Error, []byte("0x80100069"))
	case p.Command == Transmit && w.chance(3):
		return AppendPacket(nil, Error, []byte("invalid_relay_packet"))
	case p.Command == Transmit:
		return AppendPacket(nil, Ack, append(append([]byte{w.card}, p.Payload...), 0x90, 0x00))
	}
	return AppendPacket(nil, Ack, nil)
}

// send puts an answer on its way. A TRANSMIT may take up to twice its timeout, which is what the machine promises for while
// there is one viewer.
func (w *world) send(packet []byte, c Command) {
	delay := time.Duration(w.random.IntN(50)) * time.Millisecond
	if c == Transmit && w.others == 0 && w.m.viewers == 1 && w.chance(5) {
		delay = time.Duration(w.random.IntN(239)) * time.Second
	}
	w.way = append(w.way, late{w.now.Add(delay), packet})
	if w.chance(1) {
		w.way = append(w.way, late{w.now.Add(delay), packet[:len(packet)-1]}, late{w.now.Add(delay), []byte{0x10, 6}})
	}
}

// reply checks what vpcd is told.
func (w *world) reply(frame []byte) {
	w.t.Helper()
	data, err := readFrame(bytes.NewReader(frame), make([]byte, MaxPayload))
	if err != nil || len(frame) != frameHeader+len(data) {
		w.t.Fatalf("vpcd gets %x: %v", frame, err)
	}
	if !w.connected {
		w.t.Fatalf("a reply without a connection: %x", data)
	}
	switch {
	case w.apdu == 0: // to a get ATR
		if !isATR(data) || w.shown != 0 && w.shown != data[2] {
			w.t.Fatalf("card %d was shown, and now ATR %x", w.shown, data)
		}
		w.shown = data[2]
	case bytes.Equal(data, noDiagnosis[:]), bytes.Equal(data, wrongLength[:]) && len(w.frame) < minAPDU:
		w.apdu = 0
	default:
		want := append(append([]byte{data[0]}, w.frame...), 0x90, 0x00)
		if !bytes.Equal(data, want) {
			w.t.Fatalf("APDU %x gets the response of another one: %x", w.frame, data)
		}
		if w.answering != 0 && w.answering != data[0] {
			w.t.Fatalf("card %d answered before, and now card %d", w.answering, data[0])
		}
		w.answering = data[0]
		w.apdu = 0
		w.exchanges++
	}
}

// step does one thing at random.
func (w *world) step() {
	switch n := w.random.IntN(1000); {
	case n < 3:
		w.far, w.agent, w.way, w.asked = true, w.chance(50), nil, 0
		w.event("far end comes", func() []action { return w.m.FarUp(w.now, w.agent) })
	case n < 5:
		w.far, w.way, w.asked = false, nil, 0
		w.event("far end goes", func() []action { return w.m.FarDown(w.now, false) })
	case n < 15:
		w.browser = !w.chance(20)
	case n < 25:
		if len(w.way) == 0 { // what the card was asked before is answered by it
			w.card = byte(w.random.IntN(4))
		}
	case n < 30:
		if w.apdu == 0 && !w.agent { // another viewer comes or goes while nothing is exchanged
			w.others = w.random.IntN(2)
		}
	case n < 40 && w.connected:
		w.connected, w.apdu = false, 0
		w.event("vpcd is lost", func() []action { return w.m.ReaderDown(w.now) })
	case n < 300 && w.wanted && !w.connected:
		w.connected, w.shown, w.answering, w.apdu = true, 0, 0, 0
		w.session++
		w.event("vpcd connects", func() []action { return w.m.ReaderUp(w.now) })
	case n < 700 && w.connected && w.m.AcceptsFrame() && w.apdu == 0:
		w.vpcd()
	default:
		w.pass()
	}
}

func (w *world) vpcd() {
	switch n := w.random.IntN(10); {
	case n < 2:
		control := byte(w.random.IntN(3))
		if control != vpcdOn {
			w.answering = 0
		}
		w.event("on, off, reset", func() []action { return w.m.Frame(w.now, []byte{control}) })
	case n < 4:
		w.event("get ATR", func() []action { return w.m.Frame(w.now, []byte{vpcdATR}) })
	default:
		w.apdu++
		w.frame = binary.BigEndian.AppendUint32([]byte{0, 0xB0, 0, 0}, w.session<<16|w.random.Uint32()&0xFFFF)
		if w.chance(5) {
			w.frame = w.frame[:2+w.random.IntN(2)] // too short
		}
		w.event("APDU", func() []action { return w.m.Frame(w.now, w.frame) })
	}
}

// pass lets time pass until the next answer arrives or the timer fires.
func (w *world) pass() {
	due := w.m.Deadline()
	slices.SortStableFunc(w.way, func(a, b late) int { return a.at.Compare(b.at) })
	if len(w.way) > 0 && (due.IsZero() || !w.way[0].at.After(due)) {
		next := w.way[0]
		w.way = w.way[1:]
		w.now = maxTime(w.now, next.at)
		if w.far {
			w.asked = 0 // whatever it was: the machine may believe it
			w.event("packet", func() []action { return w.m.Packet(w.now, next.packet) })
		}
		return
	}
	if due.IsZero() {
		w.now = w.now.Add(time.Second)
		return
	}
	w.now = maxTime(w.now, due)
	w.event("time", func() []action { return w.m.Tick(w.now) })
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Random events of both sides: the machine keeps to the table, asks one thing at a time, never tells vpcd what
// another card or another APDU was answered, and never leaves it with an empty message.
func TestModel(t *testing.T) {
	rows := table(t)
	rare := rareTransitions()
	exchanges, seen := 0, map[[3]string]bool{}
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := newRig(t)
			w := &world{t: t, random: rand.New(rand.NewPCG(seed, 7)), table: rows, m: r.m, now: r.now, browser: true, seen: seen}
			for range 3000 {
				w.step()
			}
			exchanges += w.exchanges
		})
	}
	if exchanges < 10000 {
		t.Errorf("only %d exchanges in all: the model tests little", exchanges)
	}
	for row, next := range rows {
		for _, state := range next {
			if came := [3]string{row[0], row[1], state}; !seen[came] && rare[came] == nil {
				t.Errorf("%s, %s: became never %s, which the table has", row[0], row[1], state)
			}
		}
	}
}

// rareTransitions are those that chance hardly comes to: what leads to each, the last being its event.
func rareTransitions() map[[3]string]func(*rig) {
	twoViewers := func(r *rig) {
		r.ack() // another one's answer of the last request
		r.wait(time.Second)
		r.ack(atrB...) // a new card in the one; the other has left
	}
	return map[[3]string]func(*rig){
		{"powered", "time", "in doubt"}: func(r *rig) {
			r.frame(apdu...)
			r.keep(r.m.ReaderDown(r.now))
			r.keep(r.m.ReaderUp(r.now))
			r.frame(vpcdOn)
			r.now = r.m.Deadline()
		},
		{"powered", "time", "card present"}: func(r *rig) {
			twoViewers(r)
			r.now = r.m.Deadline()
		},
		{"exchanging", "time", "card present"}: func(r *rig) {
			twoViewers(r)
			r.frame(apdu...)
			r.now = r.m.Deadline()
		},
	}
}

func TestRareTransitions(t *testing.T) {
	for row, lead := range rareTransitions() {
		t.Run(strings.Join(row[:], ", "), func(t *testing.T) {
			r := newRig(t)
			r.insert(false)
			lead(r)
			if got := r.m.State().String(); got != row[0] {
				t.Fatalf("state %s, want %s", got, row[0])
			}
			r.keep(r.m.Tick(r.now))
			if got := r.m.State().String(); got != row[2] {
				t.Errorf("became %s, want %s", got, row[2])
			}
		})
	}
}
