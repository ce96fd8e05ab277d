package testkit

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The relay side of Xvnc in numbers (KasmVNC 1.3.4 and 1.5.1).
const (
	xvncBuffer    = 1 << 20 // of one datagram; what is longer is cut
	xvncQueue     = 11      // datagrams in a relay's queue at most (net.unix.max_dgram_qlen is 10)
	xvncMaxRelays = 4
	xvncMaxName   = 63
)

// Xvnc stands in for the relay side of KasmVNC's X server (-UnixRelay name:path) with all its habits:
//
//   - one thread does everything: it reads datagrams, hands each to every subscribed viewer before it reads the next, and
//     sends what viewers say; a viewer that is slow, or a program whose bound socket is full, stops all of it
//   - a datagram goes to all viewers of the channel, and nowhere without one; an empty one is ignored; one is cut at 1 MiB
//   - what a viewer says goes to the last sender: the bytes of its address were copied over those of the one before, and the
//     address is used in its full length, so that unnamed senders leave the last one in force and abstract names fail
//   - Stop leaves the socket files; Start unlinks them and binds new ones
type Xvnc struct {
	t      testing.TB
	relays []*xvncRelay

	wake     int // eventfd that ends a poll of the main thread
	commands chan func()
	quit     chan struct{}
	done     chan struct{}

	mu        sync.Mutex // guards the following fields
	running   bool
	sendError error
}

// Viewer is a browser at the far end of a channel.
type Viewer struct {
	Channel  string
	ReadOnly bool // without the right to write its subscription is refused
	// Receive runs in the X server's thread, with a datagram that is valid during the call; as long as it takes,
	// the server stands still. Nil: what comes is thrown away.
	Receive func(datagram []byte)
}

// StartXvnc starts a server with relays, each name:path as for -UnixRelay. It ends with the test.
func StartXvnc(t testing.TB, relays ...string) *Xvnc {
	t.Helper()
	x := NewXvnc(t, relays...)
	x.Start()
	return x
}

// NewXvnc is a server that is not started yet.
func NewXvnc(t testing.TB, relays ...string) *Xvnc {
	t.Helper()
	x := &Xvnc{t: t, commands: make(chan func(), 1024)}
	if len(relays) > xvncMaxRelays {
		t.Fatalf("Xvnc takes at most %d relays", xvncMaxRelays)
	}
	for _, r := range relays {
		name, path, ok := strings.Cut(r, ":")
		if !ok || len(name) > xvncMaxName {
			t.Fatalf("bad -UnixRelay %q", r)
		}
		x.relays = append(x.relays, &xvncRelay{name: name, path: path})
	}
	t.Cleanup(x.Stop)
	return x
}

// Start starts the server, also again after Stop: with new sockets, and without any viewers but these, who are there before
// anybody can send.
func (x *Xvnc) Start(viewers ...*Viewer) {
	x.t.Helper()
	var err error
	if x.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		x.t.Fatal(err)
	}
	for _, r := range x.relays {
		if err := r.bind(viewers); err != nil {
			x.t.Fatal(err)
		}
	}
	x.quit, x.done = make(chan struct{}), make(chan struct{})
	x.mu.Lock()
	x.running = true
	x.mu.Unlock()
	go x.main()
}

// Stop ends the server as a crash does: its socket files stay, and refuse.
func (x *Xvnc) Stop() {
	x.mu.Lock()
	running := x.running
	x.running = false
	x.mu.Unlock()
	if !running {
		return
	}
	close(x.quit)
	x.poke()
	<-x.done
	for _, r := range x.relays {
		_ = unix.Close(r.fd)
	}
	_ = unix.Close(x.wake)
}

// Freeze stops the server's thread, as a stopped process or a stuck browser does, until the returned function is called.
func (x *Xvnc) Freeze() (resume func()) {
	frozen, thaw := make(chan struct{}), make(chan struct{})
	x.do(func() {
		close(frozen)
		select {
		case <-thaw:
		case <-x.quit:
		}
	})
	<-frozen
	return sync.OnceFunc(func() { close(thaw) })
}

// Alive reports whether the server's thread answers within the limit, as the desktop does while it is not frozen.
func (x *Xvnc) Alive(limit time.Duration) bool {
	answered := make(chan struct{})
	x.do(func() { close(answered) })
	select {
	case <-answered:
		return true
	case <-time.After(limit):
		return false
	}
}

// Subscribe adds a viewer to its channel.
func (x *Xvnc) Subscribe(v *Viewer) error {
	result := make(chan error, 1)
	x.do(func() { result <- x.subscribe(v) })
	return <-result
}

func (x *Xvnc) subscribe(v *Viewer) error {
	if v.ReadOnly {
		return errors.New("refused: no permissions")
	}
	r := x.channel(v.Channel)
	if r == nil {
		return errors.New("refused: no such unix channel")
	}
	r.viewers = append(r.viewers, v)
	return nil
}

// Unsubscribe takes a viewer away, as closing its page does. When it returns the viewer gets nothing any more.
func (x *Xvnc) Unsubscribe(v *Viewer) {
	done := make(chan struct{})
	x.do(func() {
		defer close(done)
		r := x.channel(v.Channel)
		for i := range r.viewers {
			if r.viewers[i] == v {
				r.viewers = append(r.viewers[:i:i], r.viewers[i+1:]...)
				return
			}
		}
	})
	<-done
}

// Say sends data from a viewer to the program at the near end. It does not wait for it. Whoever is subscribed may;
// 1 MiB or more is skipped.
func (x *Xvnc) Say(v *Viewer, data []byte) {
	data = append([]byte(nil), data...)
	x.do(func() {
		r := x.channel(v.Channel)
		if r == nil || len(data) >= xvncBuffer || !r.subscribed(v) {
			return
		}
		if err := x.answer(r, data); err != nil {
			x.mu.Lock()
			x.sendError = err
			x.mu.Unlock()
		}
	})
}

// SendError is the last failure to reach the near end, which Xvnc only logs.
func (x *Xvnc) SendError() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.sendError
}

func (x *Xvnc) channel(name string) *xvncRelay {
	for _, r := range x.relays {
		if r.name == name {
			return r
		}
	}
	return nil
}

// do gives the server's thread something to do.
func (x *Xvnc) do(f func()) {
	x.commands <- f
	x.poke()
}

func (x *Xvnc) poke() { _, _ = unix.Write(x.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// main is the server's only thread.
func (x *Xvnc) main() {
	defer close(x.done)
	buf := make([]byte, xvncBuffer)
	polled := []unix.PollFd{{Fd: int32(x.wake), Events: unix.POLLIN}}
	for _, r := range x.relays {
		polled = append(polled, unix.PollFd{Fd: int32(r.fd), Events: unix.POLLIN})
	}
	for {
		if _, err := unix.Poll(polled, -1); err != nil && err != unix.EINTR {
			x.t.Errorf("poll: %v", err)
			return
		}
		select {
		case <-x.quit:
			return
		default:
		}
		for i, r := range x.relays {
			if polled[i+1].Revents != 0 {
				r.receive(buf)
			}
		}
		if polled[0].Revents != 0 { // after the datagrams that were sent before it
			var drain [8]byte
			_, _ = unix.Read(x.wake, drain[:])
			x.obey()
		}
	}
}

func (x *Xvnc) obey() {
	for {
		select {
		case f := <-x.commands:
			f()
		default:
			return
		}
	}
}
