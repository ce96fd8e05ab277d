package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Pulse is a private PulseAudio server.
type Pulse struct {
	Server  string // value of PULSE_SERVER
	Dir     string // its runtime directory
	modules []string
	cmd     *exec.Cmd
}

// StartPulse starts a private PulseAudio with the modules, each as for `pulseaudio -L`, until the test ends. With none
// it has one null sink "out", without rewinds, which would delay everything by up to two seconds.
func StartPulse(t testing.TB, modules ...string) *Pulse {
	t.Helper()
	if len(modules) == 0 {
		modules = []string{"module-null-sink sink_name=out rate=44100 norewinds=1"}
	}
	dir := ShortDir(t)
	p := &Pulse{Dir: dir, Server: "unix:" + filepath.Join(dir, "native"), modules: modules}
	p.Start(t)
	t.Cleanup(p.Kill)
	return p
}

// Start starts the server again after Kill, and returns when it answers.
func (p *Pulse) Start(t testing.TB) {
	t.Helper()
	socket := filepath.Join(p.Dir, "native")
	args := []string{
		"-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes", "--use-pid-file=no", "--log-target=stderr",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket=" + socket,
	}
	for _, m := range p.modules {
		args = append(args, "-L", m)
	}
	_ = os.Remove(socket) // left by a killed server
	p.cmd = exec.Command("pulseaudio", args...)
	p.cmd.Env = append(withoutPulse(os.Environ()), "HOME="+p.Dir, "XDG_RUNTIME_DIR="+p.Dir, "PULSE_RUNTIME_PATH="+p.Dir)
	p.cmd.Stderr = t.Output()
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start PulseAudio: %v", err)
	}
	Eventually(t, 10*time.Second, "PulseAudio answers", func() bool {
		return p.Command("pactl", "info").Run() == nil
	})
}

// Kill ends the server as kill -9 does.
func (p *Pulse) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	_ = p.cmd.Wait()
	p.cmd = nil
}

// Command is a client program of this server: pactl, paplay, parec, ffmpeg.
func (p *Pulse) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(withoutPulse(os.Environ()), "PULSE_SERVER="+p.Server, "HOME="+p.Dir)
	return cmd
}

// Pactl runs pactl and returns what it prints.
func (p *Pulse) Pactl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := p.Command("pactl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("pactl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func withoutPulse(env []string) []string {
	var kept []string
	for _, e := range env {
		if !strings.HasPrefix(e, "PULSE_") {
			kept = append(kept, e)
		}
	}
	return kept
}

// ShortDir is a temporary directory whose path fits into a Unix socket's address.
func ShortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ga")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
