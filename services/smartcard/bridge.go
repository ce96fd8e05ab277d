package smartcard

import (
	"context"
	"log/slog"
	"time"

	"ghostaux/pkg/service"
)

// bridge is one Run: the machine, and the goroutines that bring it events and do what it wants. All fields belong to the
// goroutine of run, except the channels.
type bridge struct {
	ctx     context.Context
	group   *service.Group
	log     *slog.Logger
	board   *board
	machine *machine
	readers readers

	relay      *courier // nil: none configured
	relayFound bool
	relayNews  chan error // nil: found; otherwise why it is lost
	relayIn    inbox

	agent   *agent // the newest; nil: none
	agentIn inbox
	attach  chan *agent
	detach  chan *agent

	shown    []byte  // the ATR that the board shows
	reader   *reader // nil: not wanted
	failures int     // connections to vpcd in a row that did not last
	timer    *time.Timer
	armed    time.Time // when the timer fires; zero: it does not
}

// inbox hands packets to the bridge without copying them: the giver waits until the packet was used.
type inbox struct {
	packets chan packetFrom
	used    chan struct{} // holds one value, so that the bridge never waits for the giver
	done    <-chan struct{}
}

type packetFrom struct {
	agent *agent // nil: the relay
	data  []byte
}

func newInbox(done <-chan struct{}) inbox {
	return inbox{packets: make(chan packetFrom), used: make(chan struct{}, 1), done: done}
}

// give returns true when the packet was used, and false when the bridge has ended.
func (i inbox) give(p packetFrom) bool {
	select {
	case i.packets <- p:
	case <-i.done:
		return false
	}
	select {
	case <-i.used:
		return true
	case <-i.done:
		return false
	}
}

// run handles events until ctx ends.
func (b *bridge) run() error {
	b.timer = time.NewTimer(time.Hour)
	defer b.timer.Stop()
	defer b.closeReader()
	for {
		var frames <-chan []byte
		var readerNews <-chan readerEvent
		if b.reader != nil {
			readerNews = b.reader.events
			if b.machine.AcceptsFrame() {
				frames = b.reader.frames
			}
		}
		select {
		case f := <-frames:
			b.reader.heard = true
			b.act(b.machine.Frame(time.Now(), f))
		case p := <-b.relayIn.packets:
			if b.agent == nil && b.relayFound {
				b.act(b.machine.Packet(time.Now(), p.data))
			}
			b.relayIn.used <- struct{}{}
		case p := <-b.agentIn.packets:
			if b.agent == p.agent {
				b.act(b.machine.Packet(time.Now(), p.data))
			}
			b.agentIn.used <- struct{}{}
		case e := <-readerNews:
			b.onReader(e)
		case err := <-b.relayNews:
			b.onRelay(err)
		case a := <-b.attach:
			b.onAttach(a)
		case a := <-b.detach:
			b.onDetach(a)
		case <-b.timer.C:
			b.armed = time.Time{}
			b.act(b.machine.Tick(time.Now()))
		case <-b.ctx.Done():
			return b.ctx.Err()
		}
		b.arm()
		b.publish()
	}
}

// act does what the machine wants. It may lead to further events, which it handles too.
func (b *bridge) act(todo []action) {
	for _, a := range todo {
		switch a.kind {
		case toFar:
			if b.agent != nil {
				b.agent.out.put(a.data)
			} else {
				b.relay.put(a.data)
			}
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

// arm sets the timer when it would fire too late. One that fires too early costs a Tick.
func (b *bridge) arm() {
	due := b.machine.Deadline()
	if due.IsZero() || !b.armed.IsZero() && !due.Before(b.armed) {
		return
	}
	b.armed = due
	b.timer.Reset(time.Until(due))
}

func (b *bridge) onRelay(err error) {
	b.relayFound = err == nil
	b.board.relay(err)
	switch {
	case b.agent != nil:
	case b.relayFound:
		b.act(b.machine.FarUp(time.Now(), false))
	default:
		b.act(b.machine.FarDown(time.Now(), false))
	}
}

// onAttach makes the newest agent the far end.
func (b *bridge) onAttach(a *agent) {
	b.act(b.machine.FarDown(time.Now(), true))
	if b.agent != nil {
		b.agent.end(errDisplaced)
	}
	b.agent = a
	b.log.Info("card agent connected", "user", a.user)
	b.act(b.machine.FarUp(time.Now(), true))
}

func (b *bridge) onDetach(a *agent) {
	if b.agent != a {
		return
	}
	b.log.Info("card agent gone", "user", a.user)
	b.act(b.machine.FarDown(time.Now(), true))
	b.agent = nil
	if b.relayFound {
		b.act(b.machine.FarUp(time.Now(), false))
	}
}

func (b *bridge) openReader() {
	if b.reader != nil {
		return
	}
	var pause time.Duration
	if b.failures > 0 {
		pause = min(firstRedial<<min(b.failures, 8), lastRedial)
	}
	ctx, cancel := context.WithCancel(b.ctx)
	r := newReader(cancel)
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
	}
}

func (b *bridge) onReader(e readerEvent) {
	switch {
	case e.conn != nil:
		b.reader.conn, b.reader.since = e.conn, time.Now()
		b.machine.metrics.readers.Inc()
		b.act(b.machine.ReaderUp(time.Now()))
	case e.down:
		b.lostReader()
	default:
		b.board.vpcd(e.err)
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
	_ = b.reader.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := b.reader.conn.Write(frame)
	return err == nil
}
