package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

func (r *reference) man() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".TH GHOSTAUX 1 %s %q\n.SH NAME\nghostaux \\- devices for a desktop in a container\n", r.date.Format(time.DateOnly), "ghostaux "+r.version)
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B ghostaux\n[\\fIcommand\\fR] [\\fIflags\\fR]\n.SH DESCRIPTION\n%s\n.SH COMMANDS\n", roff(r.about))
	items := func(entries []entry) {
		for _, e := range entries {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(e.signature), roff(e.help))
		}
	}
	for _, e := range r.commands {
		items([]entry{e})
		if own := r.own[e.name]; len(own) > 0 {
			b.WriteString(".RS\n")
			items(own)
			b.WriteString(".RE\n")
		}
	}
	b.WriteString(".SH OPTIONS\nThese go with every command.\n")
	items(r.flags)
	b.WriteString(".SH FILES\n~/.vnc/self.pem, ~/.kasmpasswd, ~/Uploads, ~/PDF, /tmp/printer, /tmp/smartcard\n")
	return b.Bytes()
}

// roff escapes text for troff: dashes that are to stay dashes, and lines that would be requests.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

func words(entries []entry, before string) string {
	var words []string
	for _, e := range entries {
		words = append(words, before+e.name)
	}
	return strings.Join(words, " ")
}

func (r *reference) bash() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# bash completion of ghostaux
_ghostaux() {
  local word words=%q
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
`, words(r.commands, "")+" "+words(r.flags, "--"))
	for _, e := range r.commands {
		if own := r.own[e.name]; len(own) > 0 {
			fmt.Fprintf(&b, "      %s) words=\"$words %s\" ;;\n", e.name, words(own, "--"))
		}
	}
	b.WriteString(`    esac
  done
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _ghostaux ghostaux
`)
	return b.Bytes()
}

func (r *reference) zsh() []byte {
	var b bytes.Buffer
	b.WriteString("#compdef ghostaux\n_arguments \\\n")
	flags := func(entries []entry, of string) {
		for _, e := range entries {
			name, value := "--"+e.name, ""
			if e.takesValue() {
				name, value = name+"=", ":value:_files"
			}
			fmt.Fprintf(&b, "  %s \\\n", quote(name+"["+brackets(of+e.help)+"]"+value))
		}
	}
	flags(r.flags, "")
	for _, e := range r.commands {
		flags(r.own[e.name], e.name+": ")
	}
	fmt.Fprintf(&b, "  %s\n", quote("1:command:("+words(r.commands, "")+")"))
	return b.Bytes()
}

func (r *reference) fish() []byte {
	var b bytes.Buffer
	flags := func(entries []entry, condition string) {
		for _, e := range entries {
			value := ""
			if e.takesValue() {
				value = " -r"
			}
			fmt.Fprintf(&b, "complete -c ghostaux%s -l %s%s -d %s\n", condition, e.name, value, quote(e.help))
		}
	}
	for _, e := range r.commands {
		fmt.Fprintf(&b, "complete -c ghostaux -n __fish_use_subcommand -a %s -d %s\n", e.name, quote(e.help))
		flags(r.own[e.name], " -n "+quote("__fish_seen_subcommand_from "+e.name))
	}
	flags(r.flags, "")
	return b.Bytes()
}

func brackets(s string) string { return strings.NewReplacer("[", "(", "]", ")", ":", `\:`).Replace(s) }

// quote is for shells: in single quotes.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
