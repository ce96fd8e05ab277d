package smartcard

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"ghostaux/pkg/nbio"
	"ghostaux/pkg/relay"
	"ghostaux/pkg/service"
)

// bridge is one Run: the machine, and what brings it events and does what it wants. An event is handled by the goroutine that
// has it, from the socket it came from to the socket that its consequence goes to: every change of goroutine in
// between would cost an exchange some 10 us.
type bridge struct {
	ctx     context.Context
	group   *service.Group
	log     *slog.Logger
	board   *board
	readers readers

	mu         sync.Mutex // guards the following fields; nothing that may wait is done with it, see act
	machine    *machine
	link       relayLink // nil: no relay is configured
	relay      *courier  // of what link does not take at once
	relayFound bool
	agent      *agent // the newest; nil: none
	reader     *reader
	failures   int        // connections to vpcd in a row that did not last
	turn       *sync.Cond // vpcd's next message may be taken, or reader has changed
	shown      []byte     // the ATR that the board shows
	timer      timer
	armed      time.Time // when timer fires; zero: it does not
	closed     bool
}

// timer is the part of nbio.Timer that the bridge uses.
type timer interface {
	Reset(d time.Duration)
	Wait() error
	Close() error
}

func newTimer() (timer, error) { return nbio.NewTimer() }

func newBridge(ctx context.Context, group *service.Group, s *Service, t timer) *bridge {
	b := &bridge{
		ctx: ctx, group: group, log: s.log, board: s.board, readers: s.dial,
		machine: newMachine(timing{poll: s.config.Poll, transmit: s.config.Timeout}, s.metrics),
		timer:   t,
	}
	b.turn = sync.NewCond(&b.mu)
	return b
}

// run lets time pass for the machine until ctx ends, and then no event is handled any more.
func (b *bridge) run() error {
	defer b.close()
	stop := context.AfterFunc(b.ctx, func() { _ = b.timer.Close() })
	defer stop()
	for {
		if err := b.timer.Wait(); err != nil {
			return cmp.Or(b.ctx.Err(), err)
		}
		b.tick()
	}
}

func (b *bridge) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	_ = b.timer.Close()
	b.closeReader()
}

func (b *bridge) tick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed = time.Time{}
	b.act(b.machine.Tick(time.Now()))
	b.settle()
}

// onPacket is a packet of the agent, or with nil of the relay.
func (b *bridge) onPacket(from *agent, packet []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || from != b.agent || from == nil && !b.relayFound {
		return
	}
	b.act(b.machine.Packet(time.Now(), packet))
	b.settle()
}

// onRelay is the relay that was found, or why it is lost.
func (b *bridge) onRelay(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.relayFound = err == nil
	b.board.relay(err)
	switch {
	case b.closed || b.agent != nil:
	case b.relayFound:
		b.act(b.machine.FarUp(time.Now(), false))
	default:
		b.act(b.machine.FarDown(time.Now(), false))
	}
	b.settle()
}

// attach makes the newest agent the far end. It returns false when the bridge has ended.
func (b *bridge) attach(a *agent) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.act(b.machine.FarDown(time.Now(), true))
	if b.agent != nil {
		b.agent.end(errDisplaced)
	}
	b.agent = a
	b.log.Info("card agent connected", "user", a.user)
	b.act(b.machine.FarUp(time.Now(), true))
	b.settle()
	return true
}

// detach is the end of an agent.
func (b *bridge) detach(a *agent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.agent != a {
		return
	}
	b.log.Info("card agent gone", "user", a.user)
	b.act(b.machine.FarDown(time.Now(), true))
	b.agent = nil
	if b.relayFound {
		b.act(b.machine.FarUp(time.Now(), false))
	}
	b.settle()
}

// onFrame takes a message of vpcd when its turn has come. It returns false when the reader is not wanted any more.
func (b *bridge) onFrame(r *reader, frame []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.reader == r && !b.machine.AcceptsFrame() {
		b.turn.Wait()
	}
	if b.reader != r {
		return false
	}
	r.heard = true
	b.act(b.machine.Frame(time.Now(), frame))
	b.settle()
	return true
}

// onConnected is a connection to vpcd.
func (b *bridge) onConnected(r *reader, conn net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reader != r {
		return
	}
	r.conn, r.since = conn, time.Now()
	if socket, ok := conn.(*net.TCPConn); ok {
		r.quick, _ = nbio.New(socket) // fails only when it is closed already
	}
	b.machine.metrics.readers.Inc()
	b.act(b.machine.ReaderUp(time.Now()))
	b.settle()
}

// onUnreachable is a connection to vpcd that could not be made.
func (b *bridge) onUnreachable(err error) { b.board.vpcd(err) }

// onLost is the end of the connection to vpcd.
func (b *bridge) onLost(r *reader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reader != r {
		return
	}
	b.lostReader()
	b.settle()
}

// act does what the machine wants. It runs with mu held. None of it waits for a peer: the relay is only tried, an agent has its
// courier, and vpcd waits for the answer that it gets.
func (b *bridge) act(todo []action) {
	for _, a := range todo {
		switch a.kind {
		case toFar:
			b.ask(a.data)
		case toReader:
			if !b.write(a.data) {
				b.lostReader()
				return
			}
		case connect:
			b.openReader()
		case disconnect:
			b.closeReader()
		case resetChannel:
			b.agent.cut()
		}
	}
}

func (b *bridge) ask(packet []byte) {
	if b.agent != nil {
		b.agent.out.put(packet)
		return
	}
	switch err := b.link.TrySend(packet); {
	case err == nil:
	case errors.Is(err, relay.ErrBusy):
		b.relay.put(packet)
	default:
		b.relay.fail(err)
	}
}

// settle follows every event: what it has changed is shown, and the next one may come.
func (b *bridge) settle() {
	b.arm()
	b.publish()
	if b.machine.AcceptsFrame() {
		b.turn.Signal()
	}
}

// arm sets the timer when it would fire too late. One that fires too early costs a Tick.
func (b *bridge) arm() {
	due := b.machine.Deadline()
	if b.closed || due.IsZero() || !b.armed.IsZero() && !due.Before(b.armed) {
		return
	}
	b.armed = due
	b.timer.Reset(time.Until(due))
}

func (b *bridge) openReader() {
	if b.reader != nil || b.closed {
		return
	}
	var pause time.Duration
	if b.failures > 0 {
		pause = min(firstRedial<<min(b.failures, 8), lastRedial)
	}
	ctx, cancel := context.WithCancel(b.ctx)
	r := &reader{bridge: b, cancel: cancel}
	b.reader = r
	b.group.Go(func() error {
		defer cancel()
		return r.run(ctx, b.readers, pause)
	})
}

func (b *bridge) closeReader() {
	if b.reader != nil {
		b.reader.cancel()
		b.reader = nil
		b.turn.Broadcast()
	}
}

// lostReader drops the connection to vpcd, and has the machine ask for another one.
func (b *bridge) lostReader() {
	b.failures++
	if time.Since(b.reader.since) >= steadyAfter {
		b.failures = 0
	}
	b.closeReader()
	b.act(b.machine.ReaderDown(time.Now()))
}

// write sends a frame to vpcd, which waits for it.
func (b *bridge) write(frame []byte) bool {
	if b.reader == nil || b.reader.conn == nil {
		return true // closed meanwhile
	}
	n := 0
	if b.reader.quick != nil {
		var err error
		if n, err = b.reader.quick.TryWrite(frame); err != nil || n == len(frame) {
			return err == nil
		}
	}
	_ = b.reader.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := b.reader.conn.Write(frame[n:])
	return err == nil
}
