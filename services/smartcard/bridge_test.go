package smartcard

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
)

func TestThousandATRsAskNobody(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(card(atrA, echo))
		v := h.reader()
		before := h.relay.count(Status)
		for range 1000 {
			v.ask(atrA, vpcdATR)
		}
		if n := h.relay.count(Status); n != before {
			t.Errorf("%d questions to the browser", n-before)
		}
	})
}

func TestBytewiseAndLongest(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(card(atrA, func(apdu []byte) []byte { return apdu }))
		v := h.reader()
		long := bytes.Repeat([]byte{0, 0xA4, 1}, MaxPayload/3)
		go func() {
			for _, b := range appendFrame(appendFrame(nil, []byte{vpcdOn}), long) {
				_, _ = v.conn.Write([]byte{b})
			}
		}()
		if got := v.get(); !bytes.Equal(got, long) {
			t.Errorf("%d bytes came back, want %d", len(got), len(long))
		}
	})
}

// Fifty APDUs at once, as when a desktop looks at a new card, are answered in order.
func TestFiftyAPDUsInOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(card(atrA, echo))
		v := h.reader()
		go func() {
			for i := range 50 {
				v.send(0, 0xA4, 0, byte(i))
			}
		}()
		for i := range 50 {
			if want := echo([]byte{0, 0xA4, 0, byte(i)}); !bytes.Equal(v.get(), want) {
				t.Fatalf("answer %d is not the one of APDU %d", i, i)
			}
		}
	})
}

func TestSlowPIN(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(func(p Packet) (time.Duration, []byte) {
			_, answer := card(atrA, echo)(p)
			if p.Command == Transmit {
				return 45 * time.Second, answer
			}
			return 0, answer
		})
		v := h.reader()
		v.ask([]byte{0, 0x20, 0, 1, 0x90, 0}, 0, 0x20, 0, 1)
	})
}

// A far end that answers everything 45 s late may be seen with a card now and then, but no APDU gets another one's response.
func TestEverythingLate(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(func(p Packet) (time.Duration, []byte) {
			_, answer := card(atrA, echo)(p)
			return 45 * time.Second, answer
		})
		id := byte(0)
		for end := time.Now().Add(3 * time.Hour); time.Now().Before(end); id++ {
			select {
			case conn := <-h.vpcd.conns:
				v := &vpcdSide{t, conn}
				v.send(0, 0xB0, 0, id)
				got, err := readFrame(conn, make([]byte, MaxPayload))
				if err == nil && !bytes.Equal(got, echo([]byte{0, 0xB0, 0, id})) {
					t.Errorf("APDU %d gets %X", id, got)
				}
				_ = conn.Close()
			case <-time.After(time.Minute):
			}
		}
	})
}

func TestVpcdVanishesDuringAnExchange(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(func(p Packet) (time.Duration, []byte) {
			_, answer := card(atrA, echo)(p)
			if p.Command == Transmit && p.Payload[1] == 0x20 {
				return 10 * time.Second, answer
			}
			return 0, answer
		})
		v := h.reader()
		v.send(0, 0x20, 0, 1)
		time.Sleep(2 * time.Second)
		_ = v.conn.Close()
		v = h.reader() // at once, not after the exchange
		v.ask(atrA, vpcdATR)
		v.ask([]byte{0, 0xB0, 0, 2, 0x90, 0}, 0, 0xB0, 0, 2)
	})
}

// vpcd that is not there is tried for ever, about once a second, and without a word.
func TestVpcdIsAwayForAnHour(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(card(atrA, echo))
		time.Sleep(time.Hour)
		if r := h.svc.Report().(Report); r.Reader != "connecting" || r.ReaderError == "" || r.Advice == "" {
			t.Errorf("report %+v", r)
		}
		begin := time.Now()
		h.reader().ask(atrA, vpcdATR)
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("connected after %v", took)
		}
		if n := strings.Count(h.log.all(), "\n"); n > 10 {
			t.Errorf("%d lines:\n%s", n, h.log.all())
		}
	})
}

