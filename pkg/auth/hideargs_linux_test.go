package auth_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ghostaux/pkg/auth"
)

// The test binary itself is the process whose arguments are looked at: TestMain runs this in a child.
func hideAndPrint() {
	args := auth.HideArgs("auth-token")
	auth.DropEnv()
	cmdline, err := os.ReadFile("/proc/self/cmdline")
	fmt.Printf("%s\n%q %v %q", strings.Join(args[1:], " "), cmdline, err, os.Getenv("VNC_PW"))
}

func TestHideArgs(t *testing.T) {
	for _, args := range [][]string{
		{"--auth-token", "kasm_user:geheim", "--addr", "off"},
		{"--auth-token=kasm_user:geheim", "--addr", "off"},
		{"-auth-token", "kasm_user:geheim", "--addr", "off"},
		{"--auth-token=kasm_user:geheim=", "--addr", "off"},
	} {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), "GHOSTAUX_TEST_HIDE=1", "VNC_PW=geheim")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		kept, seen, _ := bytes.Cut(out, []byte("\n"))
		if string(kept) != strings.Join(args, " ") {
			t.Errorf("the program got %q of %q", kept, args)
		}
		if bytes.Contains(seen, []byte("geheim")) || !bytes.Contains(seen, []byte("-auth-token")) || !bytes.Contains(seen, []byte("off")) {
			t.Errorf("others see %s", seen)
		}
	}
}
