package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
	"ghostaux/services/smartcard"
	"ghostaux/services/smartcard/pcsc"
)

// Two cards with T=1, which every PC/SC program can tell apart.
var (
	atrOne = []byte{0x3B, 0x80, 0x80, 0x01, 0x01}
	atrTwo = []byte{0x3B, 0x81, 0x80, 0x01, 0x42, 0x42}
)

// farCard is a scripted far end: a browser's card extension, without the browser.
type farCard struct {
	mu      sync.Mutex // guards the following fields
	atr     []byte     // nil: no card
	answers func(apdu []byte) []byte
	apdus   int
	power   []smartcard.Command
}

// response is what the card answers to an APDU: as many bytes as Le of a short one says, or bytes 4 and 5 of a longer one.
func response(apdu []byte) []byte {
	n := 0
	switch {
	case len(apdu) == 5:
		n = int(apdu[4])
	case len(apdu) > 5:
		n = int(apdu[4])<<8 | int(apdu[5])
	}
	sum := sha256.Sum256(apdu)
	b := bytes.Repeat(sum[:], n/len(sum)+1)[:n]
	return append(b[:max(0, min(n, smartcard.MaxPayload-2))], 0x90, 0x00)
}

func (f *farCard) set(atr []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.atr = atr
}

// answer is the answer to a packet of ghostaux.
func (f *farCard) answer(packet []byte) []byte {
	p, err := smartcard.Decode(packet)
	if err != nil {
		return smartcard.AppendPacket(nil, smartcard.Error, []byte("invalid_relay_packet"))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch p.Command {
	case smartcard.Status:
		return smartcard.AppendPacket(nil, smartcard.Ack, f.atr)
	case smartcard.Transmit:
		if f.atr == nil {
			return smartcard.AppendPacket(nil, smartcard.Error, []byte("0x80100069"))
		}
		f.apdus++
		answer := response
		if f.answers != nil {
			answer = f.answers
		}
		return smartcard.AppendPacket(nil, smartcard.Ack, answer(p.Payload))
	}
	f.power = append(f.power, p.Command)
	return smartcard.AppendPacket(nil, smartcard.Ack, nil)
}

// desk is a desktop with a reader, whose browser has a card.
type desk struct {
	*testkit.Ghostaux
	pcscd  *testkit.Pcscd
	xvnc   *testkit.Xvnc
	viewer *testkit.Viewer
	card   *farCard
}

func startDesk(t testing.TB, args ...string) *desk {
	t.Helper()
	path := filepath.Join(testkit.ShortDir(t), "smartcard")
	d := &desk{pcscd: testkit.StartPcscd(t), xvnc: testkit.StartXvnc(t, "smartcard:"+path), card: &farCard{}}
	d.subscribe(t)
	d.Ghostaux = testkit.StartGhostaux(t, append([]string{
		"--only", "smartcard", "--smartcard-relay", path, "--smartcard-vpcd-addr", d.pcscd.Addr,
	}, args...)...)
	return d
}

// subscribe is the browser's page, loaded.
func (d *desk) subscribe(t testing.TB) {
	t.Helper()
	v := &testkit.Viewer{Channel: "smartcard"}
	v.Receive = func(packet []byte) { d.xvnc.Say(v, d.card.answer(packet)) }
	d.viewer = v
	if err := d.xvnc.Subscribe(v); err != nil {
		t.Fatal(err)
	}
}

func (d *desk) report(t testing.TB) smartcard.Report {
	t.Helper()
	var r smartcard.Report
	if err := json.Unmarshal(d.Status(t, "smartcard").Detail, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// client is a PC/SC program.
func client(t testing.TB, p *testkit.Pcscd) *pcsc.Client {
	t.Helper()
	c, err := pcsc.Dial(t.Context(), p.Socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// atrOf is the ATR in the first reader as pcscd knows it, nil without a card.
func atrOf(t testing.TB, c *pcsc.Client) []byte {
	t.Helper()
	readers, err := c.Readers()
	if err != nil {
		t.Fatal(err)
	}
	if len(readers) == 0 {
		return nil
	}
	return readers[0].ATR
}

// waitATR waits until pcscd sees the card, or none, and returns how long that took.
func waitATR(t testing.TB, c *pcsc.Client, atr []byte) time.Duration {
	t.Helper()
	begin := time.Now()
	testkit.Eventually(t, 15*time.Second, fmt.Sprintf("pcscd sees ATR %X", atr), func() bool { return bytes.Equal(atrOf(t, c), atr) })
	return time.Since(begin)
}

func connect(t testing.TB, c *pcsc.Client) *pcsc.Card {
	t.Helper()
	card, err := c.Connect("Virtual PCD 00 00")
	if err != nil {
		t.Fatal(err)
	}
	return card
}

// The life of a card as OpenSC sees it.
func TestSmartcardOpenSC(t *testing.T) {
	d := startDesk(t)
	c := client(t, d.pcscd)
	d.card.set(atrOne)
	t.Logf("a card is seen %v after its insertion", waitATR(t, c, atrOne))
	out, err := d.pcscd.Command("opensc-tool", "-r", "0", "--atr").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "3b:80:80:01:01") {
		t.Fatalf("opensc-tool --atr: %v: %s", err, out)
	}
	out, err = d.pcscd.Command("opensc-tool", "-r", "0", "-c", "default", "-s", "00:CA:01:02:05").CombinedOutput()
	want := response([]byte{0x00, 0xCA, 0x01, 0x02, 0x05})[:5]
	if err != nil || !strings.Contains(string(out), "SW1=0x90, SW2=0x00") || !strings.Contains(string(out), strings.TrimSpace(fmt.Sprintf("% X", want))) {
		t.Fatalf("opensc-tool -s: %v: %s, want % X", err, out, want)
	}
	if r := d.report(t); !r.Card || r.ATR != "3b80800101" || r.Reader != "in use" || r.Far != "relay" {
		t.Errorf("report %+v", r)
	}
	d.card.set(nil)
	t.Logf("a card is gone %v after its removal", waitATR(t, c, nil))
	if r := d.report(t); r.Card || r.State != "no card" || r.Advice == "" {
		t.Errorf("report %+v", r)
	}
}

// A thousand exchanges, short and extended, come out as the card made them.
func TestSmartcardExchanges(t *testing.T) {
	d := startDesk(t)
	d.card.set(atrOne)
	c := client(t, d.pcscd)
	waitATR(t, c, atrOne)
	card := connect(t, c)
	random := rand.New(rand.NewPCG(1, 2))
	var got []byte
	defer func() {
		if t.Failed() {
			t.Logf("%+v\n%s", d.report(t), d.Get(t, "/metrics"))
		}
	}()
	for i := range 1000 {
		apdu := make([]byte, 4+random.IntN(300))
		for j := range apdu {
			apdu[j] = byte(random.Uint32())
		}
		if len(apdu) >= 6 && i%20 != 0 {
			apdu[4] &= 3 // seldom long
		}
		exchange(t, card, apdu, &got)
	}
	for _, n := range []int{255, 256, 261, 4096, 32767, 65534, 65535} {
		apdu := bytes.Repeat([]byte{0x0C, 0xA4, 0x00, 0x01, byte(n >> 8), byte(n)}, n/6+1)[:n]
		exchange(t, card, apdu, &got)
	}
}

func exchange(t testing.TB, card *pcsc.Card, apdu []byte, got *[]byte) {
	t.Helper()
	var err error
	if *got, err = card.Transmit(apdu, (*got)[:0], 20*time.Second); err != nil {
		t.Fatalf("APDU of %d bytes, want response of %d: %v", len(apdu), len(response(apdu)), err)
	}
	if want := response(apdu); !bytes.Equal(*got, want) {
		t.Fatalf("APDU of %d bytes: response of %d bytes differs from the card's %d", len(apdu), len(*got), len(want))
	}
}

// Removal, another card within 200 ms, and what pcscd makes of them.
func TestSmartcardSwap(t *testing.T) {
	d := startDesk(t, "--smartcard-poll", "100ms")
	c := client(t, d.pcscd)
	d.card.set(atrOne)
	waitATR(t, c, atrOne)
	d.card.set(nil)
	t.Logf("a removal is seen after %v when asking every 100 ms", waitATR(t, c, nil))
	d.card.set(atrOne)
	waitATR(t, c, atrOne)
	card := connect(t, c)
	var got []byte
	exchange(t, card, []byte{0, 0xB0, 0, 0, 1}, &got)
	d.card.set(nil)
	time.AfterFunc(200*time.Millisecond, func() { d.card.set(atrTwo) })
	waitATR(t, c, atrTwo)
	if got, err := card.Transmit([]byte{0, 0xB0, 0, 0, 1}, nil, 10*time.Second); err == nil {
		t.Errorf("the connection to the old card answers %X", got)
	}
	exchange(t, connect(t, c), []byte{0, 0xB0, 0, 0, 2}, &got)
}

// A reload, a new Xvnc and a new pcscd: the card is back without anybody's help.
func TestSmartcardRestarts(t *testing.T) {
	d := startDesk(t, "--smartcard-poll", "200ms")
	c := client(t, d.pcscd)
	d.card.set(atrOne)
	waitATR(t, c, atrOne)
	var got []byte
	exchange(t, connect(t, c), []byte{0, 0xB0, 0, 0, 1}, &got)

	d.xvnc.Unsubscribe(d.viewer)
	d.subscribe(t) // the page is loaded again
	exchange(t, connect(t, c), []byte{0, 0xB0, 0, 0, 2}, &got)

	d.xvnc.Stop()
	waitATR(t, c, nil)
	if r := d.report(t); r.State != "no relay" || r.Relay == "" || r.Advice == "" {
		t.Errorf("report without Xvnc: %+v", r)
	}
	d.xvnc.Start()
	d.subscribe(t)
	waitATR(t, c, atrOne)

	d.pcscd.Kill()
	testkit.Eventually(t, 5*time.Second, "the loss of pcscd is reported", func() bool { return d.report(t).ReaderError != "" })
	d.pcscd.Start(t)
	c = client(t, d.pcscd)
	t.Logf("a card is seen %v after a restart of pcscd", waitATR(t, c, atrOne))
	exchange(t, connect(t, c), []byte{0, 0xB0, 0, 0, 3}, &got)
	if n := strings.Count(d.Log(), "\n"); n > 60 {
		t.Errorf("%d lines in the log", n)
	}
}

// Without pcscd there is no service, and it is there when pcscd is.
func TestSmartcardPcscdComesLate(t *testing.T) {
	p := testkit.StartPcscd(t)
	p.Kill()
	g := testkit.StartGhostaux(t, "--only", "smartcard", "--smartcard-vpcd-addr", p.Addr)
	g.WaitState(t, "smartcard", "degraded")
	if s := g.Status(t, "smartcard"); !strings.Contains(s.Advice, "vsmartcard-vpcd") {
		t.Errorf("advice %q", s.Advice)
	}
	p.Start(t)
	begin := time.Now()
	g.WaitState(t, "smartcard", "ready")
	t.Logf("ready %v after pcscd", time.Since(begin))
}
