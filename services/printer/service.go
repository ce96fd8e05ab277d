package printer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/cores"
	"ghostaux/pkg/relay"
	"ghostaux/pkg/service"
)

// Service is the printer.
type Service struct {
	config    Config
	log       *slog.Logger
	metrics   *counters
	relayed   *relay.Metrics
	cores     *cores.Cores
	endpoints []service.Endpoint

	// These outlive a Run: a document that is complete is not lost because the directory is.
	history *history
	queue   *queue
	ledger  *ledger // of Run alone
	pages   *pages  // of Run alone

	watching atomic.Bool
	client   atomic.Pointer[relay.Client] // of the Run that works; nil between
}

// New makes the service. It touches neither the directory nor the relay.
func New(c Config, env service.Env) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Service{
		config: c, log: env.Log, relayed: relay.NewMetrics(env.Metrics), cores: env.Cores,
		history: &history{maxKept: maxKept}, queue: newQueue(), ledger: newLedger(), pages: &pages{},
	}
	s.metrics = newCounters(env.Metrics, func() float64 { return float64(s.queue.length()) })
	s.endpoints = s.newEndpoints(env)
	return s, nil
}

// Name is "printer".
func (s *Service) Name() string { return "printer" }

// Endpoints are the list of documents, on the front door only.
func (s *Service) Endpoints() []service.Endpoint { return s.endpoints }

// fastBuffer is what may be on its way to a relay without a pace, in bytes. The kernel wakes a sender when three quarters of
// its buffer are free: with its own of 208 KiB that is when the relay has nothing left to read.
const fastBuffer = 416 << 10

// Run watches the directory and sends what comes. It is ready while it watches; the relay may be absent, for which
// documents wait.
func (s *Service) Run(ctx context.Context, ready func()) error {
	dir, err := s.config.directory()
	if err != nil {
		return &service.Fault{Err: err, Kind: service.Misconfigured, Advice: "Set HOME, or give the directory with --printer-dir."}
	}
	o := relay.Options{Path: s.config.Relay, Log: s.log, Metrics: s.relayed}
	if s.config.Pace == 0 { // with a pace it would only let a browser's pause be followed by a longer burst
		o.SendBuffer = fastBuffer
	}
	client, err := relay.Open(o)
	if err != nil {
		return fmt.Errorf("open the relay: %w", err)
	}
	defer client.Close()
	s.client.Store(client)
	defer s.client.Store(nil)
	defer s.watching.Store(false)

	w := &watcher{Service: s, dir: dir}
	group, ctx := service.NewGroup(ctx)
	group.Go(func() error { return w.run(ctx, ready) })
	group.Go(func() error { return newSender(s, client).run(ctx) })
	return group.Wait()
}

// probe tells whether the relay is there.
func (s *Service) probe() error { return relay.Probe(s.config.Relay) }

// fault says what a person can do about a directory that cannot be watched.
func fault(dir string, err error) error {
	f := &service.Fault{Err: err, Kind: service.Broken}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Kind = service.Absent
		f.Advice = "Create " + dir + ", or let cups-pdf create it with its first document; it is found by itself then."
	case errors.Is(err, fs.ErrPermission):
		f.Advice = "Let the user that ghostaux runs as read " + dir + "; a command run with sudo may have made it root's."
	case errors.Is(err, unix.ENOTDIR):
		f.Advice = "Give a directory with --printer-dir."
	case errors.Is(err, unix.EMFILE):
		f.Advice = "Raise the sysctl fs.inotify.max_user_instances on the host, or the limit of open files."
	case errors.Is(err, unix.ENOSPC):
		f.Advice = "Raise the sysctl fs.inotify.max_user_watches on the host."
	}
	return f
}

// Report is the service in /status.
type Report struct {
	Directory string      `json:"directory"`
	Watching  bool        `json:"watching"` // new files in it are found
	Relay     relay.State `json:"relay"`
	Queued    int         `json:"queued"`    // documents that wait, the one that is being sent among them
	Documents []entry     `json:"documents"` // the last ones, newest first
}

// Report implements service.Reporter.
func (s *Service) Report() any {
	r := Report{Directory: s.config.Dir, Watching: s.watching.Load(), Queued: s.queue.length(), Documents: s.history.entries()}
	if dir, err := s.config.directory(); err == nil {
		r.Directory = dir
	}
	if c := s.client.Load(); c != nil {
		r.Relay = c.State()
	} else {
		r.Relay = relay.StateOf(s.config.Relay)
	}
	return r
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
