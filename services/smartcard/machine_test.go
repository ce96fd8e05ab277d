package smartcard

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestExchange(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.frame(apdu...)
	r.want(Exchanging, "transmit 00A40400")
	r.wait(100 * time.Second) // a PIN is being typed; nothing else is asked meanwhile
	r.want(Exchanging)
	r.ack(0x90, 0x00)
	r.want(Powered, "reply 9000")
}

func TestPowerIsNotAnsweredAndOnlyTheLastWishCounts(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.frame(vpcdOff)
	r.want(CardPresent, "power_off")
	for range 100 {
		r.frame(vpcdOn)
		r.frame(vpcdReset)
		r.frame(vpcdOff)
	}
	r.frame(vpcdReset)
	r.frame(vpcdOn)
	r.want(Powered)
	r.ack()
	r.want(Powered, "reset")
	r.frame(apdu...)
	r.ack()
	r.want(Exchanging, "power_off")
	r.ack()
	r.want(Exchanging, "power_on")
	r.ack()
	r.want(Exchanging, "transmit 00A40400")
}

func TestATRIsAnsweredWithoutAsking(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	for range 1000 {
		r.frame(vpcdATR)
		r.want(Powered, fmt.Sprintf("reply %X", atrA))
	}
}

func TestShortAPDUs(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	for _, b := range [][]byte{{3}, {5}, {0xFF}, {0, 0xA4}, {0, 0xA4, 4}} {
		r.frame(b...)
		r.want(Powered, "reply 6700")
	}
}

func TestLongestAPDUAndResponse(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	long := bytes.Repeat([]byte{1, 2, 3}, MaxPayload/3)
	r.frame(long...)
	r.want(Exchanging, fmt.Sprintf("transmit %X", long))
	r.ack(long...)
	r.want(Powered, fmt.Sprintf("reply %X", long))
	r.frame(apdu...)
	r.keep(r.m.Packet(r.now, append([]byte{0x80, 0, 2}, make([]byte, 65538)...)))
	r.want(Powered, "transmit 00A40400", "reply 6700")
}

func TestErrors(t *testing.T) {
	for text, reply := range map[string]string{
		"invalid_relay_packet": "reply 6F00", "0x80100066": "reply 6F00", "": "reply 6F00",
		"SCARD 0x80100069": "disconnect", "0x8010000C": "disconnect", "0x80100068": "disconnect",
	} {
		t.Run(text, func(t *testing.T) {
			r := newRig(t)
			r.insert(false)
			r.frame(apdu...)
			r.want(Exchanging, "transmit 00A40400")
			r.fail(text)
			r.want(Exchanging) // another viewer may have the card
			r.wait(errorHold)
			if reply == "disconnect" {
				r.want(NoCard, reply)
			} else {
				r.want(Powered, reply)
			}
			r.wait(settle)
			if reply == "disconnect" { // the browser is still connected to what is gone
				r.want(NoCard, "power_off")
				r.fail("SCARD_E_INVALID_HANDLE") // no news
			}
			r.did = nil
			r.wait(300 * time.Millisecond)
			if len(r.did) != 1 || r.did[0] != "status" {
				t.Errorf("did %q, want a status", r.did)
			}
			if tt := r.m.trouble; tt.Text == "" || tt.Advice == "" || strings.Contains(tt.Text, "INVALID_HANDLE") {
				t.Errorf("trouble is %q, %q", tt.Text, tt.Advice)
			}
		})
	}
}

func TestRemovalAndAnotherCard(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.wait(time.Second)
	r.want(Powered, "status")
	r.ack(atrB...)
	r.want(CardPresent, "disconnect", "connect", "power_off") // the far end is connected to the old one
	r.ack()
	r.keep(r.m.ReaderUp(r.now))
	r.frame(vpcdATR)
	r.want(CardPresent, fmt.Sprintf("reply %X", atrB))
	r.wait(clientCache)
	r.want(CardPresent, "status")
	r.ack()
	r.want(NoCard, "disconnect")
	r.frame(vpcdATR)
	r.frame(apdu...)
	r.want(NoCard)
}

