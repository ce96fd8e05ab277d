// Package service holds the one shape that every service of ghostaux has, the supervisor that keeps
// each of them running, and the states that the outside may ask for.
package service

import (
	"context"
	"log/slog"
	"net/http"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/cores"
	"ghostaux/pkg/metrics"
	"ghostaux/pkg/ws"
)

// Service is one auxiliary service. Its peers speak HTTP through Endpoints; its device lives inside Run.
type Service interface {
	// Name is the service's name in flags, states, metrics and logs: lower case, no spaces.
	Name() string
	// Endpoints are fixed for the life of the process; the two relay services have none of their own address.
	Endpoints() []Endpoint
	// Run opens the device, calls ready, works until ctx ends, releases everything and returns.
	// Returning nil before ctx ends is a failure. No goroutine that it started outlives it, and all
	// state is made anew at its top, so that the next Run starts clean. The supervisor calls it again
	// after a failure; wrap the error in a Fault where a person can do something about it.
	Run(ctx context.Context, ready func()) error
}

// Reporter is a Service that has more to show in /status than its state.
type Reporter interface {
	// Report returns a value for encoding/json, made anew for the caller. It must not block.
	Report() any
}

// Checker is a Service that can say what `ghostaux check` would find on this machine.
type Checker interface {
	// Check looks without changing anything, for at most a few seconds.
	Check(ctx context.Context) []Finding
}

// Finding is one line of `ghostaux check`.
type Finding struct {
	What   string // what was looked for: "PulseAudio", "ffmpeg"
	OK     bool
	Detail string // what was found
	Advice string // what to do about it when it is not OK
}

// Endpoint is one HTTP surface of a service.
type Endpoint struct {
	Name    string       // tells the endpoints of one service apart in logs and states; "" for the main one
	Addr    string       // its own listener, host:port; "" or "off" for none
	Mount   string       // its path under the front door, "/audio/"; "" keeps it off the front door
	Guard   auth.Guard   // nil is refused at start: nothing is open by omission
	Handler http.Handler // sees paths relative to Addr or to Mount; finds auth.From(ctx) filled in
	Plain   bool         // no TLS on Addr: for peers on this machine only
}

// Env is what every service is built with.
type Env struct {
	Log     *slog.Logger      // carries the service's name already
	Metrics *metrics.Registry // prefixes ghostaux_<service>_ already
	Auth    *auth.Auth        // makes the guards of the endpoints
	Sockets *ws.Sockets       // accepts WebSockets, and closes them when the process stops
	Cores   *cores.Cores      // is told of work that lasts; nil in tests
}
