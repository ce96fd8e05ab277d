package auth

import (
	"os"
	"slices"
	"strings"
	"unsafe"
)

// HideArgs makes the values of secret flags disappear from /proc/PID/cmdline, which every user of the machine can read. It
// returns the arguments as they were; os.Args has the hidden ones from now on. The flags are given without dashes, such as
// "auth-token", since start scripts have written them with one and with two.
func HideArgs(flags ...string) []string {
	args := make([]string, len(os.Args))
	for i, arg := range os.Args {
		args[i] = strings.Clone(arg)
	}
	for i, arg := range os.Args {
		name, value, joined := strings.Cut(arg, "=")
		switch {
		case joined && isFlag(name, flags):
			overwrite(value)
		case i > 0 && isFlag(args[i-1], flags):
			overwrite(arg)
		}
	}
	return args
}

func isFlag(arg string, flags []string) bool {
	return strings.HasPrefix(arg, "-") && slices.Contains(flags, strings.TrimLeft(arg, "-"))
}

// DropEnv removes the variables that hold secrets, so that no program that this process starts has them. What the process
// itself was started with stays visible in /proc/PID/environ, to the same user only.
func DropEnv() {
	for _, name := range []string{"GHOSTAUX_AUTH_TOKEN", "VNC_PW", "VNC_VIEW_ONLY_PW"} {
		_ = os.Unsetenv(name)
	}
}

// HideArg makes the i-th argument disappear likewise, for the programs of old whose secret has no flag.
func HideArg(i int) {
	if i < len(os.Args) {
		overwrite(os.Args[i])
	}
}

// overwrite writes over the bytes of an argument. The runtime makes os.Args of the memory that the kernel put the arguments
// into and shows in /proc, without copying; that memory is the process's own and writable.
func overwrite(secret string) {
	if secret == "" {
		return
	}
	b := unsafe.Slice(unsafe.StringData(secret), len(secret))
	for i := range b {
		b[i] = 'x'
	}
}
