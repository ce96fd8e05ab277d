package upload

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRenameOver: where the file system can do no better, a file and a folder get a name that is free, with what is in
// them, and never one that is taken.
func TestRenameOver(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"file", "taken"} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(path), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "folder", "inside"), []byte("inside"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	over := func(from, to string) error {
		return control(root, func(fd int) error { return renameOver(fd, from, fd, to) })
	}
	for _, from := range []string{"file", "folder"} {
		if err := over(from, "taken"); !errors.Is(err, unix.EEXIST) {
			t.Errorf("%s over what is there: %v", from, err)
		}
		if err := over(from, "new "+from); err != nil {
			t.Errorf("%s: %v", from, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, from)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", from, err)
		}
	}
	for path, want := range map[string]string{"taken": "taken", "new file": "file", "new folder/inside": "inside"} {
		if got, err := os.ReadFile(filepath.Join(dir, path)); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v", path, got, err)
		}
	}
	if err := over("gone", "nothing"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("what is not there: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty file is left: %v", err)
	}
}
