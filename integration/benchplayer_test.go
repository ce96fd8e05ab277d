package integration

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// rawPlayer is a WebSocket player that costs next to nothing, so that hundreds of them leave the machine to the
// server that is measured.
type rawPlayer struct {
	conn net.Conn
	br   *bufio.Reader
	buf  []byte
}

// dialRaw joins as a browser does. Control, if set, prepares the socket before it connects.
func dialRaw(t testing.TB, addr string, dialer net.Dialer) *rawPlayer {
	t.Helper()
	dialer.Timeout = 20 * time.Second
	conn, err := tls.DialWithDialer(&dialer, "tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatalf("dial %s: %v", addr, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr, testkit.Authorization(testkit.Token))
	if err != nil {
		t.Fatal(err)
	}
	p := &rawPlayer{conn: conn, br: bufio.NewReader(conn)}
	resp, err := http.ReadResponse(p.br, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade at %s: %v %v", addr, resp, err)
	}
	return p
}

// next returns the next data message, valid until the following call, and answers pings before it.
func (p *rawPlayer) next() ([]byte, error) {
	for {
		opcode, payload, err := p.frame()
		if err != nil {
			return nil, err
		}
		switch opcode {
		case 2:
			return payload, nil
		case 8:
			return nil, io.EOF
		case 9:
			if err := p.pong(payload); err != nil {
				return nil, err
			}
		}
	}
}

func (p *rawPlayer) frame() (opcode byte, payload []byte, err error) {
	head, err := p.br.Peek(2)
	if err != nil {
		return 0, nil, err
	}
	opcode, n, size := head[0]&15, int(head[1]&127), 2
	switch n {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	if head, err = p.br.Peek(size); err != nil {
		return 0, nil, err
	}
	switch size {
	case 4:
		n = int(binary.BigEndian.Uint16(head[2:]))
	case 10:
		n = int(binary.BigEndian.Uint64(head[2:]))
	}
	if _, err = p.br.Discard(size); err != nil {
		return 0, nil, err
	}
	if cap(p.buf) < n {
		p.buf = make([]byte, n)
	}
	payload = p.buf[:n]
	_, err = io.ReadFull(p.br, payload)
	return opcode, payload, err
}

// pong answers a ping; its mask is zero, which is as good as any.
func (p *rawPlayer) pong(payload []byte) error {
	frame := append([]byte{0x8A, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
	if len(payload) > 125 {
		return errors.New("a ping of more than 125 bytes")
	}
	_, err := p.conn.Write(frame)
	return err
}
