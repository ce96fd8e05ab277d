// Command reference writes the man page and the shell completions of ghostaux, from what `ghostaux --help` says, which is made from the
// flags: nothing here names one.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// reference is the help in parts.
type reference struct {
	version  string
	date     time.Time
	about    string
	flags    []entry
	commands []entry
}

// entry is one flag or command.
type entry struct{ name, signature, help string }

func main() {
	version := flag.String("version", "devel", "`version` that the pages name")
	date := flag.String("date", "@0", "date of the man page, @SECONDS since 1970")
	flag.Parse()
	if err := write(*version, *date, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func write(version, date, dir string) error {
	seconds, err := strconv.ParseInt(strings.TrimPrefix(date, "@"), 10, 64)
	if err != nil {
		return fmt.Errorf("date: %w", err)
	}
	cmd := exec.Command("go", "run", "./cmd/ghostaux", "--help")
	cmd.Env = append(os.Environ(), "COLUMNS=200")
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("ask for the help: %w", err)
	}
	r, err := parse(string(out))
	if err != nil {
		return err
	}
	r.version, r.date = version, time.Unix(seconds, 0).UTC()
	for name, content := range map[string][]byte{
		"ghostaux.1": r.man(), "ghostaux.bash": r.bash(), "ghostaux.zsh": r.zsh(), "ghostaux.fish": r.fish(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

var (
	flagLine    = regexp.MustCompile(`^  (?:-\w, |    )?(--(?:\[no-\])?([a-z0-9-]+)(?:=\S+)?)(?:\s\s+(\S.*))?$`)
	commandLine = regexp.MustCompile(`^  ([a-z-]+)((?: \S+)*)$`)
)

// parse reads kong's help: a flag with its help in a column beside it and below, a command with its help below.
func parse(help string) (*reference, error) {
	r := &reference{}
	var about []string
	var last *entry
	commands := false
	for line := range strings.Lines(help) {
		line = strings.TrimRight(line, "\n")
		switch m, c := flagLine.FindStringSubmatch(line), commandLine.FindStringSubmatch(line); {
		case line == "Commands:":
			commands, last = true, nil
		case m != nil && !commands:
			r.flags = append(r.flags, entry{name: m[2], signature: m[1], help: m[3]})
			last = &r.flags[len(r.flags)-1]
		case c != nil && commands:
			r.commands = append(r.commands, entry{name: c[1], signature: strings.TrimSpace(line)})
			last = &r.commands[len(r.commands)-1]
		case strings.HasPrefix(line, "    ") && last != nil:
			last.help = strings.TrimSpace(last.help + " " + strings.TrimSpace(line))
		case line != "" && line[0] != ' ' && len(r.flags) == 0 && !strings.HasPrefix(line, "Usage:") && line != "Flags:":
			about = append(about, line)
		case line == "":
			last = nil
		}
	}
	r.about = strings.Join(about, " ")
	if len(r.flags) < 20 || len(r.commands) < 3 {
		return nil, fmt.Errorf("the help has %d flags and %d commands: its form has changed", len(r.flags), len(r.commands))
	}
	return r, nil
}

func (r *reference) man() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".TH GHOSTAUX 1 %s %q\n.SH NAME\nghostaux \\- devices for a desktop in a container\n", r.date.Format(time.DateOnly), "ghostaux "+r.version)
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B ghostaux\n[\\fIcommand\\fR] [\\fIflags\\fR]\n.SH DESCRIPTION\n%s\n.SH COMMANDS\n", roff(r.about))
	for _, e := range r.commands {
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(e.signature), roff(e.help))
	}
	b.WriteString(".SH OPTIONS\n")
	for _, e := range r.flags {
		fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(e.signature), roff(e.help))
	}
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

func (r *reference) words() string {
	var words []string
	for _, e := range r.commands {
		words = append(words, e.name)
	}
	for _, e := range r.flags {
		words = append(words, "--"+e.name)
	}
	return strings.Join(words, " ")
}

func (r *reference) bash() []byte {
	return fmt.Appendf(nil, `# bash completion of ghostaux
_ghostaux() {
  COMPREPLY=($(compgen -W %q -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _ghostaux ghostaux
`, r.words())
}

func (r *reference) zsh() []byte {
	var b bytes.Buffer
	b.WriteString("#compdef ghostaux\n_arguments \\\n")
	for _, e := range r.flags {
		value := ""
		if strings.Contains(e.signature, "=") {
			value = "=:value:_files"
			fmt.Fprintf(&b, "  %s \\\n", quote("--"+e.name+"=["+brackets(e.help)+"]"+value[1:]))
			continue
		}
		fmt.Fprintf(&b, "  %s \\\n", quote("--"+e.name+"["+brackets(e.help)+"]"))
	}
	var names []string
	for _, e := range r.commands {
		names = append(names, e.name)
	}
	fmt.Fprintf(&b, "  %s\n", quote("1:command:("+strings.Join(names, " ")+")"))
	return b.Bytes()
}

func (r *reference) fish() []byte {
	var b bytes.Buffer
	for _, e := range r.commands {
		fmt.Fprintf(&b, "complete -c ghostaux -n __fish_use_subcommand -a %s -d %s\n", e.name, quote(e.help))
	}
	for _, e := range r.flags {
		value := ""
		if strings.Contains(e.signature, "=") {
			value = " -r"
		}
		fmt.Fprintf(&b, "complete -c ghostaux -l %s%s -d %s\n", e.name, value, quote(e.help))
	}
	return b.Bytes()
}

func brackets(s string) string { return strings.NewReplacer("[", "(", "]", ")", ":", `\:`).Replace(s) }

// quote is for shells: in single quotes.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
