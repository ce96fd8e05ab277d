package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/metrics"
	"ghostaux/pkg/service"
)

// FrontDoor is the front door's name in logs and metrics.
const FrontDoor = "frontdoor"

// frontDoor has the services under the path names of Kasm's port map, the console, and what operators ask for.
func (h *Host) frontDoor() (http.Handler, error) {
	r := chi.NewRouter()
	for _, svc := range h.opts.Services {
		for _, ep := range svc.Endpoints() {
			if ep.Mount == "" {
				continue
			}
			mount := strings.TrimSuffix(ep.Mount, "/")
			if !strings.HasPrefix(mount, "/") {
				return nil, fmt.Errorf("service %s: mount %q is not a path", svc.Name(), ep.Mount)
			}
			handler := h.wrap(svc.Name(), ep.Guard(h.permit(svc.Name(), strip(h.opts.Config.Prefix+mount, ep.Handler))))
			r.Handle(mount, handler)
			r.Handle(mount+"/*", handler)
		}
	}
	look := h.opts.Auth.Require(auth.Viewer, nil)
	own := func(g auth.Guard, f http.HandlerFunc) http.Handler { return h.wrap(FrontDoor, g(f)) }
	r.Method(http.MethodGet, "/status", own(look, h.status))
	r.Method(http.MethodGet, "/events", own(look, h.events))
	r.Method(http.MethodGet, "/metrics", own(look, h.serveMetrics))
	r.Method(http.MethodGet, "/healthz", own(auth.Open, healthz)) // probes have no credential, and learn nothing
	r.Method(http.MethodGet, "/readyz", own(auth.Open, h.readyz))
	console := h.wrap(FrontDoor, h.console())
	r.Handle("/*", console)
	if h.opts.Config.Prefix == "" {
		return r, nil
	}
	outer := chi.NewRouter()
	outer.Mount(h.opts.Config.Prefix, r)
	return outer, nil
}

func (h *Host) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	if h.opts.Metrics.Write(w) == nil {
		metrics.WriteProcess(w)
	}
}

// strip takes the mount off the path: the handler sees paths as on its own address.
func strip(mount string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A router of the service's own is to look at that path, and not at what the front door's has left of it.
		r = r.WithContext(context.WithValue(r.Context(), chi.RouteCtxKey, (*chi.Context)(nil)))
		if r.URL.Path == mount {
			r2 := r.Clone(r.Context())
			r2.URL.Path, r2.URL.RawPath = "/", ""
			next.ServeHTTP(w, r2)
			return
		}
		http.StripPrefix(mount, next).ServeHTTP(w, r)
	})
}

// statusPage is the JSON of /status.
type statusPage struct {
	Version  string           `json:"version"`
	Started  time.Time        `json:"started"`
	Role     string           `json:"role"` // of whoever asks
	Sockets  int              `json:"sockets"`
	Services []service.Status `json:"services"`
}

// status tells a viewer the states alone: reasons and details have addresses, paths and names of documents in them.
func (h *Host) status(w http.ResponseWriter, r *http.Request) {
	role := auth.From(r.Context()).Role
	page := statusPage{
		Version: h.opts.Version, Started: h.started, Role: role.String(),
		Sockets: h.opts.Sockets.Len(), Services: h.opts.Supervisor.Snapshot(),
	}
	if role < auth.Owner {
		for i, st := range page.Services {
			page.Services[i] = service.Status{Name: st.Name, State: st.State, Since: st.Since, Absent: st.Absent}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(page); err != nil && !errors.Is(err, http.ErrHandlerTimeout) {
		h.opts.Log.Debug("status not sent", "error", err)
	}
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte("ok\n"))
}

func (h *Host) readyz(w http.ResponseWriter, _ *http.Request) {
	if ok, names := h.opts.Supervisor.Ready(); !ok {
		http.Error(w, "not ready: "+strings.Join(names, ", "), http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ready\n"))
}
