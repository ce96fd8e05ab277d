package host

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/metrics"
	"ghostaux/pkg/service"
	"ghostaux/pkg/ws"
)

// stopWait is how long peers have to leave at a stop before they are cut.
const stopWait = 5 * time.Second

// firstTry is how long devices wait for addresses: one given by name may take long to be looked up.
const firstTry = 100 * time.Millisecond

// Options are what the host is built from.
type Options struct {
	Config     Config
	Log        *slog.Logger
	Auth       *auth.Auth
	TLS        *tls.Config // nil: plain HTTP everywhere, for those who end TLS in front
	Sockets    *ws.Sockets
	Supervisor *service.Supervisor
	Services   []service.Service
	Metrics    *metrics.Registry
	Console    http.Handler // the page at / of the front door
	Version    string
}

// Host serves the endpoints of all services.
type Host struct {
	opts      Options
	listeners []*listener
	blocks    *blocks
	started   time.Time
	requests  metrics.Counters
	panics    *metrics.Counter
}

// New builds all handlers. It fails on what cannot be served: an endpoint without a guard, two on one address.
func New(o Options) (*Host, error) {
	ours := o.Metrics.Prefixed("ghostaux_")
	h := &Host{
		opts:     o,
		blocks:   newBlocks(),
		started:  time.Now(),
		requests: ours.Counters("http_requests_total", "Requests answered, by service and class of status.", "service", "class"),
		panics:   ours.Counter("http_panics_total", "Requests whose handler panicked."),
	}
	if err := h.checkControls(); err != nil {
		return nil, err
	}
	taken := map[string]string{}
	for _, svc := range o.Services {
		for _, ep := range svc.Endpoints() {
			if err := h.addEndpoint(svc.Name(), ep, taken); err != nil {
				return nil, err
			}
		}
	}
	if Closed(o.Config.Addr) {
		return h, nil
	}
	if other := taken[o.Config.Addr]; other != "" && !anyPort(o.Config.Addr) {
		return nil, fmt.Errorf("address %s is asked for twice, by %s and by the front door", o.Config.Addr, other)
	}
	front, err := h.frontDoor()
	if err != nil {
		return nil, err
	}
	h.listen(listenerOptions{service: FrontDoor, addr: o.Config.Addr, handler: front})
	return h, nil
}

func (h *Host) addEndpoint(name string, ep service.Endpoint, taken map[string]string) error {
	if ep.Guard == nil {
		return fmt.Errorf("service %s: endpoint %q has no guard", name, ep.Name)
	}
	if Closed(ep.Addr) {
		return nil
	}
	if other := taken[ep.Addr]; other != "" && !anyPort(ep.Addr) {
		return fmt.Errorf("address %s is asked for twice, by %s and by %s", ep.Addr, other, name)
	}
	taken[ep.Addr] = name
	handler := ep.Handler
	if ep.Mount != "" { // others are for programs on this machine
		handler = h.permit(name, handler)
	}
	h.listen(listenerOptions{
		service: name, endpoint: ep.Name, addr: ep.Addr, plain: ep.Plain,
		handler: h.wrap(name, ep.Guard(handler)),
	})
	return nil
}

// Listens reports whether there is any address at all; the relay services have none.
func (h *Host) Listens() bool { return len(h.listeners) > 0 }

// Run serves until ctx ends; then it stops accepting, closes the sockets with 1001, and returns when the peers have gone
// or after 5 s. Devices are still there until it has returned. It calls tried when every address has been tried once, or some
// take long for that.
func (h *Host) Run(ctx context.Context, tried func()) {
	var serving, trying sync.WaitGroup
	for _, l := range h.listeners {
		trying.Add(1)
		serving.Go(func() { l.run(ctx, trying.Done) })
	}
	all := make(chan struct{})
	serving.Go(func() {
		trying.Wait()
		close(all)
	})
	select {
	case <-all:
	case <-time.After(firstTry):
	}
	tried()
	<-ctx.Done()

	limit, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	var stopping sync.WaitGroup
	for _, l := range h.listeners {
		stopping.Go(func() { l.stop(limit) })
	}
	if left := h.opts.Sockets.Drain(limit); left > 0 {
		h.opts.Log.Warn("sockets cut at stop", "count", left)
	}
	stopping.Wait()
	serving.Wait()
}
