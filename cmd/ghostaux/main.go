// Command ghostaux brings sound, microphone, upload, gamepad, printer and smartcard to a desktop in a container.
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"

	"ghostaux/pkg/auth"
)

// version is set by the linker.
var version = "devel"

func main() {
	args := auth.HideArgs("auth-token")
	name, args := args[0], args[1:]
	if p, ok := as(name); ok {
		var warnings []string
		args, warnings = p.arguments(args)
		for _, w := range warnings {
			fmt.Fprintf(os.Stderr, "%s: %s: left out\n", filepath.Base(name), w)
		}
	}
	os.Exit(run(args, os.Stdout, os.Stderr))
}

// run parses the arguments, does what they say, and returns the exit code: 0 done, 1 failed, 2 misunderstood.
func run(args []string, stdout, stderr io.Writer) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c, options(stdout, stderr, func(code int) { exited = code })...)
	if err != nil {
		fmt.Fprintln(stderr, "ghostaux:", err)
		return 2
	}
	ctx, err := parser.Parse(args)
	if exited >= 0 { // --help has been printed
		return exited
	}
	if err != nil {
		fmt.Fprintf(stderr, "ghostaux: %v\nTry ghostaux --help.\n", err)
		return 2
	}
	if err := ctx.Run(&c.config, &output{stdout: stdout, stderr: stderr}); err != nil {
		fmt.Fprintln(stderr, "ghostaux:", err)
		return 1
	}
	return 0
}
