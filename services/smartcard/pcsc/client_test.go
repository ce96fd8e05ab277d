package pcsc

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
	"ghostaux/services/smartcard/pcsc/pcsctest"
)

func TestMain(m *testing.M) { testkit.LeakGate(m) }

func dialTest(t *testing.T, p *pcsctest.Pcscd) *Client {
	t.Helper()
	c, err := Dial(t.Context(), p.Socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestVersions(t *testing.T) {
	for minor, ok := range map[uint32]bool{2: false, 3: true, 4: true} {
		p := pcsctest.Start(t)
		p.Minor = minor
		c, err := Dial(t.Context(), p.Socket)
		if (err == nil) != ok {
			t.Errorf("version 4:%d: %v", minor, err)
		}
		if c != nil {
			_ = c.Close()
		}
	}
}

func TestNoService(t *testing.T) {
	if _, err := Dial(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrNoService) {
		t.Errorf("got %v", err)
	}
}

func TestCard(t *testing.T) {
	p := pcsctest.Start(t)
	c := dialTest(t, p)
	readers, err := c.Readers()
	if err != nil || len(readers) != 1 || readers[0].Name != "Desk Reader 00 00" || readers[0].ATR != nil {
		t.Fatalf("readers %+v, %v", readers, err)
	}
	atr := bytes.Repeat([]byte{0x3B}, 33)
	p.Lock()
	p.ATR = atr
	p.Respond = func(apdu []byte) []byte { return append(bytes.Clone(apdu), 0x90, 0x00) }
	p.Unlock()
	if readers, err = c.Readers(); err != nil || !bytes.Equal(readers[0].ATR, atr) {
		t.Fatalf("readers %+v, %v", readers, err)
	}
	card, err := c.Connect(readers[0].Name)
	if err != nil || card.protocol != 2 || card.handle != 5 {
		t.Fatalf("card %+v, %v", card, err)
	}
	for _, n := range []int{4, 5, 261, 65535} {
		apdu := bytes.Repeat([]byte{7}, n)
		got, err := card.Transmit(apdu, []byte("before"), time.Minute)
		if err != nil || !bytes.Equal(got, append(append([]byte("before"), apdu...), 0x90, 0x00)) {
			t.Fatalf("%d bytes: %d came back, %v", n, len(got), err)
		}
	}
	if err := card.Reconnect(Reset); err != nil {
		t.Error(err)
	}
	p.Lock()
	p.Code = 0x80100069
	p.Unlock()
	if _, err := card.Transmit([]byte{0, 0xA4, 0, 0}, nil, time.Minute); !errors.Is(err, Code(0x80100069)) || err.Error() != "PC/SC error 0x80100069" {
		t.Errorf("got %v", err)
	}
	if err := card.Disconnect(Leave); !errors.Is(err, Code(0x80100069)) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Connect(string(make([]byte, 128))); err == nil {
		t.Error("a reader's name of 128 bytes is one too long")
	}
}

func TestSilentDaemon(t *testing.T) {
	p := pcsctest.Start(t)
	c := dialTest(t, p)
	card, err := c.Connect("Desk Reader 00 00")
	if err != nil {
		t.Fatal(err)
	}
	p.Lock() // it answers no more
	defer p.Unlock()
	if _, err := card.Transmit([]byte{0, 0xA4, 0, 0}, nil, 50*time.Millisecond); err == nil {
		t.Error("an answer from nobody")
	}
}

func FuzzParseReaders(f *testing.F) {
	f.Add(make([]byte, 184))
	f.Add(append([]byte("name"), make([]byte, 400)...))
	f.Fuzz(func(t *testing.T, table []byte) {
		for _, r := range parseReaders(table) {
			if r.Name == "" || len(r.ATR) > 33 {
				t.Errorf("reader %+v", r)
			}
		}
	})
}
