package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// NodeModules installs what integration/testdata/package.json names, unless it is there already, and returns its
// node_modules directory. It is for tests of the integration package, which run in its directory.
func NodeModules(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	if err := installNodeModules(dir); err != nil {
		t.Fatalf("npm ci in %s: %v", dir, err)
	}
	return filepath.Join(dir, "node_modules")
}

func installNodeModules(dir string) error {
	lock, err := os.Open(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return err
	}
	defer lock.Close()
	// npm ci beside itself in one directory breaks both.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	want, err := lock.Stat()
	if err != nil {
		return err
	}
	// npm writes this file last; an older one is of another package-lock.json.
	done, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	if err == nil && !done.ModTime().Before(want.ModTime()) {
		return nil
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	return cmd.Run()
}
