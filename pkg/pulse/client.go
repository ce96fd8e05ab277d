package pulse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jfreymuth/pulse/proto"

	"ghostaux/pkg/service"
)

const (
	dialTimeout    = 2 * time.Second // for each place where a server may be
	queueRetry     = 5 * time.Millisecond
	requestTimeout = 3 * time.Second // for one answer: loading a module takes some 10 ms
)

// Errors of a Client, for errors.Is. What the server itself refuses is a proto.Error, such as proto.ErrNoSuchEntity.
var (
	ErrGone    = errors.New("PulseAudio closed the connection")
	ErrSilent  = errors.New("PulseAudio does not answer")
	errTooLong = errors.New("too long for PulseAudio")
)

// Client is one connection to a server. Its methods may be called from any goroutine.
type Client struct {
	proto   *proto.Client
	packets *packetConn   // for proto, and for the stream's samples
	done    chan struct{} // closed by the reader when the connection has ended
	events  chan struct{} // one waiting event stands for all

	stream   atomic.Pointer[Playback] // the one playback stream, nil until it is being opened
	mu       sync.Mutex               // guards the following field
	panicked error
}

// Dial connects to the server string, in PulseAudio's notation; "" asks the environment (PULSE_SERVER,
// PULSE_RUNTIME_PATH, XDG_RUNTIME_DIR). Ctx ends the attempt, not the connection.
func Dial(ctx context.Context, server string) (*Client, error) {
	addrs, err := addresses(server, os.Getenv)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, a := range addrs {
		c, err := dialOne(ctx, a)
		if err == nil {
			return c, nil
		}
		errs = append(errs, fmt.Errorf("connect to PulseAudio at %s: %w", a.addr, err))
	}
	return nil, errors.Join(errs...)
}

func dialOne(ctx context.Context, a address) (*Client, error) {
	conn, err := connect(ctx, a)
	if err != nil {
		return nil, err
	}
	packets, err := newPacketConn(conn)
	if err != nil {
		return nil, err
	}
	c := &Client{
		proto:   &proto.Client{},
		packets: packets,
		done:    make(chan struct{}),
		events:  make(chan struct{}, 1),
	}
	c.proto.Callback = c.received
	c.proto.SetTimeout(requestTimeout)
	stop := context.AfterFunc(ctx, func() { _ = packets.Close() })
	c.proto.Open(packets)
	err = c.greet()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// connect waits for a place in the server's queue, which holds five: a Unix socket refuses the sixth at once.
func connect(ctx context.Context, a address) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	for {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, a.network, a.addr)
		if !errors.Is(err, syscall.EAGAIN) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(queueRetry):
		}
	}
}

// greet agrees on the version and says who we are.
func (c *Client) greet() error {
	var auth proto.AuthReply
	if err := c.request(&proto.Auth{Version: c.proto.Version(), Cookie: cookie(os.Getenv)}, &auth); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	c.proto.SetVersion(auth.Version)
	props := proto.PropList{
		"application.name":           proto.PropListString("ghostaux"),
		"application.process.binary": proto.PropListString("ghostaux"),
		"application.process.id":     proto.PropListString(strconv.Itoa(os.Getpid())),
	}
	if err := c.request(&proto.SetClientName{Props: props}, &proto.SetClientNameReply{}); err != nil {
		return fmt.Errorf("introduce ourselves: %w", err)
	}
	return nil
}

// Close ends the connection, and with it every stream on it. It returns when nothing of it is running.
func (c *Client) Close() {
	_ = c.packets.Close()
	<-c.done
}

// Done is closed when the connection has ended, by whomever.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says why Done was closed.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.panicked != nil {
		return c.panicked
	}
	return ErrGone
}

// received runs in the proto package's reader, for everything that is no answer.
func (c *Client) received(message any) {
	err := service.Protect(func() error {
		c.dispatch(message)
		return nil
	})
	if err != nil {
		c.mu.Lock()
		c.panicked = err
		c.mu.Unlock()
		_ = c.packets.Close()
	}
}

func (c *Client) dispatch(message any) {
	switch m := message.(type) {
	case *proto.SubscribeEvent:
		select {
		case c.events <- struct{}{}:
		default:
		}
	case *proto.Request:
		if p := c.stream.Load(); p != nil {
			p.requested(int(m.Length))
		}
	case *proto.PlaybackStreamKilled:
		_ = c.packets.Close()
	case *proto.ConnectionClosed:
		close(c.done)
	}
}

// request sends one request and waits for its answer.
func (c *Client) request(args proto.RequestArgs, reply proto.Reply) error {
	err := c.proto.Request(args, reply)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return c.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return ErrSilent
	}
	return err
}
