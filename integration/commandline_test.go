package integration

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ghostaux/pkg/testkit"
)

// A token on the command line is not seen by others, nor by the programs that ghostaux starts.
func TestTokenIsHidden(t *testing.T) {
	g := testkit.StartGhostauxWith(t, testkit.Start{
		Env:  []string{"GHOSTAUX_AUTH_TOKEN=", "VNC_PW="},
		Args: []string{"--auth-token", "kasm_user:geheim"},
	})
	g.Addr(t, "frontdoor")
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", g.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(cmdline, []byte("geheim")) || !bytes.Contains(cmdline, []byte("--auth-token")) {
		t.Errorf("command line %q", cmdline)
	}
	if status := knock(t, g.URL(t, "frontdoor", "/status"), "kasm_user:geheim", false); status != 200 {
		t.Errorf("with the token: %d", status)
	}
	if strings.Contains(g.Log(), "geheim") {
		t.Errorf("the log has the token")
	}
}

// Without any token one is made, and the address that is printed opens the console.
func TestPrintedAddress(t *testing.T) {
	cmd := exec.Command(testkit.Binary(t), "--addr", "127.0.0.1:0", "--only", "upload", "--upload-addr", "off", "--upload-dir", t.TempDir())
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "/login?token=kasm_user%3A") {
			return
		}
	}
	t.Error("it ended without printing an address")
}

// All faults of a command line are named at once, and none of its secrets.
func TestFaultsAreNamedAtOnce(t *testing.T) {
	out, err := exec.Command(testkit.Binary(t), "--addr", "4900", "--auth-token", "geheim", "--only", "uplaod",
		"--audioout-channels", "3", "--tls", "off").CombinedOutput()
	if err == nil {
		t.Fatal("no fault")
	}
	for _, want := range []string{`--addr "4900"`, "--auth-token", `"uplaod"`, "--audioout-channels 3"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("%q is not named in:\n%s", want, out)
		}
	}
	if bytes.Contains(out, []byte("geheim")) {
		t.Errorf("the secret is in:\n%s", out)
	}
}

// check says what is lacking, and what to do about it.
func TestCheck(t *testing.T) {
	cmd := exec.Command(testkit.Binary(t), "check", "--only", "audioout")
	cmd.Env = []string{"PATH=/nonexistent", "PULSE_SERVER=unix:/nonexistent"}
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("ffmpeg")) || !bytes.Contains(out, []byte("PulseAudio")) {
		t.Errorf("%v:\n%s", err, out)
	}
}
