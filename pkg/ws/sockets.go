package ws

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/metrics"
)

// Options are the limits of one socket.
type Options struct {
	ReadLimit  int64         // bytes a message; a larger one is answered 1009. 0: 32 KiB
	SendBuffer int           // bytes of SO_SNDBUF, so that the kernel hides no queue from us; 0 leaves it alone
	PingEvery  time.Duration // 0: DefaultPingEvery
	PingDead   time.Duration // a peer silent for so long is cut; 0: DefaultPingDead
	Frames     bool          // what is sent goes through WriteFrames, not Write; nothing large is read
	OnPong     func()        // called inside Read at every pong; must not block
	OnPongData func([]byte)  // the same with the pong's payload, which is not kept
}

func (o Options) withDefaults() Options {
	if o.ReadLimit == 0 {
		o.ReadLimit = 32 << 10
	}
	if o.PingEvery == 0 {
		o.PingEvery = DefaultPingEvery
	}
	if o.PingDead == 0 {
		o.PingDead = DefaultPingDead
	}
	return o
}

// Sockets is every open WebSocket of the process.
type Sockets struct {
	open *metrics.Gauge
	lost *metrics.Counter

	mu       sync.Mutex // guards the following fields
	conns    map[*Conn]struct{}
	draining bool
	settle   *time.Timer   // gives memory back, once, after the last accept
	stopping chan struct{} // closed when draining begins
	empty    chan struct{} // closed once, when draining and no socket is left
}

// settleAfter is how long nobody must have come before what the handshakes left is given back: a TLS handshake and an
// upgrade leave several times what a socket keeps, and an idle process would collect it only after minutes.
const settleAfter = 2 * time.Second

// NewSockets returns an empty set that counts itself in reg.
func NewSockets(reg *metrics.Registry) *Sockets {
	s := &Sockets{
		open:     reg.Gauge("websockets_open", "WebSockets open now."),
		lost:     reg.Counter("websockets_lost_total", "WebSockets cut because the peer answered no ping."),
		conns:    make(map[*Conn]struct{}),
		stopping: make(chan struct{}),
		empty:    make(chan struct{}),
	}
	s.settle = time.AfterFunc(time.Hour, debug.FreeOSMemory)
	s.settle.Stop()
	return s
}

type netConnKey struct{}

// ConnContext is the http.Server.ConnContext of every server whose handlers accept WebSockets: it lets
// Accept reach the connection below.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, netConnKey{}, c)
}

var errStopping = errors.New("the process is stopping")

// Accept upgrades the request, which a guard has let in already: it does not look at Origin. The first sub-protocol that
// the peer offers is chosen, whatever it is, and nothing is compressed. When it fails, the peer has its answer.
func (s *Sockets) Accept(w http.ResponseWriter, r *http.Request, o Options) (*Conn, error) {
	c := &Conn{sockets: s, opts: o.withDefaults()}
	c.net, _ = r.Context().Value(netConnKey{}).(net.Conn)
	if c.net == nil {
		http.Error(w, "this server cannot upgrade", http.StatusInternalServerError)
		return nil, errors.New("ws.ConnContext is not set on the http.Server")
	}
	if c.wire = wireOf(c.net); c.wire == nil {
		http.Error(w, "this server cannot upgrade", http.StatusInternalServerError)
		return nil, errors.New("the server's listener returns no ws.Wire")
	}
	if s.isDraining() {
		w.Header().Set("Connection", "close")
		http.Error(w, "ghostaux is stopping", http.StatusServiceUnavailable)
		return nil, errStopping
	}
	if o.Frames {
		w = framed{w, c.wire}
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the guard has judged the Origin; see pkg/auth
		CompressionMode:    websocket.CompressionDisabled,
		Subprotocols:       offered(r),
		OnPongReceived:     c.onPong,
	})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(c.opts.ReadLimit)
	c.ws = conn
	c.tcp = belowTLS(c.net)
	c.wire.eager = o.Frames
	c.wire.setSendBuffer(o.SendBuffer)
	c.heard.Store(time.Now().UnixNano())
	c.mu.Lock()
	c.timer = time.AfterFunc(c.opts.PingEvery, c.keepAlive)
	c.mu.Unlock()
	if !s.add(c) {
		c.Close(GoingAway, "ghostaux is stopping")
		c.Release()
		return nil, errStopping
	}
	return c, nil
}

// offered are the sub-protocols that the peer offers. JSMpeg offers "null" where it means none (it passes null to the
// browser, which makes a word of it), and Chromium gives up a connection whose offer is not taken up; npm's ws, which the
// services were written with, takes the first.
func offered(r *http.Request) []string {
	first, _, _ := strings.Cut(r.Header.Get("Sec-WebSocket-Protocol"), ",")
	if first = strings.TrimSpace(first); first == "" {
		return nil
	}
	return []string{first}
}

// Refuse upgrades the request only to close with code and reason, which a browser's page can read
// where it could not read an HTTP status.
func (s *Sockets) Refuse(w http.ResponseWriter, r *http.Request, code Code, reason string) {
	c, err := s.Accept(w, r, Options{})
	if err != nil {
		return
	}
	c.Close(code, reason)
	c.Release()
}

// Drain refuses new sockets, closes the open ones with 1001 and waits until their handlers have
// released them. When ctx ends first it cuts what is left and returns their number.
func (s *Sockets) Drain(ctx context.Context) int {
	s.mu.Lock()
	if !s.draining {
		s.draining = true
		s.settle.Stop()
		close(s.stopping)
	}
	s.signalEmpty()
	conns := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()

	var closing sync.WaitGroup
	for _, c := range conns {
		closing.Go(func() { c.Close(GoingAway, "ghostaux is stopping") })
	}
	defer closing.Wait()
	select {
	case <-s.empty:
		return 0
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Cut()
	}
	return len(s.conns)
}

// Stopping is closed when Drain begins. Handlers of endless HTTP answers end with it, as their sockets do.
func (s *Sockets) Stopping() <-chan struct{} { return s.stopping }

// Len is the number of sockets open now.
func (s *Sockets) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *Sockets) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

func (s *Sockets) add(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
	s.open.Inc()
	s.settle.Reset(settleAfter)
	return !s.draining
}

func (s *Sockets) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.open.Dec()
	s.signalEmpty()
}

// signalEmpty runs with mu held.
func (s *Sockets) signalEmpty() {
	if !s.draining || len(s.conns) > 0 {
		return
	}
	select {
	case <-s.empty:
	default:
		close(s.empty)
	}
}

// belowTLS is the connection that TLS runs on, or c itself without TLS.
func belowTLS(c net.Conn) net.Conn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return c
}
