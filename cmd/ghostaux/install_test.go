package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestInstallAndUndo(t *testing.T) {
	dir := t.TempDir()
	original := filepath.Join(dir, places[1])
	if err := os.MkdirAll(filepath.Dir(original), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(original, []byte("original"), 0o755); err != nil {
		t.Fatal(err)
	}
	do := func(undo bool) {
		t.Helper()
		var out bytes.Buffer
		if err := (installCommand{Dir: dir, Undo: undo}).Run(&output{stdout: &out}); err != nil {
			t.Fatalf("undo %v: %v", undo, err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	do(false)
	do(false) // the second time changes nothing more
	for _, place := range places {
		if target, err := os.Readlink(filepath.Join(dir, place)); err != nil || target != self {
			t.Errorf("%s: %q %v", place, target, err)
		}
	}
	if b, err := os.ReadFile(original + keptSuffix); err != nil || string(b) != "original" {
		t.Errorf("kept %q %v", b, err)
	}
	do(true)
	do(true)
	if b, err := os.ReadFile(original); err != nil || string(b) != "original" {
		t.Errorf("put back %q %v", b, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left are %v, %v, and not only what was there before", left, err)
	}
	if err := (installCommand{Dir: filepath.Join(dir, "none")}).Run(&output{}); err == nil {
		t.Error("a directory that is not there is no fault")
	}
}
