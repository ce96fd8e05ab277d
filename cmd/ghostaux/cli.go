package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"github.com/alecthomas/kong"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/host"
	"ghostaux/services"
)

// cli is the whole command line: what can be done, and the configuration that all of it shares.
type cli struct {
	config

	Serve        serveCommand        `cmd:"" default:"withargs" help:"Run the services (the default)."`
	Check        checkCommand        `cmd:"" help:"Say what each service would find on this machine, and how to mend what it lacks."`
	Install      installCommand      `cmd:"" help:"Put ghostaux in the place of the six programs of a KasmVNC image."`
	InstallPanel installPanelCommand `cmd:"" help:"Put the console as a panel into the page of a web client, such as KasmVNC's."`
	CardAgent    cardAgentCommand    `cmd:"" help:"Run this where a smart card is, to bring it into the desktop of another machine."`
	Version      versionCommand      `cmd:"" help:"Print the version."`
}

// config is everything that flags and environment say.
type config struct {
	Host     host.Config     `embed:"" group:"Front door"`
	Auth     auth.Config     `embed:"" group:"Access"`
	Cert     auth.CertConfig `embed:"" group:"Access"`
	Log      logConfig       `embed:"" prefix:"log-" group:"Log"`
	Services services.Config `embed:"" group:"Services"`
}

// Validate collects the faults of all parts: kong would stop at the first.
func (c *config) Validate() error {
	return errors.Join(c.Host.Validate(), c.Auth.Validate(), c.Cert.Validate(), c.Services.Validate())
}

type logConfig struct {
	Level  string `help:"Least level to log: debug, info, warn or error." enum:"debug,info,warn,error" default:"info" env:"GHOSTAUX_LOG_LEVEL"`
	Format string `help:"Form of the log: text or json." enum:"text,json" default:"text" env:"GHOSTAUX_LOG_FORMAT"`
}

// logger writes to w in the configured form. The level has been checked by the parser.
func (c logConfig) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level))
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// output is where commands write for people.
type output struct {
	stdout, stderr io.Writer
}

func options(stdout, stderr io.Writer, exit func(int)) []kong.Option {
	return []kong.Option{
		kong.Name("ghostaux"),
		kong.Description("Sound, microphone, upload, gamepad, printer and smartcard for a desktop in a container. " +
			"Every flag can also be set as the environment variable that its help names."),
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
		kong.UsageOnError(),
		kong.Vars{"services": strings.Join(services.Names(), ", ")},
	}
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(out *output) error {
	_, err := fmt.Fprintf(out.stdout, "ghostaux %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// getenv is the environment that the container itself sets.
func getenv(name string) string { return os.Getenv(name) }
