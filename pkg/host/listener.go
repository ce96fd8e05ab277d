package host

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"ghostaux/pkg/service"
	"ghostaux/pkg/ws"
)

// Limits of every listener. Bodies have none here: the services know theirs.
const (
	headerTimeout  = 10 * time.Second // for the TLS handshake and for a request's header
	idleTimeout    = 2 * time.Minute  // of a kept-alive connection between requests
	maxHeaderBytes = 32 << 10
	maxConnections = 4096 // per listener
	listenRetryMax = 5 * time.Second
)

type listenerOptions struct {
	service  string
	endpoint string
	addr     string
	plain    bool
	handler  http.Handler
}

// listener is one address: it goes on trying until it gets it.
type listener struct {
	listenerOptions
	host   *Host
	server *http.Server
}

func (h *Host) listen(o listenerOptions) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // WebSockets need HTTP/1.1, and nothing here gains from 2
	server := &http.Server{
		Handler:           o.handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         protocols,
		ConnContext:       ws.ConnContext,
		ErrorLog:          slog.NewLogLogger(h.opts.Log.Handler(), slog.LevelDebug),
	}
	if h.opts.TLS != nil && !o.plain {
		server.TLSConfig = h.opts.TLS.Clone()
	}
	h.listeners = append(h.listeners, &listener{listenerOptions: o, host: h, server: server})
}

// run listens and serves until stop is called or ctx ends, and tries again when the address is taken. It calls tried after
// the first try.
func (l *listener) run(ctx context.Context, tried func()) {
	log := l.host.opts.Log.With("service", l.service, "endpoint", l.endpoint)
	delay := 250 * time.Millisecond
	var last string
	var open net.ListenConfig
	ln, err := open.Listen(ctx, "tcp", l.addr)
	tried()
	for {
		if err == nil {
			log.Info("listening", "addr", ln.Addr().String(), "tls", l.server.TLSConfig != nil)
			l.report(ln.Addr().String(), nil)
			delay = 250 * time.Millisecond
			err = l.serve(ln)
			if errors.Is(err, http.ErrServerClosed) {
				return
			}
		}
		err = explain(l.addr, err)
		level := slog.LevelWarn
		if err.Error() == last {
			level = slog.LevelDebug
		}
		last = err.Error()
		log.Log(ctx, level, "not listening", "error", err)
		l.report(l.addr, err)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return
		}
		delay = min(delay*2, listenRetryMax)
		ln, err = open.Listen(ctx, "tcp", l.addr)
	}
}

func (l *listener) serve(ln net.Listener) error {
	defer ln.Close()
	limited := &limitedListener{Listener: ln, free: make(chan struct{}, maxConnections), blocks: l.host.blocks}
	if l.server.TLSConfig == nil {
		return l.server.Serve(limited)
	}
	return l.server.Serve(tls.NewListener(limited, l.server.TLSConfig))
}

func (l *listener) report(addr string, err error) {
	a := service.Address{Name: l.endpoint, Addr: addr}
	if err != nil {
		a.Error = err.Error()
	}
	l.host.opts.Supervisor.SetAddress(l.service, a)
}

// stop ends accepting at once and waits for requests; those that are left when ctx ends are cut.
func (l *listener) stop(ctx context.Context) {
	if err := l.server.Shutdown(ctx); err != nil {
		_ = l.server.Close()
	}
}

func explain(addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("address %s is in use by another program: %w", addr, err)
	}
	return fmt.Errorf("listen on %s: %w", addr, err)
}

// anyPort reports whether the kernel chooses the port.
func anyPort(addr string) bool { return strings.HasSuffix(addr, ":0") }
