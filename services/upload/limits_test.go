package upload

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

func TestExistingNameIsRefusedBeforeItsBytes(t *testing.T) {
	g := start(t, nil)
	g.want(g.post("a.txt", []byte("first")), 200, "")
	f := file{"u", "a.txt", randomBytes(5, 3_000_000), 1_000_000}
	g.want(g.chunk(f, 0), 400, "File already exists")
	g.wantFiles("a.txt")
	g.wantFile("a.txt", []byte("first"))
}

func TestLimits(t *testing.T) {
	g := start(t, func(c *Config) { c.MaxSize, c.Quota = 200_000, 500_000 })
	big := file{"u", "big", randomBytes(7, 200_001), 100_000}
	g.want(g.chunk(big, 0), 413, "larger than the limit of 195.3 KiB")
	g.want(g.post("big", big.content), 413, "larger")
	g.want(g.post("fits", big.content[:200_000]), 200, "")
	g.want(g.post("fits2", big.content[:200_000]), 200, "")
	big.content = big.content[:150_000]
	g.want(g.chunk(big, 0), 507, "uploads may take 488.3 KiB, 390.6 KiB are taken")
	g.wantFiles("fits", "fits2")
	if err := os.Remove(filepath.Join(g.dir, "fits")); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 5*time.Second, "room again", func() bool { return g.chunk(big, 0).status == 200 })
	g.want(g.post("more", randomBytes(7, 150_001)), 507, "may take") // what is promised counts
	g.want(g.chunk(big, 1), 200, "")
	g.wantFile("big", big.content)
}

func TestSpaceIsAskedForFirst(t *testing.T) {
	g := start(t, nil)
	g.svc.store.space = func() (int64, error) { return 1 << 20, nil }
	a := g.post("big", []byte("x"), fieldID, "u", fieldIndex, "0", fieldTotal, "3000000", fieldSize, "1", fieldCount, "3000000", fieldOffset, "0")
	g.want(a, 507, "No Space available: the file needs 2.9 MiB, 1 MiB are free")
	g.wantFiles()
	ok := file{"u2", "ok", randomBytes(8, 700_000), 350_000}
	g.want(g.chunk(ok, 0), 200, "")
	g.want(g.chunk(file{"u3", "ok2", ok.content, 350_000}, 0), 507, "No Space") // the first has it promised
	g.want(g.chunk(ok, 1), 200, "")
	g.wantFiles("ok")
}

func TestNoDirectory(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "file", "Uploads")
	if err := os.WriteFile(filepath.Join(parent, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	g := newRig(t, dir, nil)
	if err := g.svc.Run(t.Context(), func() { t.Error("ready") }); err == nil {
		t.Fatal("Run succeeded")
	}
	g.srv = testkit.Serve(t, g.svc.Endpoints()[0])
	a := g.post("x", []byte("x"))
	g.want(a, 503, "is not a directory")
	if a.header.Get("Retry-After") == "" || !strings.Contains(a.body, dir) {
		t.Errorf("%v", a)
	}
	select {
	case <-g.svc.retry:
	default:
		t.Error("the request did not ask for another try")
	}
	if f := g.svc.Check(t.Context()); f[0].OK || f[0].Advice == "" {
		t.Errorf("check: %v", f)
	}
	_ = os.Remove(filepath.Join(parent, "file"))
	g.run()
	g.want(g.post("x", []byte("x")), 200, "")
}

// TestDirectoryVanishes: the directory is removed while the service runs.
func TestDirectoryVanishes(t *testing.T) {
	g := start(t, nil)
	f := file{"u", "a", randomBytes(1, 2000), 1000}
	g.want(g.chunk(f, 0), 200, "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_ = g.stop()
	ended := make(chan error, 1)
	ready := make(chan struct{})
	go func() { ended <- g.svc.Run(ctx, func() { close(ready) }) }()
	<-ready
	if err := os.RemoveAll(g.dir); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Fatal("Run did not notice")
	}
	g.run()
	g.want(g.chunk(file{"u2", "b", f.content, 1000}, 0), 200, "")
}
