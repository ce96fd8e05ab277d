// Package services names all services of ghostaux. It is the only place that does.
package services

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ghostaux/pkg/service"
	"ghostaux/services/audioin"
	"ghostaux/services/audioout"
	"ghostaux/services/gamepad"
	"ghostaux/services/printer"
	"ghostaux/services/smartcard"
	"ghostaux/services/upload"
)

// Config has every service's configuration. The flags of a service are --<service>-<what>, its environment is
// GHOSTAUX_<SERVICE>_<WHAT>.
type Config struct {
	Only   []string `help:"Run only these services: ${services}." placeholder:"SERVICE" env:"GHOSTAUX_ONLY"`
	Except []string `help:"Run all services but these." placeholder:"SERVICE" env:"GHOSTAUX_EXCEPT"`

	AudioOut  audioout.Config  `embed:"" prefix:"audioout-" envprefix:"GHOSTAUX_AUDIOOUT_"`
	Upload    upload.Config    `embed:"" prefix:"upload-" envprefix:"GHOSTAUX_UPLOAD_"`
	AudioIn   audioin.Config   `embed:"" prefix:"audioin-" envprefix:"GHOSTAUX_AUDIOIN_"`
	Gamepad   gamepad.Config   `embed:"" prefix:"gamepad-" envprefix:"GHOSTAUX_GAMEPAD_"`
	Printer   printer.Config   `embed:"" prefix:"printer-" envprefix:"GHOSTAUX_PRINTER_"`
	Smartcard smartcard.Config `embed:"" prefix:"smartcard-" envprefix:"GHOSTAUX_SMARTCARD_"`
}

// entry is one service: its name, the container's own switch for it, and how it is built.
type entry struct {
	name     string
	variable string // KasmVNC images: off unless it is exactly "1" or empty
	build    func(c Config, env service.Env) (service.Service, error)
}

// entries are in the order of /status.
func entries() []entry {
	return []entry{
		{"audioout", "KASM_SVC_AUDIO", func(c Config, env service.Env) (service.Service, error) { return audioout.New(c.AudioOut, env) }},
		{"upload", "KASM_SVC_UPLOADS", func(c Config, env service.Env) (service.Service, error) { return upload.New(c.Upload, env) }},
		{"audioin", "KASM_SVC_AUDIO_INPUT", func(c Config, env service.Env) (service.Service, error) { return audioin.New(c.AudioIn, env) }},
		{"gamepad", "KASM_SVC_GAMEPAD", func(c Config, env service.Env) (service.Service, error) { return gamepad.New(c.Gamepad, env) }},
		{"printer", "KASM_SVC_PRINTER", func(c Config, env service.Env) (service.Service, error) { return printer.New(c.Printer, env) }},
		{"smartcard", "KASM_SVC_SMARTCARD", func(c Config, env service.Env) (service.Service, error) {
			return smartcard.New(c.Smartcard, env)
		}},
	}
}

// Names are the names of all services.
func Names() []string {
	var names []string
	for _, e := range entries() {
		names = append(names, e.name)
	}
	return names
}

// Validate names the services that do not exist.
func (c Config) Validate() error {
	var errs []error
	check := func(flag string, names []string) {
		for _, name := range names {
			if !slices.Contains(Names(), name) {
				errs = append(errs, fmt.Errorf("%s %q: no such service; there are %s", flag, name, strings.Join(Names(), ", ")))
			}
		}
	}
	check("--only", c.Only)
	check("--except", c.Except)
	if len(c.Only) > 0 && len(c.Except) > 0 {
		errs = append(errs, errors.New("--only and --except exclude each other: choose one"))
	}
	return errors.Join(append(errs, c.AudioOut.Validate(), c.Gamepad.Validate(), c.Smartcard.Validate())...)
}

// Build makes the chosen services and names those that are off. Env makes the surroundings of one service; getenv
// reads the container's switches.
func Build(c Config, env func(name string) service.Env, getenv func(string) string) (on []service.Service, off []string, err error) {
	var errs []error
	for _, e := range entries() {
		if !c.chosen(e.name) || switchedOff(getenv(e.variable)) {
			off = append(off, e.name)
			continue
		}
		svc, err := e.build(c, env(e.name))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", e.name, err))
			continue
		}
		on = append(on, svc)
	}
	return on, off, errors.Join(errs...)
}

func (c Config) chosen(name string) bool {
	if len(c.Only) > 0 {
		return slices.Contains(c.Only, name)
	}
	return !slices.Contains(c.Except, name)
}

// switchedOff follows the container's start script: [[ ${KASM_SVC_X:-1} == 1 ]] means on.
func switchedOff(value string) bool { return value != "" && value != "1" }
