package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// sandbox is the shell that makes the surroundings, in a mount namespace of its own, and becomes ghostaux: the root is
// read-only, /tmp is empty and nothing in it may be executed, the user is 1000 without any capability. $1 is the binary, $2 a
// directory of that user's, $3 PulseAudio's; the rest are ghostaux's arguments. strace stands aside, so that the process is ghostaux itself.
const sandbox = `set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/work /mnt/pulse
cp "$1" /mnt/ghostaux
mount --bind "$2" /mnt/work
mount --bind "$3" /mnt/pulse
mount -t tmpfs -o noexec,nosuid,nodev,mode=1777 tmpfs /tmp
mount -o remount,ro,bind /mnt
mount -o remount,ro,bind /
shift 3
cd /
exec setpriv --reuid 1000 --regid 1000 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs \
	strace -D -f -q -e trace=execve,execveat -o /mnt/work/trace /mnt/ghostaux "$@"
`

// It needs no rights, no place to write to and no HOME, and starts nothing but ffmpeg.
func TestSandbox(t *testing.T) {
	pulse := testkit.StartPulse(t)
	work := testkit.ShortDir(t)
	if err := os.Chown(work, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(pulse.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 5)
	addr := func(i int) string { return "127.0.0.1:" + ports[i] }
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", sandbox, "sh",
		testkit.Binary(t), work, pulse.Dir,
		"--addr", addr(0), "--audioout-addr", addr(1), "--upload-addr", addr(2), "--audioin-addr", addr(3), "--gamepad-addr", addr(4),
		"--audioout-ingest-addr", "off", "--upload-dir", "/mnt/work/up", "--printer-dir", "/mnt/work/pdf")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GHOSTAUX_AUTH_TOKEN=" + testkit.Token, "PULSE_SERVER=unix:/mnt/pulse/native"}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		force := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer force.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("ghostaux ends with %v", err)
		}
	})
	status := func() string { return statusAs(t, addr(0), testkit.Token) }
	testkit.Eventually(t, 30*time.Second, "it answers", func() bool { return status() != "" })
	for i, path := range []string{"/", "/upload", "/?sample_rate=48000", "/"} {
		waitAccepting(t, addr(i+1))
		url := "https://" + addr(i+1) + path
		if code := knock(t, url, testkit.Token, path != "/upload"); code != 101 && code != 400 {
			t.Errorf("%s: %d", url, code)
		}
	}
	testkit.Eventually(t, 30*time.Second, "upload is ready", func() bool {
		return serviceIs(status(), "upload", "ready")
	})
	listensAs(t, "https://"+addr(1)+"/", testkit.Token) // which only ffmpeg can have made
	trace, err := os.ReadFile(filepath.Join(work, "trace"))
	if err != nil {
		t.Fatal(err)
	}
	// Every attempt counts, whatever came of it: strace cuts the line of a call in two when another thread calls meanwhile.
	var names []string
	for _, m := range regexp.MustCompile(`(?m) exec(?:ve|veat)\((?:\w+, )?"([^"]*)"`).FindAllStringSubmatch(string(trace), -1) {
		names = append(names, filepath.Base(m[1]))
	}
	if len(names) < 2 || names[0] != "ghostaux" {
		t.Fatalf("programs started: %q", names)
	}
	for _, name := range names[1:] {
		if name != "ffmpeg" {
			t.Errorf("it started %s", name)
		}
	}
	if entries, err := os.ReadDir(work); err != nil || len(entries) > 3 {
		t.Errorf("it wrote %v, %v", entries, err)
	}
	out, err := exec.Command("file", "-b", testkit.Binary(t)).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "statically linked") {
		t.Errorf("the binary is %s", out)
	}
}

// serviceIs looks into the text of /status.
func serviceIs(status, name, state string) bool {
	return regexp.MustCompile(`"name": "` + name + `",\s+"state": "` + state + `"`).MatchString(status)
}

// The kernel does not hold its memory in huge pages, even where that is the default.
func TestKeepsPagesSmall(t *testing.T) {
	g := testkit.StartGhostaux(t)
	g.Addr(t, "frontdoor")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.Cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(status), "\nTHP_enabled:\t0\n") {
		t.Errorf("huge pages are on:\n%s", status)
	}
}
