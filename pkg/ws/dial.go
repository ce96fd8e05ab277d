package ws

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

// DialOptions are how a WebSocket is opened.
type DialOptions struct {
	Client    *http.Client // carries the TLS configuration; nil: the default one
	Header    http.Header
	ReadLimit int64         // bytes a message; 0: 32 KiB
	PingEvery time.Duration // 0: DefaultPingEvery
}

// RefusedError is an answer to the upgrade other than an upgrade.
type RefusedError struct {
	Status int // of HTTP
	Err    error
}

// Error says which status it was.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("refused with %d %s", e.Status, http.StatusText(e.Status))
}

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// Dialed is the client's side of a WebSocket. One goroutine reads, always; one writes.
type Dialed struct {
	ws        *websocket.Conn
	pingEvery time.Duration
}

// Dial opens a WebSocket at an http or https URL. ctx bounds the opening only.
func Dial(ctx context.Context, url string, o DialOptions) (*Dialed, error) {
	conn, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: o.Client, HTTPHeader: o.Header, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		if resp != nil {
			return nil, &RefusedError{Status: resp.StatusCode, Err: err}
		}
		return nil, err
	}
	if o.ReadLimit != 0 {
		conn.SetReadLimit(o.ReadLimit)
	}
	if o.PingEvery == 0 {
		o.PingEvery = DefaultPingEvery
	}
	return &Dialed{ws: conn, pingEvery: o.PingEvery}, nil
}

// Read reads one message. It fails once the connection is closed or ctx ends, which closes it.
func (d *Dialed) Read(ctx context.Context) (MessageType, []byte, error) { return d.ws.Read(ctx) }

// Write sends one message.
func (d *Dialed) Write(ctx context.Context, typ MessageType, msg []byte) error {
	return d.ws.Write(ctx, typ, msg)
}

// KeepAlive pings until ctx ends, and returns an error when a pong does not come before the next ping is due.
func (d *Dialed) KeepAlive(ctx context.Context) error {
	tick := time.NewTicker(d.pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := d.ping(ctx); err != nil {
			return fmt.Errorf("no answer to a ping: %w", err)
		}
	}
}

func (d *Dialed) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.pingEvery)
	defer cancel()
	return d.ws.Ping(ctx)
}

// Close ends the connection without waiting for the other side.
func (d *Dialed) Close() { _ = d.ws.CloseNow() }
