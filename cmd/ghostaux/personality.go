package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// translate turns the old arguments into ghostaux's own. What the old program would not have known is left out, with a warning:
// a start script must not fail over it.
func (p personality) translate(old []string) (args, warnings []string) {
	args = append([]string{"--only=" + p.service, "--addr=off"}, p.defaults...)
	placed := 0
	tls := len(p.place) > 0 // the positional one is given a certificate and has no --ssl
	for i := 0; i < len(old); i++ {
		name, value, joined := strings.Cut(strings.TrimLeft(old[i], "-"), "=")
		switch {
		case !strings.HasPrefix(old[i], "-"):
			if placed >= len(p.place) {
				warnings = append(warnings, fmt.Sprintf("argument %d is not known", i+1))
				continue
			}
			args = append(args, p.place[placed](old[i])...)
			placed++
		case name == "ssl":
			tls = true
		case name == "debug":
			args = append(args, "--log-level=debug")
			if !joined && i+1 < len(old) && isBool(old[i+1]) {
				i++ // "--debug true"
			}
		case p.flags[name] != nil:
			if !joined {
				if i++; i == len(old) {
					warnings = append(warnings, fmt.Sprintf("--%s has no value", name))
					continue
				}
				value = old[i]
			}
			args = append(args, p.flags[name](value)...)
		default:
			warnings = append(warnings, fmt.Sprintf("--%s is not known", name))
			if !joined && i+1 < len(old) && !strings.HasPrefix(old[i+1], "-") {
				i++
			}
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

func isBool(s string) bool { return s == "true" || s == "false" || s == "True" || s == "False" }
