package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// printDesk is the real binary between a directory and a stand-in of KasmVNC's relay.
type printDesk struct {
	t    *testing.T
	dir  string
	path string // of the relay
	args []string
	aux  *testkit.Ghostaux
}

func newPrintDesk(t *testing.T, args ...string) *printDesk {
	t.Helper()
	base := testkit.ShortDir(t)
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	d := &printDesk{t: t, dir: filepath.Join(base, "PDF"), path: filepath.Join(base, "printer")}
	if err := os.Mkdir(d.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	d.args = append([]string{"--only", "printer", "--printer-dir", d.dir, "--printer-relay", d.path}, args...)
	d.start()
	return d
}

func (d *printDesk) start() {
	d.t.Helper()
	d.aux = testkit.StartGhostaux(d.t, d.args...)
	d.aux.WaitState(d.t, "printer", "ready")
}

func (d *printDesk) write(name string, data []byte) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), data, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func sumOf(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

func sumFile(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// What lp prints through the real cups and cups-pdf ends at the browser, once, and is what cups-pdf has written.
func TestPrinterWithCups(t *testing.T) {
	d := newPrintDesk(t)
	p := testkit.WatchPrintouts(t, testkit.StartXvnc(t, "printer:"+d.path))
	cups := testkit.StartCups(t, d.dir)
	short, long := filepath.Join(testkit.ShortDir(t), "short.txt"), filepath.Join(testkit.ShortDir(t), "long.txt")
	var lines strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&lines, "line %d of a long file\n", i)
	}
	for path, text := range map[string]string{short: "Hello, printer.\n", long: lines.String()} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cups.Print(t, short)
	p.Wait(t, 60*time.Second, 1)
	cups.Print(t, long)
	got := p.Wait(t, 120*time.Second, 2)

	files, err := os.ReadDir(d.dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("%d files in the directory: %v", len(files), err)
	}
	want := map[string]bool{}
	for _, f := range files {
		want[sumFile(t, filepath.Join(d.dir, f.Name()))] = true
	}
	if !want[got[0].SHA256] || !want[got[1].SHA256] || got[0].SHA256 == got[1].SHA256 {
		t.Errorf("printed %s and %s, in the directory are %v", got[0].SHA256, got[1].SHA256, want)
	}
	if got[1].Size < 500_000 {
		t.Errorf("60,000 lines are %d bytes", got[1].Size)
	}
	if starts, _, strange, _ := p.Counts(); starts != 2 || strange != 0 {
		t.Errorf("%d STARTs, %d strange packets", starts, strange)
	}
	testkit.Eventually(t, 10*time.Second, "each has its log line, which comes after its END", func() bool {
		return strings.Count(d.aux.Log(), `"document sent"`) == 2
	})
}

// Documents of all sizes arrive whole through a reader that takes its time, at no cost in memory or processor time.
func TestPrinterSizes(t *testing.T) {
	d := newPrintDesk(t, "--printer-pace", "0")
	x := testkit.StartXvnc(t, "printer:"+d.path)
	p := testkit.WatchPrintouts(t, x)
	p.Slow = 3 * time.Millisecond
	d.write("one-byte.pdf", []byte("%"))
	n := 0
	for _, size := range []int{65_535, 212_961, 1_048_576, 25<<20 + 1, 300 << 20} {
		data := testkit.PDF(size, uint64(size))
		want := sumOf(data)
		d.write(fmt.Sprintf("%d.pdf", size), data)
		data = nil
		if size >= 300<<20 {
			testkit.Eventually(t, 60*time.Second, "it is half sent", func() bool { return p.Progress() > 20<<20 })
			p.Hurry()
			d.blocked(x)
		}
		n++
		got := p.Wait(t, 120*time.Second, n)
		if last := got[n-1]; last.SHA256 != want || last.Size != int64(size) {
			t.Errorf("%d bytes came, want %d, or with another hash", last.Size, size)
		}
	}
	if peak := memoryPeak(t, d.aux.Cmd.Process.Pid); peak > 48<<20 {
		t.Errorf("the largest document took %d MiB of memory", peak>>20)
	}
}

// blocked measures what a document costs while the X server takes nothing of it.
func (d *printDesk) blocked(x *testkit.Xvnc) {
	d.t.Helper()
	resume := x.Freeze()
	defer resume()
	pid := d.aux.Cmd.Process.Pid
	begun := processorTime(d.t, pid)
	select {
	case <-time.After(time.Second): // what is measured is that nothing happens
	case <-d.aux.Exited():
		d.t.Fatal("it has ended")
	}
	used := processorTime(d.t, pid) - begun
	d.t.Logf("a second of waiting for room: %v of processor time", used)
	if used > 100*time.Millisecond {
		d.t.Errorf("a second of waiting for room cost %v of processor time", used)
	}
}

func processorTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var user, system int64 // in hundredths of a second
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memoryPeak is the largest resident size of a process so far, in bytes.
func memoryPeak(t testing.TB, pid int) (peak int64) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(rest, &peak); err != nil {
		t.Fatal(err)
	}
	return peak << 10
}

// A process that is killed prints nothing twice afterwards, and what comes then is printed.
func TestPrinterKilledAndStartedAgain(t *testing.T) {
	d := newPrintDesk(t, "--printer-pace", "1ms")
	x := testkit.StartXvnc(t, "printer:"+d.path)
	p := testkit.WatchPrintouts(t, x)
	first := testkit.PDF(3000, 1)
	d.write("first.pdf", first)
	p.Wait(t, 20*time.Second, 1)
	d.write("cut.pdf", testkit.PDF(50<<20, 2))
	testkit.Eventually(t, 20*time.Second, "it is being sent", func() bool { return p.Progress() > 1<<20 })
	d.aux.Kill()
	d.start()
	next := testkit.PDF(4000, 3)
	d.write("next.pdf", next)
	if got := p.Wait(t, 20*time.Second, 2); got[1].SHA256 != sumOf(next) {
		t.Error("another document was printed than the one that came after the start")
	}
	if code := d.aux.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestPrinterSwitchedOff(t *testing.T) {
	dir := testkit.ShortDir(t)
	aux := testkit.StartGhostauxWith(t, testkit.Start{
		Args: []string{"--only", "printer", "--printer-dir", dir}, Env: []string{"KASM_SVC_PRINTER=0"},
	})
	aux.WaitState(t, "printer", "off")
}

// Without a home directory of its own nothing is lacking but the directory, and that is said.
func TestPrinterDirectoryIsMissed(t *testing.T) {
	aux := testkit.StartGhostaux(t, "--only", "printer")
	aux.WaitState(t, "printer", "degraded")
	if s := aux.Status(t, "printer"); !strings.Contains(s.Reason, aux.Home+"/PDF") || s.Advice == "" {
		t.Errorf("%+v", s)
	}
	aux.Get(t, "/readyz") // it has no printer, and is ready without
	if err := os.Mkdir(filepath.Join(aux.Home, "PDF"), 0o755); err != nil {
		t.Fatal(err)
	}
	aux.WaitState(t, "printer", "ready")
}

// A file that another user may not read costs one line in the log, and is printed when its mode allows it.
func TestPrinterUnreadableFile(t *testing.T) {
	const nobody = 65534
	base := testkit.ShortDir(t)
	dir, path, program := filepath.Join(base, "PDF"), filepath.Join(base, "printer"), filepath.Join(base, "ghostaux")
	binary, err := os.ReadFile(testkit.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{os.Chmod(base, 0o755), os.Mkdir(dir, 0o755), os.WriteFile(program, binary, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p := testkit.WatchPrintouts(t, testkit.StartXvnc(t, "printer:"+path))
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--only", "printer", "--addr", "127.0.0.1:0", "--tls", "off", "--printer-dir", dir, "--printer-relay", path)
	cmd.Env = []string{"HOME=" + base, "GHOSTAUX_AUTH_TOKEN=" + testkit.Token}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL}
	log := &lockedBuffer{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	testkit.Eventually(t, 20*time.Second, "it watches", func() bool { return strings.Contains(log.String(), "watching") })
	secret, open := testkit.PDF(3000, 1), testkit.PDF(4000, 2)
	for name, file := range map[string]struct {
		data []byte
		mode os.FileMode
	}{"secret.pdf": {secret, 0o600}, "open.pdf": {open, 0o644}} {
		if err := os.WriteFile(filepath.Join(dir, name), file.data, file.mode); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.Wait(t, 20*time.Second, 1); got[0].SHA256 != sumOf(open) {
		t.Error("the file that may be read is not the one that came")
	}
	testkit.Eventually(t, 20*time.Second, "one line", func() bool { return strings.Count(log.String(), "document refused") == 1 })
	if err := os.Chmod(filepath.Join(dir, "secret.pdf"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := p.Wait(t, 20*time.Second, 2); got[1].SHA256 != sumOf(secret) {
		t.Error("another document than the one that may be read now")
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
