package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var built struct {
	once sync.Once
	dir  string
	path string
	err  error
	out  []byte
}

// Binary is the path of the ghostaux binary: the one that GHOSTAUX_BINARY names, or one that is built once for this run of
// tests, static as it is shipped.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("GHOSTAUX_BINARY"); path != "" {
		return path
	}
	built.once.Do(func() {
		built.dir, built.err = os.MkdirTemp("", "ghostaux-test")
		if built.err != nil {
			return
		}
		built.err = os.Chmod(built.dir, 0o755) // also for a test that runs it as another user
		built.path = filepath.Join(built.dir, "ghostaux")
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", built.path, "ghostaux/cmd/ghostaux")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Dir = Root(t)
		built.out, built.err = cmd.CombinedOutput()
	})
	if built.err != nil {
		t.Fatalf("build ghostaux: %v\n%s", built.err, built.out)
	}
	return built.path
}

// RemoveBinary removes what Binary has built; for TestMain.
func RemoveBinary() {
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
}

// Root is the directory of the module.
func Root(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}
