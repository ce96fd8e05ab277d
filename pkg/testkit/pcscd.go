package testkit

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Pcscd is a private pcscd with one virtual reader, vpcd.
type Pcscd struct {
	Socket string // value of PCSCLITE_CSOCK_NAME
	Addr   string // where vpcd listens
	dir    string
	cmd    *exec.Cmd
}

// StartPcscd starts a private pcscd until the test ends. It hides /run/pcscd from everybody but itself in a mount
// namespace of its own, since pcscd puts its socket nowhere else. Its vpcd listens on a free port and the next one.
func StartPcscd(t testing.TB) *Pcscd {
	t.Helper()
	p := &Pcscd{Addr: VpcdAddr(t)}
	_, port, _ := net.SplitHostPort(p.Addr)
	p.configure(t, "/dev/null:"+port)
	return p
}

func (p *Pcscd) configure(t testing.TB, device string) {
	t.Helper()
	p.dir = ShortDir(t)
	for _, sub := range []string{"conf", "ipc"} {
		if err := os.Mkdir(filepath.Join(p.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	_, port, _ := net.SplitHostPort(p.Addr)
	conf := fmt.Sprintf("FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME %s\nLIBPATH /usr/lib/pcsc/drivers/serial/libifdvpcd.so\nCHANNELID %s\n", device, port)
	if err := os.WriteFile(filepath.Join(p.dir, "conf", "vpcd"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	p.Socket = filepath.Join(p.dir, "ipc", "pcscd.comm")
	p.Start(t)
	t.Cleanup(p.Kill)
}

// Start starts pcscd again after Kill, and returns when it answers.
func (p *Pcscd) Start(t testing.TB) {
	t.Helper()
	for _, name := range []string{"pcscd.comm", "pcscd.pid"} {
		_ = os.Remove(filepath.Join(p.dir, "ipc", name)) // left by a killed one
	}
	const script = `mkdir -p /run/pcscd && mount -t tmpfs none /run/pcscd && mount --bind "$0/ipc" /run/pcscd && exec pcscd --foreground --config "$0/conf"`
	p.cmd = exec.Command("unshare", "--mount", "sh", "-c", script, p.dir)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out := &strings.Builder{}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start pcscd: %v", err)
	}
	limit := time.Now().Add(10 * time.Second)
	for !p.up() {
		if time.Now().After(limit) {
			p.Kill()
			t.Fatalf("pcscd does not answer:\n%s", out)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// up reports whether pcscd answers and its vpcd listens. A connection to it would be a card.
func (p *Pcscd) up() bool {
	conn, err := net.Dial("unix", p.Socket)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return listening(p.Addr)
}

// listening reports whether the kernel knows a listening IPv4 socket on the port of addr (proc(5), state 0A).
func listening(addr string) bool {
	_, port, _ := net.SplitHostPort(addr)
	number, _ := strconv.Atoi(port)
	table, _ := os.ReadFile("/proc/net/tcp")
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) > 3 && fields[3] == "0A" && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", number)) {
			return true
		}
	}
	return false
}

// Kill ends pcscd as kill -9 does.
func (p *Pcscd) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// Command is a PC/SC program that uses this pcscd: opensc-tool, pcsc_scan.
func (p *Pcscd) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PCSCLITE_CSOCK_NAME="+p.Socket)
	return cmd
}

// VpcdAddr is an address on loopback whose port is free together with the next one, which vpcd's second slot takes. They are
// below those that the kernel hands out.
func VpcdAddr(t testing.TB) string {
	t.Helper()
	const first, last = 12000, 32000
	start := first + rand.IntN((last-first)/2)*2
	for port := start; port < last; port += 2 {
		if free(port) && free(port+1) {
			return fmt.Sprintf("127.0.0.1:%d", port)
		}
	}
	t.Fatal("no two free ports for vpcd")
	return ""
}

func free(port int) bool {
	l, err := net.Listen("tcp4", fmt.Sprintf(":%d", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