func TestWaitingAPDUOfTheOldCardIsNotSentToTheNew(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.wait(time.Second)
	r.frame(apdu...) // waits for the answer of the STATUS
	r.want(Exchanging, "status")
	r.ack(atrB...)
	r.want(CardPresent, "disconnect", "connect", "power_off")
	r.ack()
	r.want(CardPresent)
}

// A POWER_OFF makes the far end forget the card, until it asks it again: a second after it has asked last, or passed an APDU on.
func TestEmptyStatusAfterPowerOffIsNoRemoval(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.wait(900 * time.Millisecond)
	r.frame(vpcdOff)
	r.want(CardPresent, "power_off")
	r.ack()
	r.wait(clientCache - 900*time.Millisecond)
	r.want(CardPresent, "status") // late enough
	r.ack(atrA...)
	r.want(CardPresent)

	r.frame(apdu...)
	r.ack(0x90, 0x00)
	r.frame(vpcdOff)
	r.ack()
	r.m.pollAt = r.now // something else makes it ask too early
	r.keep(r.m.Tick(r.now))
	r.did = nil
	r.ack()
	r.want(CardPresent)
	r.wait(clientCache)
	r.want(CardPresent, "status")
	r.ack()
	r.want(NoCard, "disconnect")
}

func TestLateAnswersAreNotTakenForTheNext(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.frame(apdu...)
	r.want(Exchanging, "transmit 00A40400")
	r.wait(120 * time.Second)
	r.want(InDoubt, "disconnect", "status")
	r.ack(0x6A, 0x82) // of the TRANSMIT, while a STATUS is asked: the doubt is over
	r.want(NoCard)
	if got := r.m.metrics.discards[stale].Get(); got != 1 {
		t.Errorf("%v discarded as stale, want 1", got)
	}
	r.ack(atrA...) // after a silence: says only that somebody is there
	r.want(NoCard)
	r.wait(settle)
	r.want(NoCard, "power_off")
	r.ack()
	r.wait(clientCache)
	r.want(NoCard, "status")
	r.ack(atrA...)
	r.want(CardPresent, "connect")
}

func TestDoubtEndsByTime(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.frame(apdu...)
	r.wait(120 * time.Second)
	r.ack(atrA...)
	r.wait(settle)
	r.ack()
	r.did = nil
	answer := func(seconds int) {
		for range seconds {
			r.wait(time.Second)
			if r.m.request.command == Status {
				r.ack(atrA...)
			}
		}
	}
	answer(100) // the browser shows the card, and it is not offered
	if r.m.State() != InDoubt || strings.Contains(strings.Join(r.did, " "), "connect") {
		t.Fatalf("state %v, did %q", r.m.State(), r.did)
	}
	answer(20)
	if r.m.State() != CardPresent {
		t.Fatalf("state %v, want a card", r.m.State())
	}
}

func TestDuplicatesOfTwoViewers(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.wait(time.Second)
	r.ack(atrA...)
	r.want(Powered, "status")
	r.ack() // another viewer, without a card
	r.want(Powered)
	if r.m.viewers != 2 {
		t.Fatalf("%d viewers, want 2", r.m.viewers)
	}
	r.frame(apdu...)
	r.fail("0x8010000C") // the other viewer is first: the one with the card is waited for
	r.want(Exchanging, "transmit 00A40400")
	r.ack(0x90, 0x00)
	r.want(Powered, "reply 9000")
	r.frame(apdu...)
	r.ack(0x61, 0x10)
	r.want(Powered, "transmit 00A40400", "reply 6110")
}

func TestErrorOfANewViewerIsNotTheCards(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.frame(apdu...)
	r.fail("0x8010000C") // of somebody who has just come, and has no card
	r.want(Exchanging, "transmit 00A40400")
	r.wait(100 * time.Millisecond)
	r.ack(0x90, 0x00)
	r.want(Powered, "reply 9000")
	if r.m.viewers != 2 {
		t.Errorf("%d viewers, want 2", r.m.viewers)
	}
}

