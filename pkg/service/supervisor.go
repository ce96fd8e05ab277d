package service

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"ghostaux/pkg/metrics"
)

// Retry delays: doubling from firstDelay. A broken device is tried ever more rarely; a missing one is looked for at every
// look of the process, which costs one failed connect or open.
const (
	firstDelay   = 500 * time.Millisecond
	maxDelay     = 30 * time.Second
	healthyAfter = time.Minute // ready for so long, the next failure starts at firstDelay again
)

// Supervisor keeps every service running, and knows how each of them is.
type Supervisor struct {
	log     *slog.Logger
	retries metrics.Counters
	states  metrics.Gauges

	mu      sync.Mutex // guards the following fields
	entries []*entry
	changed chan struct{} // closed and replaced at every change
}

// entry is one service; its fields are guarded by the supervisor's mu.
type entry struct {
	service   Service // nil when off
	status    Status  // of Run alone; addresses apart
	addresses []Address
}

// NewSupervisor takes the services to run, and the names of those that are off.
func NewSupervisor(log *slog.Logger, reg *metrics.Registry, services []Service, off []string) *Supervisor {
	s := &Supervisor{
		log:     log,
		retries: reg.Counters("service_retries_total", "Times a service was started again after a failure.", "service"),
		states:  reg.Gauges("service_state", "1 for the state that each service is in.", "service", "state"),
		changed: make(chan struct{}),
	}
	for _, svc := range services {
		s.retries.With(svc.Name())
		s.entries = append(s.entries, &entry{service: svc, status: Status{Name: svc.Name(), State: Starting, Since: time.Now()}})
	}
	for _, name := range off {
		s.entries = append(s.entries, &entry{status: Status{Name: name, State: Off, Since: time.Now()}})
	}
	for _, e := range s.entries {
		s.count(e)
	}
	return s
}

// Run runs all services until ctx ends and every Run has returned.
func (s *Supervisor) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, e := range s.entries {
		if e.service != nil {
			running.Go(func() { s.supervise(ctx, e) })
		}
	}
	running.Wait()
}

// supervise runs one service again and again.
func (s *Supervisor) supervise(ctx context.Context, e *entry) {
	var delay time.Duration
	for {
		var readySince time.Time
		err := Protect(func() error {
			return e.service.Run(ctx, func() {
				readySince = time.Now()
				s.ready(e)
			})
		})
		if ctx.Err() != nil { // asked to stop; what kind of error came of it does not matter
			s.stopped(e, err)
			return
		}
		if err == nil {
			err = errors.New("ended without being asked to")
		}
		if fault, ok := errors.AsType[*Fault](err); ok && fault.Kind == Misconfigured {
			s.failed(e, err)
			<-ctx.Done()
			s.stopped(e, nil)
			return
		}
		if !readySince.IsZero() && time.Since(readySince) >= healthyAfter {
			delay = 0
		}
		delay = nextDelay(delay, err)
		wait := untilMultiple(delay)
		if !absent(err) {
			wait = spread(delay)
		}
		s.degraded(e, err, wait)
		if !sleep(ctx, wait, retryOf(err)) {
			s.stopped(e, nil)
			return
		}
		s.retries.With(e.service.Name()).Inc()
	}
}

// nextDelay doubles the last delay, up to the limit for this error.
func nextDelay(last time.Duration, err error) time.Duration {
	limit := maxDelay
	if absent(err) {
		limit = LookEvery
	}
	return min(max(last*2, firstDelay), limit)
}

// spread shortens a delay by up to a fifth, so that services which failed together do not come back together.
func spread(d time.Duration) time.Duration { return d - rand.N(d/5) }

func absent(err error) bool {
	fault, ok := errors.AsType[*Fault](err)
	return ok && fault.Kind == Absent
}

func retryOf(err error) <-chan struct{} {
	if fault, ok := errors.AsType[*Fault](err); ok {
		return fault.Retry
	}
	return nil
}

// sleep reports whether it is time for the next try; else ctx has ended.
func sleep(ctx context.Context, d time.Duration, retry <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-retry:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Supervisor) ready(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.Info("service ready", "service", e.status.Name)
	s.set(e, Status{State: Ready})
}

func (s *Supervisor) degraded(e *entry, err error, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	level := slog.LevelWarn
	if e.status.State == Degraded && e.status.Reason == err.Error() {
		level = slog.LevelDebug // the same again
	}
	next := time.Now().Add(delay)
	status := Status{State: Degraded, Reason: err.Error(), NextTry: &next}
	attrs := []any{"service", e.status.Name, "error", err}
	if fault, ok := errors.AsType[*Fault](err); ok {
		status.Advice, status.Absent = fault.Advice, fault.Kind == Absent
		attrs = append(attrs, "advice", fault.Advice)
	}
	if p, ok := errors.AsType[*PanicError](err); ok {
		attrs = append(attrs, "stack", string(p.Stack))
		level = slog.LevelError
	}
	s.log.Log(context.Background(), level, "service degraded", attrs...)
	e.status.Retries++
	s.set(e, status)
}

func (s *Supervisor) failed(e *entry, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := Status{State: Failed, Reason: err.Error()}
	if fault, ok := errors.AsType[*Fault](err); ok {
		status.Advice = fault.Advice
	}
	s.log.Error("service failed", "service", e.status.Name, "error", err, "advice", status.Advice)
	s.set(e, status)
}

func (s *Supervisor) stopped(e *entry, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.Warn("service stopped with an error", "service", e.status.Name, "error", err)
	}
	s.set(e, Status{State: Stopped})
}

// set runs with mu held. It keeps the name, the retries, and the time since which the state has held.
func (s *Supervisor) set(e *entry, next Status) {
	next.Name, next.Retries, next.Since = e.status.Name, e.status.Retries, e.status.Since
	if next.State != e.status.State {
		next.Since = time.Now()
	}
	e.status = next
	s.count(e)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Supervisor) count(e *entry) {
	for _, state := range []State{Off, Starting, Ready, Degraded, Failed, Stopped} {
		value := 0.0
		if e.status.State == state {
			value = 1
		}
		s.states.With(e.status.Name, string(state)).Set(value)
	}
}

// SetAddress records what became of listening on an endpoint of a service; a nil error means that it is served.
func (s *Supervisor) SetAddress(name string, addr Address) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.entries, func(e *entry) bool { return e.status.Name == name })
	if i < 0 {
		return // the front door is nobody's service
	}
	e := s.entries[i]
	if j := slices.IndexFunc(e.addresses, func(a Address) bool { return a.Name == addr.Name }); j >= 0 {
		e.addresses[j] = addr
	} else {
		e.addresses = append(e.addresses, addr)
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// Changed returns a channel that is closed at the next change of any status.
func (s *Supervisor) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}
