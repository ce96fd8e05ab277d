package smartcard

import (
	"context"
	"io"
	"net"
	"strconv"
	"time"

	"ghostaux/pkg/nbio"
)

// Times of connecting to vpcd.
const (
	dialTimeout  = 5 * time.Second
	firstRedial  = 100 * time.Millisecond
	lastRedial   = time.Second
	steadyAfter  = time.Second     // a connection that lasts so long is not counted as a failure
	writeTimeout = 2 * time.Second // vpcd waits for every answer, so it takes it at once
)

// readers opens connections to vpcd, in the one way or in the other.
type readers interface {
	// open returns a connection, or an error when there is none now.
	open(ctx context.Context) (net.Conn, error)
}

// dialer connects to a vpcd that listens (DEVICENAME /dev/null:PORT).
type dialer struct{ addr string }

func (d dialer) open(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", d.addr)
}

// acceptor waits for a vpcd that connects (DEVICENAME HOST:PORT). vpcd tries again at every look for a card, so a connection
// that comes while there is no card is closed, which vpcd understands as an empty reader. (Debian 12's vpcd, 0.8, does not:
// its pcscd ends with "bit out of range" as soon as such a connection closes. Use the other mode there.) Its second slot
// connects to the next port, and when nobody listens there vpcd goes on with a file descriptor that it has closed: so that
// is accepted, and always empty.
type acceptor struct{ conns chan net.Conn }

// listen opens the ports of both slots.
func listen(addr string) (first, second net.Listener, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, nil, err
	}
	if first, err = net.Listen("tcp", addr); err != nil {
		return nil, nil, err
	}
	if second, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(number+1))); err != nil {
		_ = first.Close()
		return nil, nil, err
	}
	return first, second, nil
}

func (a acceptor) open(ctx context.Context) (net.Conn, error) {
	select {
	case conn := <-a.conns:
		return conn, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run accepts until ctx ends. A nil channel takes no connection.
func (a acceptor) run(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case a.conns <- conn:
		default:
			_ = conn.Close()
		}
	}
}

// reader is one connection to vpcd, from the first try to its end.
type reader struct {
	bridge *bridge
	cancel context.CancelFunc

	// The following are guarded by the bridge's mu.
	conn  net.Conn
	quick *nbio.Conn // of conn, nil when that is no socket
	since time.Time
	heard bool // vpcd has spoken: pcscd has accepted the connection
}

// run connects, for as long as it takes, and reads until the connection is lost or ctx ends.
func (r *reader) run(ctx context.Context, from readers, pause time.Duration) error {
	conn, ok := r.connect(ctx, from, pause)
	if !ok {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	in, err := quickReader(conn)
	if err != nil {
		return err
	}
	r.bridge.onConnected(r, conn)
	r.read(in)
	r.bridge.onLost(r)
	return nil
}

func (r *reader) connect(ctx context.Context, from readers, pause time.Duration) (net.Conn, bool) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, false
		}
		conn, err := from.open(ctx)
		if err == nil {
			return conn, true
		}
		if ctx.Err() != nil {
			return nil, false
		}
		r.bridge.onUnreachable(err)
		pause = min(max(2*pause, firstRedial), lastRedial)
		timer.Reset(pause)
	}
}

// read hands over one message after the other. It reads one ahead, so that a connection that ends during an exchange is
// noticed at once.
func (r *reader) read(in io.Reader) {
	buffers := [2][]byte{make([]byte, MaxPayload), make([]byte, MaxPayload)}
	header := make([]byte, frameHeader)
	for i := 0; ; i++ {
		frame, err := readFrameInto(in, header, buffers[i%2])
		if err != nil || !r.bridge.onFrame(r, frame) {
			return
		}
	}
}
