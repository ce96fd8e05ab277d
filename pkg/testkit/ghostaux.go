package testkit

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Ghostaux is the real binary, running.
type Ghostaux struct {
	Cmd    *exec.Cmd
	Home   string // its HOME, made for it and empty at first
	exited chan struct{}

	mu    sync.Mutex // guards the following fields
	addrs map[string]string
	log   strings.Builder
}

// Start says how to run the binary.
type Start struct {
	Under []string // a program and its arguments that runs the binary, and becomes it
	Args  []string // beside addresses on loopback, any port, for every service
	Env   []string // beside HOME and PATH; the machine's own environment is not passed on
	Dir   string   // where the binary is run; "" is a new directory
	UID   int      // the user that runs it and owns its HOME; 0: the one of the test

	Stdout io.Writer // where what it prints goes; nil: nowhere
}

// StartGhostaux runs the binary with the token Token, every listener on loopback on a port that the kernel chooses, until
// the test ends. Further args come last and so win.
func StartGhostaux(t testing.TB, args ...string) *Ghostaux {
	t.Helper()
	return StartGhostauxWith(t, Start{Args: args})
}

// StartGhostauxWith is StartGhostaux with more to say.
func StartGhostauxWith(t testing.TB, s Start) *Ghostaux {
	t.Helper()
	g := &Ghostaux{Home: ShortDir(t), exited: make(chan struct{}), addrs: map[string]string{}}
	argv := slices.Concat(s.Under, []string{Binary(t), "--log-format", "json", "--log-level", "debug"}, s.Args)
	g.Cmd = exec.Command(argv[0], argv[1:]...)
	g.Cmd.Dir, g.Cmd.Stdout = s.Dir, s.Stdout
	g.Cmd.Env = append([]string{
		"HOME=" + g.Home, "PATH=" + os.Getenv("PATH"), "GHOSTAUX_AUTH_TOKEN=" + Token,
		"GHOSTAUX_ADDR=127.0.0.1:0", "GHOSTAUX_AUDIOOUT_ADDR=127.0.0.1:0", "GHOSTAUX_AUDIOOUT_INGEST_ADDR=127.0.0.1:0",
		"GHOSTAUX_UPLOAD_ADDR=127.0.0.1:0", "GHOSTAUX_AUDIOIN_ADDR=127.0.0.1:0", "GHOSTAUX_GAMEPAD_ADDR=127.0.0.1:0",
		"GHOSTAUX_PRINTER_RELAY=" + filepath.Join(g.Home, "printer"), "GHOSTAUX_SMARTCARD_RELAY=" + filepath.Join(g.Home, "smartcard"),
		"GHOSTAUX_SMARTCARD_VPCD_ADDR=127.0.0.1:1", "PULSE_SERVER=unix:" + filepath.Join(g.Home, "no-pulse"),
	}, s.Env...)
	g.Cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if s.UID != 0 {
		g.Cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(s.UID), Gid: uint32(s.UID)}
		if err := os.Chown(g.Home, s.UID, s.UID); err != nil {
			t.Fatal(err)
		}
	}
	stderr, err := g.Cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Cmd.Start(); err != nil {
		t.Fatalf("start ghostaux: %v", err)
	}
	go func() {
		defer close(g.exited)
		g.follow(stderr)
		_ = g.Cmd.Wait()
	}()
	t.Cleanup(func() {
		g.Kill()
		if t.Failed() {
			t.Logf("log of ghostaux:\n%s", g.Log())
		}
	})
	return g
}

// follow keeps the log and learns the addresses from it.
func (g *Ghostaux) follow(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var entry struct{ Msg, Service, Endpoint, Addr string }
		isEntry := json.Unmarshal(lines.Bytes(), &entry) == nil
		g.mu.Lock()
		g.log.Write(lines.Bytes())
		g.log.WriteByte('\n')
		if isEntry && entry.Msg == "listening" {
			g.addrs[strings.TrimSuffix(entry.Service+"/"+entry.Endpoint, "/")] = entry.Addr
		}
		g.mu.Unlock()
	}
}

// Addr is the address of a listener: "frontdoor", "upload", "audioout", "audioout/ingest". It waits until it is there.
func (g *Ghostaux) Addr(t testing.TB, name string) string {
	t.Helper()
	var addr string
	Eventually(t, 20*time.Second, "ghostaux listens for "+name, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		addr = g.addrs[name]
		return addr != ""
	})
	return addr
}

// URL is an https URL on a listener; path begins with a slash.
func (g *Ghostaux) URL(t testing.TB, name, path string) string {
	t.Helper()
	return "https://" + g.Addr(t, name) + path
}

// Log is everything that it has logged so far.
func (g *Ghostaux) Log() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.log.String()
}

// ServiceStatus is one service of /status; Detail is left raw.
type ServiceStatus struct {
	Name, State, Reason, Advice string
	Retries                     int
	Detail                      json.RawMessage
}

// Status asks /status for one service.
func (g *Ghostaux) Status(t testing.TB, name string) ServiceStatus {
	t.Helper()
	var page struct{ Services []ServiceStatus }
	body := g.Get(t, "/status")
	if err := json.Unmarshal(body, &page); err != nil {
		t.Fatalf("status: %v: %s", err, body)
	}
	for _, s := range page.Services {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no service %s in %s", name, body)
	return ServiceStatus{}
}

// WaitState waits until a service is in the state.
func (g *Ghostaux) WaitState(t testing.TB, name, state string) {
	t.Helper()
	var last ServiceStatus
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		if last = g.Status(t, name); last.State == state {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s is %s (%s), want %s", name, last.State, last.Reason, state)
}

// Get asks the front door for a path, with Token, and wants 200.
func (g *Ghostaux) Get(t testing.TB, path string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.URL(t, "frontdoor", path), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", Authorization(Token))
	resp, err := Client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %v: %s", path, resp.Status, err, body)
	}
	return body
}

// Stop sends SIGTERM and returns the exit code when it has ended.
func (g *Ghostaux) Stop(t testing.TB) int {
	t.Helper()
	_ = g.Cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.exited:
	case <-time.After(20 * time.Second):
		t.Fatal("ghostaux has not ended 20 s after SIGTERM")
	}
	return g.Cmd.ProcessState.ExitCode()
}

// Kill ends it as kill -9 does.
func (g *Ghostaux) Kill() {
	_ = g.Cmd.Process.Kill()
	<-g.exited
}

// Exited is closed when the process has ended.
func (g *Ghostaux) Exited() <-chan struct{} { return g.exited }
