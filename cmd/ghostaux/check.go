package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/metrics"
	"ghostaux/pkg/service"
	"ghostaux/pkg/ws"
	"ghostaux/services"
)

const checkLimit = 5 * time.Second // for one service

type checkCommand struct{}

var errLacking = errors.New("something is lacking: see the lines marked with - above")

// Run prints what each chosen service finds here. It changes nothing.
func (checkCommand) Run(c *config, out *output) error {
	log := slog.New(slog.DiscardHandler)
	a, err := auth.New(c.Auth, log, metrics.New())
	if err != nil {
		return err
	}
	env := func(string) service.Env {
		reg := metrics.New()
		return service.Env{Log: log, Metrics: reg, Auth: a, Sockets: ws.NewSockets(reg)}
	}
	on, off, err := services.Build(c.Services, env, getenv)
	if err != nil {
		return err
	}
	lacking := false
	for _, svc := range on {
		fmt.Fprintf(out.stdout, "%s\n", svc.Name())
		checker, ok := svc.(service.Checker)
		if !ok {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), checkLimit)
		for _, f := range checker.Check(ctx) {
			lacking = printFinding(out, f) || lacking
		}
		cancel()
	}
	for _, name := range off {
		fmt.Fprintf(out.stdout, "%s\n  off\n", name)
	}
	if lacking {
		return errLacking
	}
	return nil
}

// printFinding reports whether the finding is a lack.
func printFinding(out *output, f service.Finding) bool {
	mark := "+"
	if !f.OK {
		mark = "-"
	}
	fmt.Fprintf(out.stdout, "  %s %s: %s\n", mark, f.What, f.Detail)
	if !f.OK && f.Advice != "" {
		fmt.Fprintf(out.stdout, "    %s\n", f.Advice)
	}
	return !f.OK
}
