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

// rawPeer is the browser's end of a WebSocket that costs next to nothing, so that hundreds of them leave the machine to the
// server that is measured. What it sends goes out as Chromium sends it: a message in one record of TLS.
type rawPeer struct {
	conn net.Conn
	br   *bufio.Reader
	buf  []byte
}

// dialRaw joins as a browser does. Control, if set, prepares the socket before it connects.
func dialRaw(t testing.TB, addr, path string, dialer net.Dialer) *rawPeer {
	t.Helper()
	dialer.Timeout = 20 * time.Second
	conn, err := tls.DialWithDialer(&dialer, "tcp", addr, &tls.Config{InsecureSkipVerify: true, DynamicRecordSizingDisabled: true})
	if err != nil {
		t.Fatalf("dial %s: %v", addr, err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, addr, testkit.Authorization(testkit.Token))
	if err != nil {
		t.Fatal(err)
	}
	p := &rawPeer{conn: conn, br: bufio.NewReader(conn)}
	resp, err := http.ReadResponse(p.br, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade at %s: %v %v", addr, resp, err)
	}
	return p
}

// next returns the next data message, valid until the following call, and answers pings before it.
func (p *rawPeer) next() ([]byte, error) {
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

func (p *rawPeer) frame() (opcode byte, payload []byte, err error) {
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

// send sends a binary message of 126 to 65535 bytes. It is not masked with anything else than zero, which costs the server as much.
func (p *rawPeer) send(message []byte) error {
	frame := append(make([]byte, 0, len(message)+8), 0x82, 0x80|126)
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(message)))
	frame = append(frame, 0, 0, 0, 0)
	_, err := p.conn.Write(append(frame, message...))
	return err
}

// pong answers a ping; its mask is zero, which is as good as any.
func (p *rawPeer) pong(payload []byte) error {
	frame := append([]byte{0x8A, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
	if len(payload) > 125 {
		return errors.New("a ping of more than 125 bytes")
	}
	_, err := p.conn.Write(frame)
	return err
}
