package pcsc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// DefaultSocket is where pcscd listens, unless PCSCLITE_CSOCK_NAME says otherwise.
const DefaultSocket = "/run/pcscd/pcscd.comm"

// Commands of pcscd's protocol, winscard_msg.h.
const (
	cmdEstablishContext = 0x01
	cmdConnect          = 0x04
	cmdReconnect        = 0x05
	cmdDisconnect       = 0x06
	cmdTransmit         = 0x09
	cmdVersion          = 0x11
	cmdReadersState     = 0x12
)

const (
	versionMajor = 4
	headerSize   = 8
	nameSize     = 128 // MAX_READERNAME
	maxReaders   = 16  // PCSCLITE_MAX_READERS_CONTEXTS
	stateSize    = nameSize + 56
	maxResponse  = 4 + 3 + 1<<16 + 3 + 2 // MAX_BUFFER_SIZE_EXTENDED
	callTimeout  = 5 * time.Second       // of everything but Transmit, Connect and Reconnect
	powerTimeout = 30 * time.Second      // a slow reader may need some seconds
)

// ErrNoService is a socket that nobody listens on, or that is not there.
var ErrNoService = errors.New("pcscd does not run")

// Client is one connection to pcscd.
type Client struct {
	conn    net.Conn
	context uint32
	buf     []byte // of requests and results
}

// Dial connects to pcscd and makes a context.
func Dial(ctx context.Context, socket string) (*Client, error) {
	var err error
	for _, minor := range [...]uint32{4, 3} {
		var c *Client
		if c, err = dial(ctx, socket, minor); err == nil {
			return c, nil
		}
		if !errors.Is(err, Code(noService)) {
			break
		}
	}
	return nil, err
}

func dial(ctx context.Context, socket string, minor uint32) (*Client, error) {
	conn, err := (&net.Dialer{Timeout: callTimeout}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoService, err)
	}
	c := &Client{conn: conn, buf: make([]byte, 0, headerSize+nameSize+64)}
	if err := c.begin(minor); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) begin(minor uint32) error {
	if _, err := c.call(callTimeout, cmdVersion, versionMajor, minor, 0); err != nil {
		return fmt.Errorf("agree on a protocol version with pcscd: %w", err)
	}
	result, err := c.call(callTimeout, cmdEstablishContext, 2 /* SCARD_SCOPE_SYSTEM */, 0, 0)
	if err != nil {
		return fmt.Errorf("establish a context: %w", err)
	}
	c.context = word(result, 1)
	return nil
}

// Close ends the connection; pcscd disconnects from the card, and a call that waits returns.
func (c *Client) Close() error { return c.conn.Close() }

// Reader is a card reader as pcscd sees it.
type Reader struct {
	Name string
	ATR  []byte // of its card; nil: no card, or one that does not respond
}

// Readers returns the readers in pcscd's order.
func (c *Client) Readers() ([]Reader, error) {
	if err := c.send(callTimeout, cmdReadersState, nil); err != nil {
		return nil, fmt.Errorf("list readers: %w", err)
	}
	table := make([]byte, maxReaders*stateSize)
	if _, err := io.ReadFull(c.conn, table); err != nil {
		return nil, fmt.Errorf("list readers: %w", err)
	}
	return parseReaders(table), nil
}

const statePresent = 0x0004 // SCARD_PRESENT

// parseReaders reads pcscd's table: [name 128][events U32][state U32][sharing U32][ATR 33, padded to 36][ATR length U32][protocol U32].
func parseReaders(table []byte) []Reader {
	var readers []Reader
	for ; len(table) >= stateSize; table = table[stateSize:] {
		name := cString(table[:nameSize])
		if name == "" {
			continue
		}
		r := Reader{Name: name}
		fields := table[nameSize:stateSize]
		length := int(word(fields, 12))
		if word(fields, 1)&statePresent != 0 && length > 0 && length <= 33 {
			r.ATR = append([]byte(nil), fields[12:12+length]...)
		}
		readers = append(readers, r)
	}
	return readers
}

func cString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// send sends one request: a header and its struct.
func (c *Client) send(limit time.Duration, command uint32, body []byte) error {
	if err := c.conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	c.buf = binary.NativeEndian.AppendUint32(c.buf[:0], uint32(len(body)))
	c.buf = binary.NativeEndian.AppendUint32(c.buf, command)
	c.buf = append(c.buf, body...)
	_, err := c.conn.Write(c.buf)
	return err
}

// call sends a struct of words, whose last one is the result code, and returns it as pcscd has filled it in.
func (c *Client) call(limit time.Duration, command uint32, words ...uint32) ([]byte, error) {
	body := make([]byte, 0, 4*len(words))
	for _, w := range words {
		body = binary.NativeEndian.AppendUint32(body, w)
	}
	return c.exchange(limit, command, body)
}

// exchange sends a struct and returns it as pcscd has filled it in. Its last word is the result code.
func (c *Client) exchange(limit time.Duration, command uint32, body []byte) ([]byte, error) {
	if err := c.send(limit, command, body); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(c.conn, body); err != nil {
		return nil, err
	}
	if code := word(body, len(body)/4-1); code != 0 {
		return nil, Code(code)
	}
	return body, nil
}

// word is the i-th 32-bit word of a struct.
func word(b []byte, i int) uint32 { return binary.NativeEndian.Uint32(b[4*i:]) }

const noService = 0x8010001E // SCARD_E_SERVICE_STOPPED: also the answer to a protocol version that pcscd does not speak

// Code is a result of PC/SC other than success, such as 0x80100069 for a removed card.
type Code uint32

// Error is the code as KasmVNC's client writes it.
func (c Code) Error() string { return fmt.Sprintf("PC/SC error 0x%08X", uint32(c)) }
