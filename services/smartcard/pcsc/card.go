package pcsc

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// PC/SC's values, pcsclite.h.
const (
	shareShared = 2
	protocolAny = 1 | 2 // T=0 or T=1
)

// Disposition is what becomes of the card when it is disconnected or connected anew.
type Disposition uint32

// The dispositions, pcsclite.h.
const (
	Leave   Disposition = 0
	Reset   Disposition = 1 // warm
	Unpower Disposition = 2 // cold
)

// Card is a connection to the card in a reader, shared with other programs.
type Card struct {
	client   *Client
	handle   uint32
	protocol uint32
	request  [8 * 4]byte
}

// Connect connects to the card in the reader.
func (c *Client) Connect(reader string) (*Card, error) {
	if len(reader) >= nameSize {
		return nil, fmt.Errorf("reader name of %d bytes", len(reader))
	}
	body := make([]byte, 4+nameSize+5*4)
	binary.NativeEndian.PutUint32(body, c.context)
	copy(body[4:4+nameSize], reader)
	binary.NativeEndian.PutUint32(body[4+nameSize:], shareShared)
	binary.NativeEndian.PutUint32(body[8+nameSize:], protocolAny)
	result, err := c.exchange(powerTimeout, cmdConnect, body)
	if err != nil {
		return nil, fmt.Errorf("connect to the card: %w", err)
	}
	tail := result[4+nameSize:]
	return &Card{client: c, handle: word(tail, 2), protocol: word(tail, 3)}, nil
}

// Reconnect connects anew, after a Reset by another program, or to make one.
func (k *Card) Reconnect(d Disposition) error {
	result, err := k.client.call(powerTimeout, cmdReconnect, k.handle, shareShared, protocolAny, uint32(d), 0, 0)
	if err != nil {
		return fmt.Errorf("reconnect to the card: %w", err)
	}
	k.protocol = word(result, 4)
	return nil
}

// Disconnect ends the connection.
func (k *Card) Disconnect(d Disposition) error {
	if _, err := k.client.call(powerTimeout, cmdDisconnect, k.handle, uint32(d), 0); err != nil {
		return fmt.Errorf("disconnect from the card: %w", err)
	}
	return nil
}

// Transmit sends a command APDU and appends the response to into. It may take as long as limit, since the reader may ask for a
// PIN; when that has passed the client is of no use any more.
func (k *Card) Transmit(apdu, into []byte, limit time.Duration) ([]byte, error) {
	// [card][protocol][its length][send length][receive protocol][its length][receive length][result]
	body := k.request[:]
	for i, w := range [...]uint32{k.handle, k.protocol, 16, uint32(len(apdu)), 0, 0, maxResponse, 0} {
		binary.NativeEndian.PutUint32(body[4*i:], w)
	}
	conn := k.client.conn
	if err := k.client.send(limit, cmdTransmit, body); err != nil {
		return into, fmt.Errorf("transmit: %w", err)
	}
	if _, err := conn.Write(apdu); err != nil {
		return into, fmt.Errorf("transmit: %w", err)
	}
	if _, err := io.ReadFull(conn, body); err != nil {
		return into, fmt.Errorf("transmit: %w", err)
	}
	if code := word(body, 7); code != 0 {
		return into, Code(code)
	}
	n := int(word(body, 6))
	if n > maxResponse {
		return into, fmt.Errorf("transmit: pcscd announces a response of %d bytes", n)
	}
	start := len(into)
	into = append(into, make([]byte, n)...)
	if _, err := io.ReadFull(conn, into[start:]); err != nil {
		return into[:start], fmt.Errorf("transmit: %w", err)
	}
	return into, nil
}
