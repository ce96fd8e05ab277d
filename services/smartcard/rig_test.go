package smartcard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ghostaux/pkg/metrics"
	"ghostaux/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.LeakGate(m) }

var (
	atrA = []byte{0x3B, 0x65, 0x00, 0x00, 0x20, 0x63, 0xCB, 0x90, 0x00}
	atrB = []byte{0x3B, 0x02, 0x14, 0x50}
)

// rig drives a machine by hand and keeps what it wanted done, in words.
type rig struct {
	t   *testing.T
	m   *machine
	now time.Time
	did []string
}

func newRig(t *testing.T) *rig {
	return &rig{
		t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		m: newMachine(timing{poll: time.Second, transmit: 120 * time.Second}, newCounters(metrics.New())),
	}
}

func (r *rig) keep(todo []action) {
	for _, a := range todo {
		switch a.kind {
		case toFar:
			r.did = append(r.did, strings.TrimSpace(fmt.Sprintf("%v %X", Command(a.data[0]), a.data[packetHeader:])))
		case toReader:
			r.did = append(r.did, fmt.Sprintf("reply %X", a.data[frameHeader:]))
		case connect:
			r.did = append(r.did, "connect")
		case disconnect:
			r.did = append(r.did, "disconnect")
		case resetChannel:
			r.did = append(r.did, "reset channel")
		}
	}
}

// want checks what was done since the last call.
func (r *rig) want(state State, did ...string) {
	r.t.Helper()
	if got, want := strings.Join(r.did, "; "), strings.Join(did, "; "); got != want {
		r.t.Fatalf("did %q, want %q", got, want)
	}
	if r.m.State() != state {
		r.t.Fatalf("state is %q, want %q", r.m.State(), state)
	}
	r.did = nil
}

func (r *rig) ack(payload ...byte) { r.keep(r.m.Packet(r.now, AppendPacket(nil, Ack, payload))) }
func (r *rig) fail(text string)    { r.keep(r.m.Packet(r.now, AppendPacket(nil, Error, []byte(text)))) }
func (r *rig) frame(b ...byte)     { r.keep(r.m.Frame(r.now, b)) }

// wait lets time pass, and the timer fire whenever it is due.
func (r *rig) wait(d time.Duration) {
	end := r.now.Add(d)
	for {
		due := r.m.Deadline()
		if due.IsZero() || due.After(end) {
			r.now = end
			return
		}
		if due.After(r.now) {
			r.now = due
		}
		r.keep(r.m.Tick(r.now))
	}
}

// insert brings the rig from nothing to a card in the reader, powered.
func (r *rig) insert(agent bool) {
	r.t.Helper()
	r.keep(r.m.FarUp(r.now, agent))
	r.want(NoBrowser, "initialize")
	r.ack()
	r.want(NoCard, "status")
	r.ack(atrA...)
	r.want(CardPresent, "connect")
	r.keep(r.m.ReaderUp(r.now))
	r.frame(vpcdOn)
	r.want(Powered, "power_on")
	r.ack()
	r.frame(vpcdATR)
	r.want(Powered, fmt.Sprintf("reply %X", atrA))
}

var apdu = []byte{0x00, 0xA4, 0x04, 0x00}
