package smartcard

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// kasmClient answers as KasmVNC's client does, whose source says what it remembers: it asks the card at a STATUS, but not
// within a second of the last time, nor of a TRANSMIT, and forgets the card at a POWER_OFF. It connects to the card once, and
// keeps the connection until a POWER_OFF, whatever becomes of the card.
type kasmClient struct {
	card        []byte // nil: none
	handle      []byte // the card that it is connected to
	atr         []byte // what it remembers
	refreshed   time.Time
	transmitted time.Time
}

func (c *kasmClient) answer(now time.Time, p Packet) []byte {
	switch p.Command {
	case Status:
		if now.Sub(c.refreshed) >= time.Second && now.Sub(c.transmitted) >= time.Second {
			c.atr, c.refreshed = c.card, now
		}
		return AppendPacket(nil, Ack, c.atr)
	case PowerOn, Transmit:
		if c.handle == nil {
			c.handle = c.card
		}
		switch {
		case c.handle == nil:
			return AppendPacket(nil, Error, []byte("0x8010000C"))
		case p.Command == PowerOn:
		case !sameCard(c.handle, c.card):
			c.transmitted = time.Time{}
			return AppendPacket(nil, Error, []byte("0x80100069"))
		default:
			c.transmitted = now
			return AppendPacket(nil, Ack, []byte{0x90, 0x00})
		}
	case PowerOff:
		c.atr, c.handle = nil, nil
	}
	return AppendPacket(nil, Ack, nil)
}

// sameCard reports whether the two are one card: every insertion has an ATR of its own in memory.
func sameCard(a, b []byte) bool { return len(a) > 0 && len(b) > 0 && &a[0] == &b[0] }

// scene is a machine and a client, with a network between them that takes its time.
type scene struct {
	*rig
	client  kasmClient
	delay   time.Duration // one way
	onWay   []byte        // a packet that arrives at arrives
	toward  bool          // it goes to the client
	arrives time.Time
	told    []byte    // what vpcd was told last
	lost    time.Time // when the reader was last told that the card is gone
}

func newScene(t *testing.T, poll, delay time.Duration) *scene {
	s := &scene{rig: newRig(t), client: kasmClient{card: atrA}, delay: delay}
	s.m.timing.poll = poll
	s.act(s.m.FarUp(s.now, false))
	s.pass(3 * time.Second)
	if s.m.atr == nil {
		t.Fatal("the card is not seen")
	}
	return s
}

func (s *scene) act(todo []action) {
	for _, a := range todo {
		switch a.kind {
		case toFar:
			s.onWay, s.toward, s.arrives = append([]byte{}, a.data...), true, s.now.Add(s.delay)
		case connect:
			s.act(s.m.ReaderUp(s.now))
		case toReader:
			s.told = append([]byte{}, a.data[frameHeader:]...)
		case disconnect:
			s.lost = s.now
		}
	}
}

// pass lets time pass.
func (s *scene) pass(d time.Duration) {
	for end := s.now.Add(d); ; {
		arrival, due := s.onWay != nil, s.m.Deadline()
		at := due
		if arrival && s.arrives.Before(due) {
			at = s.arrives
		}
		if at.After(end) {
			s.now = end
			return
		}
		s.now = maxTime(s.now, at)
		switch {
		case at != s.arrives || !arrival:
			s.act(s.m.Tick(s.now))
		case s.toward:
			p, err := Decode(s.onWay)
			if err != nil {
				s.t.Fatal(err)
			}
			s.onWay, s.toward, s.arrives = s.client.answer(s.now, p), false, s.now.Add(s.delay)
		default:
			packet := s.onWay
			s.onWay = nil
			s.act(s.m.Packet(s.now, packet))
		}
	}
}

// vpcd sends a message when its turn has come.
func (s *scene) vpcd(data ...byte) {
	for !s.m.AcceptsFrame() {
		s.pass(s.delay)
	}
	if s.m.connected {
		s.act(s.m.Frame(s.now, data))
	}
}

// A card that stays is never taken for removed, whatever vpcd wants of it and when.
func TestCardThatStaysIsNotTakenForRemoved(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 11))
		poll := []time.Duration{minPoll, 300 * time.Millisecond, time.Second}[random.IntN(3)]
		s := newScene(t, poll, time.Duration(1+random.IntN(40))*time.Millisecond)
		for range 200 {
			switch random.IntN(5) {
			case 0:
				s.vpcd(vpcdOff)
			case 4:
				s.m.pollAt = s.now // whatever makes it ask: it must not believe too much
				s.act(s.m.Tick(s.now))
			case 1:
				s.vpcd(byte(random.IntN(3)))
			default:
				s.vpcd(apdu...)
			}
			s.pass(time.Duration(random.IntN(1+1<<random.IntN(12))) * time.Millisecond)
			if !s.lost.IsZero() {
				t.Fatalf("seed %d: the card was taken for removed", seed)
			}
		}
	}
}

// A removal is seen when the client next asks its card, a second after the last APDU, also when pcscd powers the card
// off meanwhile; and of a card that is not used at the next STATUS.
func TestRemovalIsSeenAsSoonAsTheClientAsks(t *testing.T) {
	const delay = 5 * time.Millisecond
	for _, poll := range []time.Duration{minPoll, time.Second} {
		for _, powerOff := range []time.Duration{0, 10 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond, 950 * time.Millisecond} {
			t.Run(fmt.Sprint("poll ", poll, ", power off after ", powerOff), func(t *testing.T) {
				s := newScene(t, poll, delay)
				s.vpcd(apdu...)
				s.pass(2 * delay)
				used := s.now
				s.client.card = nil
				if powerOff > 0 {
					s.pass(powerOff)
					s.vpcd(vpcdOff)
				}
				s.pass(2 * time.Second)
				if took := s.lost.Sub(used); s.lost.IsZero() || took > clientCache+4*delay {
					t.Errorf("seen %v after the last APDU", took)
				}
			})
		}
		s := newScene(t, poll, delay)
		s.client.card = nil
		removed := s.now
		s.pass(2 * time.Second)
		if took := s.lost.Sub(removed); s.lost.IsZero() || took > time.Second+poll+2*delay {
			t.Errorf("poll %v: a card that is not used: seen %v after its removal", poll, took)
		}
	}
}

// What is in the reader after a removal can be used at once, though the client was connected to what was there before.
func TestTheNextCardIsUsedAtOnce(t *testing.T) {
	for name, next := range map[string][]byte{"the same card": bytes.Clone(atrA), "another card": bytes.Clone(atrB)} {
		for _, away := range []time.Duration{0, 200 * time.Millisecond, 3 * time.Second} {
			t.Run(fmt.Sprint(name, " after ", away), func(t *testing.T) {
				s := newScene(t, time.Second, 5*time.Millisecond)
				s.vpcd(vpcdOn)
				s.vpcd(apdu...)
				s.pass(100 * time.Millisecond)
				s.client.card = nil
				s.pass(away)
				s.client.card = next
				if away < time.Second && bytes.Equal(next, atrA) {
					s.vpcd(apdu...) // finds out that it is not the card that it was
				}
				s.pass(3 * time.Second)
				if s.lost.IsZero() {
					t.Fatal("nothing was seen of the removal")
				}
				s.lost = time.Time{}
				s.vpcd(vpcdOn)
				s.vpcd(apdu...)
				s.pass(time.Second)
				if !s.lost.IsZero() || !bytes.Equal(s.told, []byte{0x90, 0x00}) {
					t.Errorf("vpcd is told %X, and lost the card: %v", s.told, !s.lost.IsZero())
				}
			})
		}
	}
}