// A vpcd that throws every connection out is not tried in a busy loop.
func TestVpcdThatClosesAtOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(card(atrA, echo))
		tries := 0
		for end := time.Now().Add(time.Minute); time.Now().Before(end); tries++ {
			_ = h.reader().conn.Close()
		}
		if tries > 80 {
			t.Errorf("%d connections in a minute", tries)
		}
	})
}

// A day without anybody, and one with a browser and no card.
func TestIdleDays(t *testing.T) {
	for name, answer := range map[string]func(Packet) (time.Duration, []byte){
		"nobody": nil, "no card": card(nil, echo),
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.relay.set(answer)
				time.Sleep(24 * time.Hour)
				if n := strings.Count(h.log.all(), "\n"); n > 10 {
					t.Errorf("%d lines", n)
				}
				if n := h.relay.count(Status) + h.relay.count(Initialize); n > 24*3600+10 {
					t.Errorf("%d questions", n)
				}
			})
		})
	}
}

// What is to be done is about now, not about what once went wrong.
func TestAdvice(t *testing.T) {
	inHouse(t, func(h *house) {
		advice := func(word string) {
			t.Helper()
			if r := h.svc.Report().(Report); !strings.Contains(r.Advice, word) || word == "" && r.Advice != "" {
				t.Errorf("advice %q in state %s, want %q", r.Advice, r.State, word)
			}
		}
		time.Sleep(20 * time.Second)
		advice("extension")
		h.relay.set(card(atrA, echo))
		v := h.reader()
		v.ask(atrA, vpcdATR)
		advice("")
		h.relay.set(func(p Packet) (time.Duration, []byte) {
			if p.Command == Transmit {
				return 0, AppendPacket(nil, Error, []byte("SCARD_W_REMOVED_CARD 0x80100069"))
			}
			return 0, AppendPacket(nil, Ack, nil)
		})
		v.send(apdu...)
		time.Sleep(5 * time.Second)
		advice("Insert the card again")
		time.Sleep(5 * time.Minute)
		advice("native part")
		h.relay.set(nil)
		time.Sleep(time.Minute)
		advice("browser")
	})
}

func TestNothingSecretInTheLog(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(card(atrA, func([]byte) []byte { return []byte("SECRET-OF-THE-CARD\x90\x00") }))
		v := h.reader()
		v.send([]byte("\x00\x20\x00\x81\x081234SECRET")...)
		_ = v.get()
		h.relay.set(func(p Packet) (time.Duration, []byte) { return 0, AppendPacket(nil, Error, []byte("SECRET")) })
		v.send(0, 0xB0, 0, 0)
		_ = v.get()
		time.Sleep(time.Minute)
		for _, secret := range []string{"SECRET", "1234", fmt.Sprintf("%X", "SECRET"), fmt.Sprintf("%x", "SECRET"), "3b65", "3B65"} {
			if strings.Contains(h.log.all(), secret) {
				t.Errorf("%q in the log:\n%s", secret, h.log.all())
			}
		}
	})
}

func TestRelayComesAndGoes(t *testing.T) {
	inHouse(t, func(h *house) {
		h.relay.set(card(atrA, echo))
		for range 50 {
			v := h.reader()
			v.ask(atrA, vpcdATR)
			h.relay.mu.Lock()
			h.relay.absent = true
			h.relay.mu.Unlock()
			if _, err := io.ReadAll(v.conn); err != nil {
				t.Fatal(err)
			}
			h.relay.mu.Lock()
			h.relay.absent = false
			h.relay.mu.Unlock()
		}
	})
}

func TestPanicEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc, err := New(Config{Relay: "/tmp/smartcard", VpcdAddr: "192.0.2.1:35963", Poll: time.Second, Timeout: time.Minute}, testkit.Env(t))
		if err != nil {
			t.Fatal(err)
		}
		svc.newTimer = newBubbleTimer
		svc.openRelay = func(func([]byte)) (relayLink, error) { return panicking{&fakeRelay{asked: map[Command]int{}}}, nil }
		err = svc.Run(t.Context(), func() {})
		if _, ok := errors.AsType[*service.PanicError](err); !ok {
			t.Errorf("Run: %v", err)
		}
	})
}

type panicking struct{ *fakeRelay }

func (panicking) TrySend([]byte) error { panic("boom") }