func TestSecondAnswersDoNotReachTheNextAPDU(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.wait(time.Second)
	r.ack(atrA...)
	r.ack(atrA...) // two viewers, each with the card
	r.want(Powered, "status")
	r.frame(apdu...)
	r.ack(0x90, 0x01)
	r.want(Powered, "transmit 00A40400", "reply 9001")
	r.frame(apdu...)
	r.want(Exchanging) // not before the other has answered
	r.ack(0x90, 0x01)
	r.want(Exchanging, "transmit 00A40400")
	r.ack(0x90, 0x02)
	r.want(Powered, "reply 9002")
	r.frame(apdu...)
	r.want(Exchanging)
	r.wait(shortTimeout) // it has left
	r.want(Exchanging, "transmit 00A40400")
	r.ack(0x90, 0x03)
	r.want(Powered, "reply 9003")
	if r.m.viewers != 1 {
		t.Errorf("%d viewers, want 1", r.m.viewers)
	}
}

func TestReloadKeepsTheCard(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.wait(time.Second)
	r.want(Powered, "status")
	r.wait(shortTimeout) // lost with the page
	r.want(Powered)
	r.wait(time.Second)
	r.want(Powered, "status")
	r.ack(atrA...)
	r.want(Powered)
	r.wait(settle)
	r.want(Powered, "status")
	r.ack(atrA...)
	r.want(Powered)
}

func TestNobodyAnswers(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.wait(20 * time.Second)
	r.want(NoBrowser, "status", "status", "disconnect", "initialize", "status")
	r.wait(24 * time.Hour)
	if n := len(r.did); n > 24*3600/8+10 {
		t.Errorf("%d questions in a day that nobody answers", n)
	}
	r.did = nil
	for r.m.request.command == 0 {
		r.wait(time.Second)
	}
	r.ack()
	if r.m.State() != NoCard {
		t.Errorf("state %v after an answer", r.m.State())
	}
}

func TestPcscdRestartsDuringAnExchange(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.frame(apdu...)
	r.want(Exchanging, "transmit 00A40400")
	r.keep(r.m.ReaderDown(r.now))
	r.want(CardPresent, "connect")
	r.keep(r.m.ReaderUp(r.now))
	r.frame(vpcdOn)
	r.frame(vpcdATR)
	r.frame(0, 0xB0, 0, 0)
	r.want(Exchanging, fmt.Sprintf("reply %X", atrA))
	r.ack(0x11, 0x90, 0x00) // of the old pcscd
	r.want(Exchanging, "power_off")
	r.ack()
	r.want(Exchanging, "power_on")
	r.ack()
	r.want(Exchanging, "transmit 00B00000")
	r.ack(0x22, 0x90, 0x00)
	r.want(Powered, "reply 229000")
}

func TestAgent(t *testing.T) {
	r := newRig(t)
	r.insert(true)
	r.frame(apdu...)
	r.want(Exchanging, "transmit 00A40400")
	r.wait(120 * time.Second)
	r.want(NoCard, "disconnect", "reset channel")
	r.keep(r.m.FarDown(r.now, true))
	r.want(NoRelay)
}

func TestRelayThatOwesAnAnswerIsInDoubtAfterTheAgent(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.frame(apdu...)
	r.keep(r.m.FarDown(r.now, true))
	r.want(NoRelay, "transmit 00A40400", "disconnect")
	r.insert(true)
	r.keep(r.m.FarDown(r.now, true))
	r.keep(r.m.FarUp(r.now, false))
	r.did = nil
	r.ack()
	if r.m.State() != InDoubt {
		t.Errorf("state %v, want in doubt", r.m.State())
	}
}

func TestFarEndThatDoesNotKnowInitialize(t *testing.T) {
	r := newRig(t)
	r.keep(r.m.FarUp(r.now, false))
	for range 60 {
		r.wait(time.Second)
		if r.m.request.command == Status {
			r.ack(atrA...)
		}
	}
	if r.m.State() != CardPresent {
		t.Errorf("state %v, did %q", r.m.State(), r.did)
	}
}

func TestAnotherVersion(t *testing.T) {
	r := newRig(t)
	r.insert(false)
	r.keep(r.m.Packet(r.now, []byte{0x10, 0x06, 0xFF, 0, 0, 0, 0}))
	r.want(Powered)
	if !strings.Contains(r.m.trouble.Text, "version") {
		t.Errorf("trouble %q", r.m.trouble.Text)
	}
}
