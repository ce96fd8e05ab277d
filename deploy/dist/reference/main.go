// Command reference writes the man page and the shell completions of ghostaux, from what `ghostaux --help` says, which is made from the
// flags: nothing here names one.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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
	own      map[string][]entry // flags of a command alone, by its name
}

// entry is one flag or command.
type entry struct{ name, signature, help string }

func (e entry) takesValue() bool { return strings.Contains(e.signature, "=") }

func main() {
	version := flag.String("version", "devel", "`version` that the pages name")
	date := flag.String("date", "@0", "date of the man page, @SECONDS since 1970")
	binary := flag.String("binary", "dist/ghostaux-linux-amd64", "`path` of the program, which is asked for its help")
	flag.Parse()
	if err := write(*binary, *version, *date, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func write(binary, version, date, dir string) error {
	seconds, err := strconv.ParseInt(strings.TrimPrefix(date, "@"), 10, 64)
	if err != nil {
		return fmt.Errorf("date: %w", err)
	}
	r, err := ask(binary)
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

// ask takes the whole help of the program: its own, and that of each command, which repeats the flags that all share.
func ask(binary string) (*reference, error) {
	help := func(args ...string) (*reference, error) {
		cmd := exec.Command(binary, append(args, "--help")...)
		cmd.Env = append(os.Environ(), "COLUMNS=200")
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("ask for the help: %w", err)
		}
		return parse(string(out)), nil
	}
	r, err := help()
	if err != nil {
		return nil, err
	}
	r.own = map[string][]entry{}
	for _, command := range r.commands {
		c, err := help(command.name)
		if err != nil {
			return nil, err
		}
		for _, e := range c.flags {
			if !slices.ContainsFunc(r.flags, func(shared entry) bool { return shared.name == e.name }) {
				r.own[command.name] = append(r.own[command.name], e)
			}
		}
	}
	if len(r.flags) < 20 || len(r.commands) < 3 || len(r.own["install"]) == 0 {
		return nil, fmt.Errorf("the help has %d flags, %d commands, and for install %q: its form has changed", len(r.flags), len(r.commands), r.own["install"])
	}
	return r, nil
}

var (
	flagLine    = regexp.MustCompile(`^  (?:-\w, |    )?(--(?:\[no-\])?([a-z0-9-]+)(?:=\S+)?)(?:\s\s+(\S.*))?$`)
	commandLine = regexp.MustCompile(`^  ([a-z-]+)((?: \S+)*)$`)
)

// parse reads kong's help: a flag with its help in a column beside it and below, a command with its help below.
func parse(help string) *reference {
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
	return r
}
