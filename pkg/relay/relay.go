package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/metrics"
	"ghostaux/pkg/nbio"
	"ghostaux/pkg/service"
)

// defaultMaxReceive is the longest message of a browser that KasmVNC passes on.
const defaultMaxReceive = 1 << 20

// Options of a Client. Only Path is needed.
type Options struct {
	Path string       // of the socket that Xvnc binds, absolute
	Log  *slog.Logger // nil: silent
	// Receive gets every datagram of a browser, one after the other, from a goroutine of Run; the slice is valid
	// during the call only. It may be slow: what piles up meanwhile is bounded, and the oldest goes. Nil: the client
	// has no address, and nothing can come.
	Receive func(datagram []byte)
	// Inline has Receive called by the goroutine that reads the socket, which saves two changes of goroutine. Then
	// Receive must not wait for anybody: the X server stands still meanwhile.
	Inline bool
	// SendBuffer is how many bytes may be on their way to the relay, as far as the machine's net.core.wmem_max lets; it
	// bounds a datagram too. 0: the machine's default, 208 KiB as a rule, which is three datagrams of 64 KiB.
	SendBuffer int
	MaxReceive int      // longest datagram to receive, in bytes; longer ones are dropped. 0: 1 MiB
	Dir        string   // where the socket for answers goes; "": os.TempDir()
	Metrics    *Metrics // nil: none
}

// Client sends to one relay and receives from it. It is safe for use by many goroutines.
type Client struct {
	options Options
	metrics *Metrics
	log     *slog.Logger
	waiting atomic.Int64 // Unix nanoseconds since when a Send waits for room; 0: none waits
	heard   atomic.Bool  // something has come since the last Send

	turn chan struct{} // full while a Send works; guards link, and conn against change
	link link

	mu     sync.Mutex // guards the following fields
	conn   *nbio.Socket
	bound  string // path of conn, "" when it has none
	closed bool
	absent error // why the last look found no relay; nil: it was there
	looked bool  // there was a look
}

// Open makes a client. Xvnc need not run yet. Close it, after Run has returned when there is one.
func Open(o Options) (*Client, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(metrics.New())
	}
	if o.MaxReceive == 0 {
		o.MaxReceive = defaultMaxReceive
	}
	if o.Dir == "" {
		o.Dir = os.TempDir()
	}
	c := &Client{options: o, metrics: o.Metrics, log: o.Log, turn: make(chan struct{}, 1)}
	c.link.write = c.try
	if o.Receive != nil {
		removeStale(o.Dir)
	}
	if err := c.open(); err != nil {
		return nil, err
	}
	return c, nil
}

// open gives the client a new socket, and takes the old one away. It runs with the turn, or before anybody has the client.
func (c *Client) open() error {
	path := ""
	if c.options.Receive != nil {
		var err error
		if path, err = answerPath(c.options.Dir, c.options.Path); err != nil {
			return err
		}
	}
	conn, err := socket(path, c.options.SendBuffer)
	if err != nil {
		return err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("open a datagram socket: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		discard(conn, path)
		return net.ErrClosed
	}
	discard(c.conn, c.bound)
	c.conn, c.bound = conn, path
	c.link.reset(conn, raw, path)
	return nil
}

func discard(conn *nbio.Socket, path string) {
	if conn != nil {
		_ = conn.Close()
	}
	if path != "" {
		_ = os.Remove(path)
	}
}

// Close ends every Send and Run, and removes the socket for answers.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	discard(c.conn, c.bound)
	return nil
}

// Run receives until ctx ends or the client is closed. A client without Receive needs no Run.
func (c *Client) Run(ctx context.Context) error {
	if c.options.Receive == nil {
		<-ctx.Done()
		return nil
	}
	if c.options.Inline {
		return c.drain(ctx, c.options.Receive)
	}
	q := newQueue()
	take := func(datagram []byte) {
		if q.put(datagram) {
			c.metrics.dropped.With(dropFull).Inc()
		}
	}
	group, ctx := service.NewGroup(ctx)
	group.Go(func() error { return c.drain(ctx, take) })
	group.Go(func() error { return c.deliver(ctx, q) })
	return group.Wait()
}

// drain reads the socket without ever waiting for anybody: the X server sleeps while its datagram finds no room.
func (c *Client) drain(ctx context.Context, take func([]byte)) error {
	buf := make([]byte, c.options.MaxReceive+1)
	for ctx.Err() == nil {
		conn := c.current()
		if conn == nil {
			return net.ErrClosed
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
		err := c.receive(conn, buf, take)
		stop()
		if ctx.Err() == nil && c.current() == conn { // else it was the end, or the socket was replaced
			return fmt.Errorf("receive from the relay: %w", err)
		}
	}
	return nil
}

func (c *Client) receive(conn *nbio.Socket, buf []byte, take func([]byte)) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var n int
	var failed error
	read := func(fd uintptr) bool {
		n, failed = nbio.ReadNow(fd, buf)
		return failed != unix.EAGAIN
	}
	for {
		err := raw.Read(read)
		if err == nil {
			err = failed
		}
		switch {
		case errors.Is(err, syscall.ECONNRESET): // a former relay is gone; nothing of ours is lost
		case err != nil:
			return err
		case n > c.options.MaxReceive:
			c.metrics.dropped.With(dropLong).Inc()
		default:
			c.metrics.received.Inc()
			c.heard.Store(true)
			take(buf[:n])
		}
	}
}

func (c *Client) deliver(ctx context.Context, q *queue) error {
	var datagram []byte
	for {
		var ok bool
		for datagram, ok = q.take(datagram); ok; datagram, ok = q.take(datagram) {
			c.options.Receive(datagram)
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
			return nil
		}
	}
}

// current is the socket, nil after Close.
func (c *Client) current() *nbio.Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	return c.conn
}
