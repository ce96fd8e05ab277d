package testkit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Guest is a Linux machine of its own, with uinput, input devices and a network: Debian's kernel under qemu, whose first
// process is guestinit. Processors are emulated, since no other way works everywhere: it is ten times slower than this one.
type Guest struct {
	control string         // URL of guestinit
	forward map[int]string // address on this machine by port in the guest
	client  *http.Client
	exited  chan struct{}

	mu      sync.Mutex // guards the following fields
	console bytes.Buffer
}

// GuestSpec says what a guest has beside the kernel.
type GuestSpec struct {
	Files  map[string]string // path in the guest: path here
	Ports  []int             // TCP ports of the guest to be reached from here
	Memory int               // MiB; 0 is 512. All files stay in it
}

const controlPort = 7

// StartGuest boots a guest, which runs until the test ends.
func StartGuest(t testing.TB, spec GuestSpec) *Guest {
	t.Helper()
	dir := ShortDir(t)
	k := guestKernel(t)
	initrd := filepath.Join(dir, "initrd")
	if err := os.WriteFile(initrd, initramfs(t, k, spec, dir), 0o644); err != nil {
		t.Fatal(err)
	}
	for attempt := 0; ; attempt++ {
		g := boot(t, k.image, initrd, spec)
		if g.wait(t) {
			return g
		}
		if attempt == 2 {
			t.Fatalf("the guest does not come up:\n%s", g.Console())
		}
	}
}

func initramfs(t testing.TB, k kernel, spec GuestSpec, dir string) []byte {
	t.Helper()
	initBinary := filepath.Join(dir, "init")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", initBinary, "ghostaux/pkg/testkit/guestinit")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build guestinit: %v: %s", err, out)
	}
	var a archive
	for _, d := range []string{"dev", "proc", "sys", "tmp", "mod"} {
		a.mkdir(d)
	}
	files := map[string]string{"/init": initBinary}
	for i, m := range k.ordered(t, "virtio_pci", "virtio_net", "uinput", "evdev", "joydev") {
		files[fmt.Sprintf("/mod/%02d-%s", i, filepath.Base(m))] = m // guestinit loads them in the order of their names
	}
	for name, host := range spec.Files {
		files[name] = host
	}
	for name, host := range files {
		if err := a.addFile(name, host); err != nil {
			t.Fatal(err)
		}
	}
	return a.bytes()
}

func boot(t testing.TB, image, initrd string, spec GuestSpec) *Guest {
	t.Helper()
	g := &Guest{forward: map[int]string{}, exited: make(chan struct{}), client: &http.Client{Transport: &http.Transport{}}}
	network := "user,id=net,restrict=on"
	for _, port := range append([]int{controlPort}, spec.Ports...) {
		g.forward[port] = freeAddr(t) // qemu cannot be asked which port it chose
		network += fmt.Sprintf(",hostfwd=tcp:%s-:%d", g.forward[port], port)
	}
	g.control = "http://" + g.forward[controlPort]
	cmd := exec.Command("qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", strconv.Itoa(cmp.Or(spec.Memory, 512)), "-smp", "1", "-no-reboot", "-nodefaults",
		"-display", "none", "-serial", "stdio", "-kernel", image, "-initrd", initrd,
		"-append", "console=ttyS0 quiet panic=-1 tsc=reliable mitigations=off",
		"-netdev", network, "-device", "virtio-net-pci,netdev=net,romfile=")
	cmd.Stdout, cmd.Stderr = g, g
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start qemu: %v", err)
	}
	go func() {
		defer close(g.exited)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-g.exited
		g.client.CloseIdleConnections()
		if t.Failed() {
			t.Logf("console of the guest:\n%s", g.Console())
		}
	})
	return g
}

// wait returns true when guestinit answers, false when qemu has ended.
func (g *Guest) wait(t testing.TB) bool {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		err := g.call(ctx, "/hello", nil, nil)
		cancel()
		if err == nil {
			return true
		}
		select {
		case <-g.exited:
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("the guest does not answer:\n%s", g.Console())
	return false
}

// Write keeps what the guest prints.
func (g *Guest) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.console.Write(b)
}

// Console is what the guest and the programs in it have printed.
func (g *Guest) Console() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.ReplaceAll(g.console.String(), "\r", "")
}

// Addr is the address here of a port in the guest.
func (g *Guest) Addr(port int) string { return g.forward[port] }

// Call asks guestinit, whose paths and bodies are described there, and fails the test when it cannot do it.
func (g *Guest) Call(t testing.TB, path string, in, out any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // cleanups call, too, after t.Context has ended
	defer cancel()
	if err := g.call(ctx, path, in, out); err != nil {
		t.Fatalf("guest: %s: %v", path, err)
	}
}

func (g *Guest) call(ctx context.Context, path string, in, out any) error {
	body, err := g.open(ctx, path, in)
	if err != nil {
		return err
	}
	defer body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, body)
		return err
	}
	return json.NewDecoder(body).Decode(out)
}

func (g *Guest) open(ctx context.Context, path string, in any) (io.ReadCloser, error) {
	msg, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.control+path, bytes.NewReader(msg))
	if err != nil {
		return nil, err
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(text))
	}
	return resp.Body, nil
}

// Stream asks guestinit for something without end, one JSON value after the other, and passes each to take until the
// test ends or stop is called.
func (g *Guest) Stream(t testing.TB, path string, in any, take func(json.RawMessage)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	body, err := g.open(ctx, path, in)
	if err != nil {
		cancel()
		t.Fatalf("guest: %s: %v", path, err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer body.Close()
		for values := json.NewDecoder(body); ; {
			var v json.RawMessage
			if values.Decode(&v) != nil {
				return
			}
			take(v)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); reading.Wait() })
	t.Cleanup(stop)
	return stop
}

// Start runs a program in the guest and returns its process id.
func (g *Guest) Start(t testing.TB, env []string, args ...string) (pid int) {
	t.Helper()
	g.Call(t, "/start", map[string]any{"args": args, "env": env}, &pid)
	return pid
}

// Signal sends a signal to a program that Start has started.
func (g *Guest) Signal(t testing.TB, pid int, sig syscall.Signal) {
	t.Helper()
	g.Call(t, "/signal", map[string]any{"pid": pid, "signal": int(sig)}, nil)
}

// Wait waits until the program has ended and returns its exit code.
func (g *Guest) Wait(t testing.TB, pid int) (code int) {
	t.Helper()
	g.Call(t, "/wait", map[string]any{"pid": pid}, &code)
	return code
}
