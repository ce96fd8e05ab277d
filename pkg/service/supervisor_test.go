package service_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ghostaux/pkg/metrics"
	"ghostaux/pkg/service"
)

// script is a service whose Runs do what the test says, the last one again and again.
type script struct {
	name string
	runs []func(ctx context.Context, ready func()) error
	next atomic.Int32
}

func (s *script) Name() string                  { return s.name }
func (s *script) Endpoints() []service.Endpoint { return nil }

func (s *script) Run(ctx context.Context, ready func()) error {
	i := int(s.next.Add(1)) - 1
	return s.runs[min(i, len(s.runs)-1)](ctx, ready)
}

func fails(err error) func(context.Context, func()) error {
	return func(context.Context, func()) error { return err }
}

func works(ctx context.Context, ready func()) error {
	ready()
	<-ctx.Done()
	return ctx.Err()
}

// start supervises the services until the test's bubble ends.
func start(t *testing.T, log *slog.Logger, services ...service.Service) *service.Supervisor {
	t.Helper()
	s := service.NewSupervisor(log, metrics.New(), services, []string{"unchosen"})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if left := s.Unstopped(); len(left) > 0 {
			t.Errorf("not stopped: %v", left)
		}
	})
	return s
}

func statusOf(t *testing.T, s *service.Supervisor, name string) service.Status {
	t.Helper()
	for _, st := range s.Snapshot() {
		if st.Name == name {
			return st
		}
	}
	t.Fatalf("no status of %s", name)
	return service.Status{}
}

func TestFailureIsRetriedAndInvisibleToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := &script{name: "broken", runs: []func(context.Context, func()) error{
			fails(errors.New("no device")), fails(errors.New("no device")), works,
		}}
		good := &script{name: "good", runs: []func(context.Context, func()) error{works}}
		s := start(t, slog.New(slog.DiscardHandler), broken, good)
		synctest.Wait()
		st := statusOf(t, s, "broken")
		if st.State != service.Degraded || st.Reason != "no device" || st.NextTry == nil {
			t.Fatalf("after the first failure: %+v", st)
		}
		if st := statusOf(t, s, "good"); st.State != service.Ready {
			t.Fatalf("the other service is %s", st.State)
		}
		if ok, names := s.Ready(); ok || len(names) != 1 || names[0] != "broken" {
			t.Fatalf("ready %v %v", ok, names)
		}
		time.Sleep(2 * time.Second) // 0.5 s, then 1 s
		synctest.Wait()
		if st := statusOf(t, s, "broken"); st.State != service.Ready || st.Retries != 2 {
			t.Fatalf("after two retries: %+v", st)
		}
		if ok, _ := s.Ready(); !ok {
			t.Fatal("not ready")
		}
		if st := statusOf(t, s, "unchosen"); st.State != service.Off {
			t.Fatalf("unchosen is %s", st.State)
		}
		if n := good.next.Load(); n != 1 {
			t.Fatalf("the good service was run %d times", n)
		}
	})
}

// An inner deadline is no stop: only the service's own context is.
func TestInnerDeadlineIsNotAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := &script{name: "x", runs: []func(context.Context, func()) error{
			fails(context.DeadlineExceeded), fails(context.Canceled), works,
		}}
		s := start(t, slog.New(slog.DiscardHandler), svc)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if st := statusOf(t, s, "x"); st.State != service.Ready {
			t.Fatalf("taken for a stop: %+v", st)
		}
	})
}

func TestPanicEndsTheRunAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		svc := &script{name: "x", runs: []func(context.Context, func()) error{
			func(context.Context, func()) error { panic("in Run") },
			func(ctx context.Context, _ func()) error {
				group, _ := service.NewGroup(ctx)
				group.Go(func() error { panic("in a goroutine") })
				return group.Wait()
			},
			works,
		}}
		s := start(t, slog.New(slog.NewTextHandler(&log, nil)), svc)
		synctest.Wait()
		if st := statusOf(t, s, "x"); st.State != service.Degraded || st.Reason != "panic: in Run" {
			t.Fatalf("%+v", st)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if st := statusOf(t, s, "x"); st.State != service.Ready {
			t.Fatalf("%+v", st)
		}
		if !strings.Contains(log.String(), "supervisor_test.go") {
			t.Errorf("the log has no stack: %s", log.String())
		}
	})
}

func TestEndingWithoutErrorIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := &script{name: "x", runs: []func(context.Context, func()) error{fails(nil), works}}
		s := start(t, slog.New(slog.DiscardHandler), svc)
		synctest.Wait()
		if st := statusOf(t, s, "x"); st.State != service.Degraded {
			t.Fatalf("%+v", st)
		}
	})
}

func TestMisconfiguredIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := &script{name: "x", runs: []func(context.Context, func()) error{
			fails(&service.Fault{Err: errors.New("bad"), Kind: service.Misconfigured, Advice: "mend it"}), works,
		}}
		s := start(t, slog.New(slog.DiscardHandler), svc)
		time.Sleep(time.Hour)
		synctest.Wait()
		if st := statusOf(t, s, "x"); st.State != service.Failed || st.Advice != "mend it" || svc.next.Load() != 1 {
			t.Fatalf("%+v after %d runs", st, svc.next.Load())
		}
	})
}

// A missing device is found soon after it appears, however long it was missing; a broken one is tried ever more rarely.
func TestDelays(t *testing.T) {
	for _, c := range []struct {
		kind     service.Kind
		min, max int32 // runs in the tenth minute
		ready    bool
	}{
		{service.Absent, 33, 34, true},
		{service.Broken, 2, 3, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			svc := &script{name: "x", runs: []func(context.Context, func()) error{
				fails(&service.Fault{Err: errors.New("gone"), Kind: c.kind}),
			}}
			s := start(t, slog.New(slog.DiscardHandler), svc)
			time.Sleep(9 * time.Minute)
			before := svc.next.Load()
			time.Sleep(time.Minute)
			if n := svc.next.Load() - before; n < c.min || n > c.max {
				t.Errorf("kind %d: %d runs a minute, want %d to %d", c.kind, n, c.min, c.max)
			}
			if ok, _ := s.Ready(); ok != c.ready {
				t.Errorf("kind %d: ready %v", c.kind, ok)
			}
		})
	}
}

func TestHealthyMinuteStartsDelaysAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := []func(context.Context, func()) error{}
		for range 8 {
			runs = append(runs, fails(errors.New("broken")))
		}
		healthy := func(ctx context.Context, ready func()) error {
			ready()
			select {
			case <-time.After(2 * time.Minute):
				return errors.New("broken again")
			case <-ctx.Done():
				return nil
			}
		}
		svc := &script{name: "x", runs: append(runs, healthy, works)}
		s := start(t, slog.New(slog.DiscardHandler), svc)
		time.Sleep(4*time.Minute + 10*time.Second)
		synctest.Wait()
		if st := statusOf(t, s, "x"); st.State != service.Ready || svc.next.Load() != 10 {
			t.Fatalf("%+v after %d runs", st, svc.next.Load())
		}
	})
}

func TestRetryAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan struct{}, 1)
		svc := &script{name: "x", runs: []func(context.Context, func()) error{
			fails(&service.Fault{Err: errors.New("gone"), Retry: asked}), works,
		}}
		s := start(t, slog.New(slog.DiscardHandler), svc)
		synctest.Wait()
		asked <- struct{}{}
		synctest.Wait()
		if st := statusOf(t, s, "x"); st.State != service.Ready {
			t.Fatalf("%+v", st)
		}
	})
}

// The first failure is a warning, the same again is not worth one.
func TestSameFailureIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		svc := &script{name: "x", runs: []func(context.Context, func()) error{fails(errors.New("gone"))}}
		_ = start(t, slog.New(slog.NewTextHandler(&log, nil)), svc)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d lines in an hour:\n%s", n, log.String())
		}
	})
}

func TestTakenAddressDegrades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, slog.New(slog.DiscardHandler), &script{name: "x", runs: []func(context.Context, func()) error{works}})
		synctest.Wait()
		changed := s.Changed()
		s.SetAddress("x", service.Address{Addr: ":4902", Error: "address :4902 is in use"})
		<-changed
		if st := statusOf(t, s, "x"); st.State != service.Degraded || !strings.Contains(st.Reason, ":4902") {
			t.Fatalf("%+v", st)
		}
		s.SetAddress("x", service.Address{Addr: "[::]:4902"})
		if st := statusOf(t, s, "x"); st.State != service.Ready || len(st.Addresses) != 1 {
			t.Fatalf("%+v", st)
		}
	})
}
