package smartcard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/relay"
	"ghostaux/pkg/service"
)

// Service is the smart card service.
type Service struct {
	config  Config
	env     service.Env
	log     *slog.Logger
	metrics *counters
	relayed *relay.Metrics
	board   *board
	root    string // of the file system that Check and Run look at; "" is the real one

	// Replaced by tests.
	dial      readers
	openRelay func(receive func([]byte)) (relayLink, error)
	newTimer  func() (timer, error)

	mu      sync.Mutex // guards the following field
	current *bridge    // nil between two Runs
}

// relayLink is the part of relay.Client that the service uses.
type relayLink interface {
	Run(ctx context.Context) error
	Wait(ctx context.Context) error
	Send(ctx context.Context, datagram []byte) error
	TrySend(datagram []byte) error
	State() relay.State
	Close() error
}

// New makes the service; it does nothing yet.
func New(c Config, env service.Env) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Service{
		config: c, env: env, log: env.Log, dial: dialer{c.VpcdAddr}, newTimer: newTimer,
		metrics: newCounters(env.Metrics), relayed: relay.NewMetrics(env.Metrics), board: newBoard(env.Log, c),
	}
	s.openRelay = func(receive func([]byte)) (relayLink, error) {
		return relay.Open(relay.Options{
			Path: c.Relay, Log: env.Log, Receive: receive, Inline: true, MaxReceive: agentReadLimit, Metrics: s.relayed,
		})
	}
	env.Metrics.GaugeFunc("card", "1 while there is a card in the virtual reader.", func() float64 {
		if s.board.get().Card {
			return 1
		}
		return 0
	})
	return s, nil
}

// Name is "smartcard".
func (s *Service) Name() string { return "smartcard" }

// Endpoints is the one for card agents, on the front door.
func (s *Service) Endpoints() []service.Endpoint {
	return []service.Endpoint{{
		Name: "agent", Mount: mount, Guard: s.env.Auth.Require(auth.Owner, nil), Handler: handler{s},
	}}
}

// Report is the Report of now. An empty reader whose vpcd has gone is missing, which nobody would notice otherwise until
// the next card.
func (s *Service) Report() any {
	r := s.board.get()
	if r.Reader == readerEmpty && s.running() != nil && s.lookForVpcd() != nil {
		r.Reader = readerMissing
		r.Advice = adviceNoVpcd()
	}
	return r
}

func (s *Service) running() *bridge {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *Service) setRunning(b *bridge) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = b
}

// Run bridges the far end and vpcd until ctx ends. Without vpcd there is nothing to do; once it was there, it is waited for.
func (s *Service) Run(ctx context.Context, ready func()) error {
	if err := s.lookForVpcd(); err != nil {
		return err
	}
	t, err := s.newTimer()
	if err != nil {
		return err
	}
	group, ctx := service.NewGroup(ctx)
	b := newBridge(ctx, group, s, t)
	closeAll, err := s.open(b)
	if err != nil {
		_ = t.Close()
		return err
	}
	defer closeAll()
	group.Go(b.run)
	s.setRunning(b)
	defer s.board.reset()
	defer s.setRunning(nil)
	ready()
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return context.Cause(ctx)
}

// open starts what the bridge needs beside its own goroutine.
func (s *Service) open(b *bridge) (closeAll func(), err error) {
	closeAll = func() {}
	if s.config.Relay != off {
		link, err := s.openRelay(func(datagram []byte) { b.onPacket(nil, datagram) })
		if err != nil {
			return nil, err
		}
		closeAll = func() { _ = link.Close() }
		b.link, b.relay = link, newCourier(link.Send)
		b.group.Go(func() error { return link.Run(b.ctx) })
		b.group.Go(func() error { return b.tend(link) })
	}
	if s.config.VpcdListen {
		first, second, err := listen(s.config.VpcdAddr)
		if err != nil {
			closeAll()
			return nil, fmt.Errorf("listen for vpcd: %w", err)
		}
		a := acceptor{make(chan net.Conn)}
		b.readers = a
		b.group.Go(func() error { return a.run(b.ctx, first) })
		b.group.Go(func() error { return acceptor{}.run(b.ctx, second) })
	}
	return closeAll, nil
}

// lookForVpcd returns a fault when nothing listens where vpcd should. What cannot be known is taken for granted: a card
// that is there will tell.
func (s *Service) lookForVpcd() error {
	if s.config.VpcdListen {
		return nil
	}
	if there, err := s.vpcdListens(); there || err != nil {
		return nil
	}
	return &service.Fault{
		Err:    fmt.Errorf("no virtual card reader: vpcd does not listen at %s", s.config.VpcdAddr),
		Kind:   service.Absent,
		Advice: adviceNoVpcd(),
	}
}

func adviceNoVpcd() string {
	return "Start pcscd with the vpcd driver; it is found by itself then. " + installAdvice()
}

// tend waits for the relay, carries to it what it does not take at once, and says when it comes and goes.
func (b *bridge) tend(link relayLink) error {
	for {
		if state := link.State(); !state.Present {
			b.onRelay(errors.New(state.Reason))
		}
		if err := link.Wait(b.ctx); err != nil {
			return err
		}
		b.onRelay(nil)
		err := b.relay.run(b.ctx)
		if b.ctx.Err() != nil {
			return b.ctx.Err()
		}
		b.onRelay(err)
		if !errors.Is(err, relay.ErrAbsent) {
			return fmt.Errorf("send to the relay: %w", err)
		}
	}
}
