package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/cores"
	"ghostaux/pkg/host"
	"ghostaux/pkg/metrics"
	"ghostaux/pkg/service"
	"ghostaux/pkg/ws"
	"ghostaux/services"
	"ghostaux/web"
)

// deviceWait is how long the services have to release their devices after the peers have gone.
const deviceWait = 5 * time.Second

type serveCommand struct {
	FailSecure bool `help:"End with exit code 1 when a service has failed; a device that is missing is no failure." env:"GHOSTAUX_FAIL_SECURE,DLP_PROCESS_FAIL_SECURE"`
}

// Run serves until SIGTERM or SIGINT; a second one exits at once.
func (cmd serveCommand) Run(c *config, out *output) error {
	keepPagesSmall()
	log := c.Log.logger(out.stderr)
	p, err := newProcess(c, log)
	if err != nil {
		return err
	}
	p.announce(out)

	stop := make(chan os.Signal, 2)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(stop)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		log.Info("stopping", "signal", (<-stop).String())
		cancel()
		log.Warn("stopping at once", "signal", (<-stop).String())
		os.Exit(1)
	}()
	go reapOrphans(ctx)
	if !cmd.FailSecure {
		p.serve(ctx)
		return nil
	}
	failed := make(chan error, 1)
	go func() {
		failed <- failSecure(ctx, p.supervisor)
		cancel()
	}()
	p.serve(ctx)
	return <-failed
}

// process is everything that runs.
type process struct {
	config     *config
	log        *slog.Logger
	auth       *auth.Auth
	host       *host.Host
	supervisor *service.Supervisor
	cores      *cores.Cores
}

func newProcess(c *config, log *slog.Logger) (*process, error) {
	reg := metrics.New()
	ours := reg.Prefixed("ghostaux_")
	ours.Gauges("build_info", "1; the label has the version.", "version").With(version).Set(1)

	c.Auth.VNCPassword = getenv("VNC_PW")
	a, err := auth.New(c.Auth, log, ours)
	if err != nil {
		return nil, err
	}
	auth.DropEnv()
	var tlsConfig *tls.Config
	if c.Cert.Enabled() {
		certs, err := auth.OpenCertificates(c.Cert, log)
		if err != nil {
			return nil, err
		}
		tlsConfig = certs.TLSConfig()
	}
	sockets := ws.NewSockets(ours)
	processors := cores.New()
	env := func(name string) service.Env {
		return service.Env{
			Log:     log.With("service", name),
			Metrics: ours.Prefixed(name + "_"),
			Auth:    a, Sockets: sockets, Cores: processors,
		}
	}
	on, off, err := services.Build(c.Services, env, getenv)
	if err != nil {
		return nil, err
	}
	supervisor := service.NewSupervisor(log, ours, on, off)
	h, err := host.New(host.Options{
		Config: c.Host, Log: log, Auth: a, TLS: tlsConfig, Sockets: sockets, Supervisor: supervisor,
		Services: on, Metrics: reg, Console: web.Handler(), Version: version,
	})
	if err != nil {
		return nil, err
	}
	return &process{config: c, log: log, auth: a, host: h, supervisor: supervisor, cores: processors}, nil
}

// announce tells a person how to get in when nobody has said it before: once, on standard output, not in the log.
func (p *process) announce(out *output) {
	if !p.host.Listens() {
		return
	}
	if p.auth.Disabled() {
		p.log.Warn("everybody may use the services: --no-auth is set")
		return
	}
	token := p.auth.Generated()
	if token == "" {
		return
	}
	fmt.Fprintf(out.stdout, "\nNo password was configured, so one was made for this run:\n\n    %s\n\n", strings.Replace(token, ":", "  ", 1))
	if !host.Closed(p.config.Host.Addr) {
		fmt.Fprintf(out.stdout, "Open the console, signed in:\n\n    %s\n\n", p.config.consoleURL(token))
	}
}

// serve runs until ctx ends, and then stops in order: peers first, devices last.
func (p *process) serve(ctx context.Context) {
	devices, release := context.WithCancel(context.Background())
	defer release()
	released := make(chan struct{})
	go settle(ctx, p.cores)
	p.host.Run(ctx, func() { // peers may connect before devices are looked for, and need not wait for that
		go func() {
			defer close(released)
			p.supervisor.Run(devices)
		}()
	})
	release()
	select {
	case <-released:
		p.log.Info("stopped")
	case <-time.After(deviceWait):
		p.log.Error("services did not stop", "services", p.supervisor.Unstopped())
	}
}
