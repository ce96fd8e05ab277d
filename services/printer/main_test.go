package printer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ghostaux/pkg/metrics"
	"ghostaux/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.LeakGate(m) }

const limit = 20 * time.Second

// desk is a directory, a relay, and the service between them.
type desk struct {
	*testing.T
	dir, relay string
	config     Config
	service    *Service
	metrics    *metrics.Registry
	readied    chan struct{}
	ended      chan error
	faults     chan error // of Runs that ended by themselves
	stop       context.CancelFunc
}

// newDesk prepares everything; nothing runs. Sending is not paced.
func newDesk(t *testing.T) *desk {
	t.Helper()
	base := testkit.ShortDir(t)
	d := &desk{T: t, dir: filepath.Join(base, "PDF"), relay: filepath.Join(base, "printer")}
	d.config = Config{Dir: d.dir, Relay: d.relay, Chunk: 65528}
	d.mkdir()
	return d
}

func (d *desk) mkdir() {
	d.Helper()
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		d.Fatal(err)
	}
}

// start runs the service until the test ends, and waits until it is ready.
func (d *desk) start() {
	d.Helper()
	d.run()
	select {
	case <-d.readied:
	case err := <-d.ended:
		d.Fatalf("Run: %v", err)
	case <-time.After(limit):
		d.Fatal("not ready")
	}
}

// run runs the service again and again, as the supervisor does, until the test ends or d.stop is called.
func (d *desk) run() {
	d.Helper()
	if d.service == nil {
		env := testkit.Env(d)
		d.metrics = env.Metrics
		var err error
		if d.service, err = New(d.config, env); err != nil {
			d.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.stop, d.readied, d.ended = cancel, make(chan struct{}, 100), make(chan error, 1)
	d.faults = make(chan error, 1000)
	readied, ended := d.readied, d.ended
	go func() {
		for {
			err := d.service.Run(ctx, func() { readied <- struct{}{} })
			if ctx.Err() != nil {
				ended <- err
				return
			}
			d.faults <- err
			_ = sleep(ctx, 20*time.Millisecond)
		}
	}()
	d.Cleanup(func() { d.end() })
}

// end stops the service and waits for it.
func (d *desk) end() {
	if d.stop == nil {
		return
	}
	d.stop()
	d.stop = nil
	if err := <-d.ended; err != nil {
		d.Errorf("Run after its context ended: %v", err)
	}
}

func (d *desk) xvnc() *testkit.Xvnc {
	d.Helper()
	return testkit.StartXvnc(d, "printer:"+d.relay)
}

// browser starts the relay with a browser at its far end.
func (d *desk) browser() *testkit.Printouts {
	d.Helper()
	p := testkit.NewPrintouts()
	testkit.NewXvnc(d, "printer:"+d.relay).Start(&p.Viewer)
	return p
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *desk) write(name string, data []byte) {
	d.Helper()
	if err := os.WriteFile(d.path(name), data, 0o644); err != nil {
		d.Fatal(err)
	}
}

func (d *desk) do(errs ...error) {
	d.Helper()
	for _, err := range errs {
		if err != nil {
			d.Fatal(err)
		}
	}
}

// fence prints one more document, after which nothing of what was done before it can come any more.
func (d *desk) fence(p *testkit.Printouts, n int) []testkit.Printout {
	d.Helper()
	data := testkit.PDF(500, uint64(1000+n))
	d.write(fmt.Sprintf("fence-%d.pdf", n), data)
	done := p.Wait(d, limit, n+1)
	if last := done[len(done)-1]; last.SHA256 != sum(data) {
		d.Fatalf("the last document is not the fence")
	}
	return done[:n]
}

func (d *desk) counter(name string) float64 {
	d.Helper()
	return testkit.Metric(d, d.metrics, name)
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// blanked is the document as it is sent when its startxref would mislead.
func blanked(data []byte) []byte {
	out := bytes.Clone(data)
	var t tables
	_, _ = t.Write(data)
	last := t.found[len(t.found)-1]
	copy(out[last.digits:], bytes.Repeat([]byte("0"), last.length))
	return out
}

func expect(t *testing.T, got []testkit.Printout, want ...[]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d documents, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].SHA256 != sum(want[i]) {
			t.Errorf("document %d: %d bytes with another hash, want %d bytes", i, got[i].Size, len(want[i]))
		}
	}
}
