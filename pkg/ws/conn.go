package ws

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// MessageType is the kind of a data message.
type MessageType = websocket.MessageType

// The two kinds of data messages of RFC 6455.
const (
	Text   = websocket.MessageText
	Binary = websocket.MessageBinary
)

// Code is a close code of RFC 6455, section 7.4, and its registry.
type Code = websocket.StatusCode

// The close codes that ghostaux sends, and what each says to a peer.
const (
	NormalClosure   Code = 1000
	GoingAway       Code = 1001 // the process stops
	UnsupportedData Code = 1003 // text where binary is spoken, or the other way round
	InvalidPayload  Code = 1007 // not what the service's messages look like
	PolicyViolation Code = 1008 // too fast, or not allowed
	MessageTooBig   Code = 1009
	InternalError   Code = 1011
	TryAgainLater   Code = 1013 // the device is not there now
)

// CloseCode returns the code that the peer closed with, or -1 when err is not a close by the peer.
func CloseCode(err error) Code { return websocket.CloseStatus(err) }

// IsTooBig reports whether Read failed since the message was larger than the limit; the peer has been told 1009.
func IsTooBig(err error) bool { return errors.Is(err, websocket.ErrMessageTooBig) }

const (
	closeWait      = 2 * time.Second // for the peer's half of the close handshake
	maxCloseReason = 123             // bytes, RFC 6455 section 5.5: a control frame of 125 less the code
)

// Conn is one accepted WebSocket. Read belongs to one goroutine; all else may be called from any.
type Conn struct {
	ws      *websocket.Conn
	net     net.Conn // below the WebSocket
	tcp     net.Conn // below TLS, or net itself; closing it ends every read and write at once
	wire    *Wire    // the same, for what it does beside
	sockets *Sockets
	opts    Options

	heard   atomic.Int64 // unix nanoseconds of the last pong
	mu      sync.Mutex   // guards the following fields
	timer   *time.Timer
	ended   bool
	pinging sync.WaitGroup
	release sync.Once

	framing sync.Mutex // guards closing, and is held while frames are written
	closing bool       // a close frame is on its way
}

// Read reads one whole message into buf, growing it when it is too small, and returns the part of it that was
// filled, valid until the next call. It returns an error once the connection is closed, by whomever.
func (c *Conn) Read(buf []byte) (MessageType, []byte, error) {
	typ, r, err := c.ws.Reader(context.Background())
	if err != nil {
		return 0, buf[:0], err
	}
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return typ, buf, nil
		}
		if err != nil {
			return 0, buf[:0], err
		}
	}
}

// Write sends one message. It blocks while the peer does not take it and returns an error once the
// connection is closed.
func (c *Conn) Write(typ MessageType, msg []byte) error {
	return c.ws.Write(context.Background(), typ, msg)
}

// Close tells the peer why, waits at most 2 s for its answer, and closes. Reason is cut at 123 bytes.
// A blocked Write or Read returns.
func (c *Conn) Close(code Code, reason string) {
	if len(reason) > maxCloseReason {
		reason = cutUTF8(reason, maxCloseReason)
	}
	force := time.AfterFunc(closeWait, c.Cut)
	defer force.Stop()
	c.endFrames()
	_ = c.ws.Close(code, reason)
}

// Cut closes without a word; a blocked Write or Read returns. It passes TLS by, whose Close would first wait up to 5 s
// for a peer that reads nothing to take its farewell.
func (c *Conn) Cut() { _ = c.tcp.Close() }

// Release closes what is still open and waits until nothing of the socket is running. Every accepted
// Conn is released exactly by its handler, when its own goroutines have ended.
func (c *Conn) Release() {
	c.release.Do(func() {
		c.mu.Lock()
		c.ended = true
		c.timer.Stop()
		c.mu.Unlock()
		c.Cut()
		_ = c.ws.CloseNow()
		c.pinging.Wait()
		c.sockets.remove(c)
	})
}

func cutUTF8(s string, n int) string {
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}
