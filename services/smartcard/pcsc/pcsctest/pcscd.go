// Package pcsctest is a pcscd for tests, with one reader and a scripted card, that speaks the daemon's side of the socket protocol.
package pcsctest

import (
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"ghostaux/pkg/testkit"
)

// Pcscd is the daemon. Its fields may be changed under Lock.
type Pcscd struct {
	Socket string // where it listens

	sync.Mutex
	Minor     uint32 // of the protocol version that it speaks, the only one
	Reader    string
	ATR       []byte                   // nil: no card
	Respond   func(apdu []byte) []byte // the card
	Code      uint32                   // of every call about the card; 0: success
	Connects  int                      // to the card
	Resets    int
	Connected int // clients now
}

// Start starts a daemon that ends with the test.
func Start(t testing.TB) *Pcscd {
	t.Helper()
	p := &Pcscd{
		Socket: filepath.Join(testkit.ShortDir(t), "pcscd.comm"), Minor: 4, Reader: "Desk Reader 00 00",
		Respond: func([]byte) []byte { return []byte{0x90, 0x00} },
	}
	l, err := net.Listen("unix", p.Socket)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var conns sync.Map
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Store(conn, nil)
			all.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		conns.Range(func(conn, _ any) bool { _ = conn.(net.Conn).Close(); return true })
		all.Wait()
	})
	return p
}

func (p *Pcscd) count(by int) {
	p.Lock()
	defer p.Unlock()
	p.Connected += by
}

func (p *Pcscd) serve(conn net.Conn) {
	defer conn.Close()
	p.count(1)
	defer p.count(-1)
	header := make([]byte, 8)
	for {
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		body := make([]byte, binary.NativeEndian.Uint32(header))
		if _, err := io.ReadFull(conn, body); err != nil {
			return
		}
		var apdu []byte
		if binary.NativeEndian.Uint32(header[4:]) == 0x09 {
			apdu = make([]byte, binary.NativeEndian.Uint32(body[12:]))
			if _, err := io.ReadFull(conn, apdu); err != nil {
				return
			}
		}
		answer := p.answer(binary.NativeEndian.Uint32(header[4:]), body, apdu)
		for len(answer) > 0 { // in pieces, as a stream may come
			n := min(len(answer), 100)
			if _, err := conn.Write(answer[:n]); err != nil {
				return
			}
			answer = answer[n:]
		}
	}
}

// answer fills in the struct of a command, as winscard_msg.h has them.
func (p *Pcscd) answer(command uint32, body, apdu []byte) []byte {
	p.Lock()
	defer p.Unlock()
	set := func(i int, value uint32) { binary.NativeEndian.PutUint32(body[4*i:], value) }
	last := len(body)/4 - 1
	switch command {
	case 0x11: // version
		if binary.NativeEndian.Uint32(body[4:]) != p.Minor {
			set(last, 0x8010001E)
		}
		set(1, p.Minor)
	case 0x01: // establish context
		set(1, 77)
	case 0x12: // readers' state
		return p.table()
	case 0x04: // connect
		p.Connects++
		set(last, p.Code)
		binary.NativeEndian.PutUint32(body[4+128+8:], 5)
		binary.NativeEndian.PutUint32(body[4+128+12:], 2)
	case 0x05, 0x06: // reconnect, disconnect
		p.Resets++
		set(last, p.Code)
	case 0x09: // transmit
		if p.Code != 0 {
			set(last, p.Code)
			return body
		}
		response := p.Respond(apdu)
		set(6, uint32(len(response)))
		return append(body, response...)
	}
	return body
}

func (p *Pcscd) table() []byte {
	table := make([]byte, 16*184)
	copy(table, p.Reader)
	binary.NativeEndian.PutUint32(table[128+4:], 0x0002)
	if p.ATR != nil {
		binary.NativeEndian.PutUint32(table[128+4:], 0x0034)
		copy(table[128+12:], p.ATR)
		binary.NativeEndian.PutUint32(table[128+48:], uint32(len(p.ATR)))
	}
	return table
}
