package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ghostaux/pkg/auth"
)

// A personality is one of the six programs that ghostaux replaces. Called by its name, ghostaux takes its arguments, in
// every spelling that start scripts have used, and is that service alone: without the front door, and without
// our own ffmpeg, since the script runs one. The arguments are those of KasmVNC images 1.9 to 1.18.
type personality struct {
	service  string
	variable string // the script's switch; the script has looked at it already
	defaults []string
	flags    map[string]func(value string) []string // old flag, without dashes: new arguments
	place    []func(value string) []string          // arguments by position
	secret   int                                    // position of a secret argument, -1 for none
}

func flag(name string) func(string) []string {
	return func(value string) []string { return []string{name + "=" + value} }
}

func port(name, host string) func(string) []string {
	return func(value string) []string { return []string{name + "=" + host + ":" + value} }
}

// token is the old --auth-token: with an empty one, the old programs let everybody in.
func token(value string) []string {
	if value == "" {
		return nil
	}
	return []string{"--auth-token=" + value}
}

func personalities() map[string]personality {
	served := func(addr string) map[string]func(string) []string {
		return map[string]func(string) []string{
			"auth-token": token, "cert": flag("--cert"), "certkey": flag("--certkey"), "port": port(addr, ""),
		}
	}
	upload := served("--upload-addr")
	upload["upload_dir"], upload["upload-dir"] = flag("--upload-dir"), flag("--upload-dir")
	return map[string]personality{
		"kasm_audio_out-linux": {
			service: "audioout", variable: "KASM_SVC_AUDIO", secret: 5,
			defaults: []string{"--audioout-source=ingest"},
			place: []func(string) []string{
				flag("--audioout-secret"), port("--audioout-ingest-addr", "127.0.0.1"), port("--audioout-addr", ""),
				flag("--cert"), flag("--certkey"), token,
			},
		},
		"kasm_upload_server":      {service: "upload", variable: "KASM_SVC_UPLOADS", secret: -1, flags: upload},
		"kasm_audio_input_server": {service: "audioin", variable: "KASM_SVC_AUDIO_INPUT", secret: -1, flags: served("--audioin-addr")},
		"kasm_gamepad_server":     {service: "gamepad", variable: "KASM_SVC_GAMEPAD", secret: -1, flags: served("--gamepad-addr")},
		"kasm_printer_service": {
			service: "printer", variable: "KASM_SVC_PRINTER", secret: -1,
			flags: map[string]func(string) []string{"directory": flag("--printer-dir"), "relay": flag("--printer-relay")},
		},
		"kasm_smartcard_bridge": {
			service: "smartcard", variable: "KASM_SVC_SMARTCARD", secret: -1,
			flags: map[string]func(string) []string{"relay": flag("--smartcard-relay")},
		},
	}
}

// as returns the personality that the program was called by.
func as(argv0 string) (personality, bool) {
	p, ok := personalities()[filepath.Base(argv0)]
	return p, ok
}

// argument is one of an old command line.
type argument struct {
	flag  string // without dashes; "" for one by position
	value string
	given bool // there is a value
}

// next takes an argument, and its value, off an old command line. A flag that nobody knows takes a value with it that follows, except
// where arguments go by position.
func (p personality) next(old []string) (a argument, rest []string) {
	text, rest := old[0], old[1:]
	name := strings.TrimLeft(text, "-")
	switch name {
	case text:
		return argument{value: text, given: true}, rest
	case "":
		return argument{flag: text}, rest
	}
	if a.flag, a.value, a.given = strings.Cut(name, "="); a.given || len(rest) == 0 {
		return a, rest
	}
	takes := len(p.place) == 0 && !strings.HasPrefix(rest[0], "-")
	switch {
	case a.flag == "ssl" || a.flag == "debug":
		_, err := strconv.ParseBool(rest[0])
		takes = err == nil
	case p.flags[a.flag] != nil:
		takes = true
	}
	if takes {
		a.value, a.given, rest = rest[0], true, rest[1:]
	}
	return a, rest
}

// on is what a switch says: "--debug", "--debug true", "--debug=1".
func (a argument) on() bool {
	set, err := strconv.ParseBool(a.value)
	return !a.given || err != nil || set
}

// translate turns the old arguments into ghostaux's own. What the old program would not have known is left out, with a warning:
// a start script must not fail over it.
func (p personality) translate(old []string) (args, warnings []string) {
	args = append([]string{"--only=" + p.service, "--addr=off"}, p.defaults...)
	place := p.place
	tls := len(place) > 0 // the positional one is given a certificate and has no --ssl
	for len(old) > 0 {
		var a argument
		a, old = p.next(old)
		switch convert := p.flags[a.flag]; {
		case a.flag == "" && len(place) > 0:
			args = append(args, place[0](a.value)...)
			place = place[1:]
		case a.flag == "":
			warnings = append(warnings, "an argument without a flag is not known") // it may be a secret, and is not told
		case a.flag == "ssl":
			tls = a.on()
		case a.flag == "debug":
			if a.on() {
				args = append(args, "--log-level=debug")
			}
		case convert == nil:
			warnings = append(warnings, fmt.Sprintf("--%s is not known", strings.TrimLeft(a.flag, "-")))
		case !a.given:
			warnings = append(warnings, fmt.Sprintf("--%s has no value", a.flag))
		default:
			args = append(args, convert(a.value)...)
		}
	}
	if !tls {
		args = append(args, "--tls=off")
	}
	return args, warnings
}

// arguments makes ghostaux's own arguments of the program's, and the surroundings that they need: the script has looked at the
// switch already, and a token in the arguments is the only one. Without any, the old programs let everybody in.
func (p personality) arguments(old []string) (args, warnings []string) {
	if p.secret >= 0 {
		auth.HideArg(p.secret + 1)
	}
	args, warnings = p.translate(old)
	_ = os.Unsetenv(p.variable)
	sources := []string{"GHOSTAUX_AUTH_TOKEN", "GHOSTAUX_AUTH_TOKEN_FILE", "GHOSTAUX_KASMPASSWD", "GHOSTAUX_NO_AUTH"}
	if slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--auth-token=") }) {
		for _, name := range sources {
			_ = os.Unsetenv(name)
		}
		return args, warnings
	}
	configured := func(name string) bool { return os.Getenv(name) != "" }
	if !slices.ContainsFunc(append(sources, "VNC_PW"), configured) {
		args = append(args, "--no-auth")
	}
	return args, warnings
}
