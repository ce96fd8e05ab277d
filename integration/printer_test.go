package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
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

func (d *printDesk) report() (r struct {
	Queued    int
	Relay     struct{ Present bool }
	Documents []struct {
		ID                  int64
		Name, State, SHA256 string
	}
}) {
	d.t.Helper()
	if err := json.Unmarshal(d.aux.Status(d.t, "printer").Detail, &r); err != nil {
		d.t.Fatal(err)
	}
	return r
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
	if n := strings.Count(d.aux.Log(), `"document sent"`); n != 2 {
		t.Errorf("%d log lines for two documents", n)
	}
}
