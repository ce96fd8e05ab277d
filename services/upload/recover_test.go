package upload

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRestartContinues(t *testing.T) {
	dir := t.TempDir()
	content := randomBytes(1, 100_000)
	sp := testSpec("u", len(content))
	sp.place.folder = "a/b"
	s := openTest(t, dir, nil)
	if _, err := send(s, sp, content, span{0, 60_000}, nil); err != nil {
		t.Fatal(err)
	}
	s.close()
	journal := find(t, dir, journalSuffix)
	f, _ := os.OpenFile(journal, os.O_WRONLY|os.O_APPEND, 0)
	_, _ = f.WriteString("60000 1000") // cut short by a kill: must not count
	_ = f.Close()
	s = openTest(t, dir, nil)
	if p := s.parts[sp.key]; p == nil || !cmp.Equal(p.have, ranges{{0, 60_000}}, cmp.AllowUnexported(span{})) {
		t.Fatalf("taken up: %+v", p)
	}
	// the next line of the journal must not join the one that was cut
	if ok, err := send(s, sp, content, span{60_000, 80_000}, nil); ok || err != nil {
		t.Fatal(ok, err)
	}
	s.close()
	s = openTest(t, dir, nil)
	if ok, err := send(s, sp, content, span{80_000, 100_000}, nil); !ok || err != nil {
		t.Fatal(ok, err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "a/b/u.bin"))
	if err != nil || !bytes.Equal(got, content) {
		t.Fatal(err)
	}
}

func find(t *testing.T, dir, suffix string) string {
	t.Helper()
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if strings.HasSuffix(e.Name(), suffix) {
			return filepath.Join(dir, e.Name())
		}
	}
	t.Fatalf("nothing ends in %s", suffix)
	return ""
}

func TestKilledBeforeTheName(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, nil)
	sp := testSpec("u", 10)
	if _, err := send(s, sp, make([]byte, 10), span{0, 9}, nil); err != nil {
		t.Fatal(err)
	}
	s.close()
	f, _ := os.OpenFile(find(t, dir, journalSuffix), os.O_WRONLY|os.O_APPEND, 0)
	_, _ = f.WriteString("9 10\n")
	_ = f.Close()
	if err := os.Truncate(find(t, dir, partSuffix), 10); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, nil)
	if list, _ := os.ReadDir(dir); len(list) != 1 || list[0].Name() != "u.bin" {
		t.Fatalf("%v", list)
	}
	if _, err := send(s, sp, make([]byte, 10), span{9, 10}, nil); !errors.Is(err, errFinished) {
		t.Fatal(err)
	}
}

// TestJournalsThatAreNotBelieved: of another boot, of a file that is too short or not a file, and what is none.
func TestJournalsThatAreNotBelieved(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string){
		"boot": func(t *testing.T, dir string) {
			b, _ := os.ReadFile(find(t, dir, journalSuffix))
			b = bytes.Replace(b, []byte(`"boot":"`), []byte(`"boot":"x`), 1)
			_ = os.WriteFile(find(t, dir, journalSuffix), b, 0o600)
		},
		"short": func(t *testing.T, dir string) { _ = os.Truncate(find(t, dir, partSuffix), 3) },
		"symlink": func(t *testing.T, dir string) {
			p := find(t, dir, partSuffix)
			_ = os.Remove(p)
			_ = os.Symlink("/etc/passwd", p)
		},
		"absent":  func(t *testing.T, dir string) { _ = os.Remove(find(t, dir, partSuffix)) },
		"garbage": func(t *testing.T, dir string) { _ = os.WriteFile(find(t, dir, journalSuffix), []byte("x\n"), 0o600) },
		"empty":   func(t *testing.T, dir string) { _ = os.Truncate(find(t, dir, journalSuffix), 0) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openTest(t, dir, nil)
			sp := testSpec("u", 10)
			if _, err := send(s, sp, []byte("0123456789"), span{0, 5}, nil); err != nil {
				t.Fatal(err)
			}
			s.close()
			damage(t, dir)
			s = openTest(t, dir, nil)
			if list, _ := os.ReadDir(dir); len(list) != 0 {
				t.Fatalf("left: %v", list)
			}
			known := name != "garbage" && name != "empty"
			if _, err := send(s, sp, []byte("0123456789"), span{5, 10}, nil); errors.Is(err, errLost) != known {
				t.Fatalf("the rest of a lost file: %v", err)
			}
			if !known {
				return
			}
			if ok, err := send(s, sp, []byte("0123456789"), span{0, 10}, nil); !ok || err != nil {
				t.Fatalf("from the start: %v", err)
			}
		})
	}
}

// TestKilledAfterTheName: the file has its name and nobody has the answer. What comes again is this upload's, and is no
// second file; by its inode, since a file of that name may as well be another's.
func TestKilledAfterTheName(t *testing.T) {
	for _, rule := range []string{conflictFail, conflictRename, conflictOverwrite} {
		t.Run(rule, func(t *testing.T) {
			dir := t.TempDir()
			open := func() *store { return openTest(t, dir, func(c *Config) { c.Conflict = rule }) }
			content := randomBytes(5, 1000)
			if rule == conflictRename { // then it becomes u (1).bin
				if err := os.WriteFile(filepath.Join(dir, "u.bin"), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			sp := testSpec("u", len(content))
			s := open()
			if _, err := send(s, sp, content, span{0, 600}, nil); err != nil {
				t.Fatal(err)
			}
			w, err := s.begin(sp, 600, false, func() {})
			if err != nil {
				t.Fatal(err)
			}
			if err := w.put(content[600:]); err != nil {
				t.Fatal(err)
			}
			if published, err := w.end(nil); !published || err != nil { // and no tidy
				t.Fatal(published, err)
			}
			before := namesIn(t, dir)
			s.close()
			s = open()
			if _, err := send(s, sp, content, span{600, 1000}, nil); !errors.Is(err, errFinished) {
				t.Fatalf("the last chunk again: %v", err)
			}
			after := namesIn(t, dir)
			if len(after) != len(before)-1 || strings.HasPrefix(after[0], ".") {
				t.Fatalf("%q became %q", before, after)
			}
		})
	}
}

// TestKilledBetweenLinkAndUnlink: where a hard link gives the name, the part file may be there still.
func TestKilledBetweenLinkAndUnlink(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, nil)
	sp := testSpec("u", 10)
	if _, err := send(s, sp, make([]byte, 10), span{0, 5}, nil); err != nil {
		t.Fatal(err)
	}
	w, err := s.begin(sp, 5, false, func() {})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.put(make([]byte, 5)), w.note()); err != nil {
		t.Fatal(err)
	}
	s.announce(w.part, "u.bin")
	s.leave(w)
	s.close()
	if err := os.Link(find(t, dir, partSuffix), filepath.Join(dir, "u.bin")); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, nil)
	if got := namesIn(t, dir); !slices.Equal(got, []string{"u.bin"}) {
		t.Fatalf("%q", got)
	}
	if _, err := send(s, sp, make([]byte, 10), span{5, 10}, nil); !errors.Is(err, errFinished) {
		t.Fatal(err)
	}
}

// TestAnothersFileOfThatName is no upload of ours, however the journal names it.
func TestAnothersFileOfThatName(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, nil)
	sp := testSpec("u", 10)
	if _, err := send(s, sp, make([]byte, 10), span{0, 5}, nil); err != nil {
		t.Fatal(err)
	}
	w, err := s.begin(sp, 5, false, func() {})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.put(make([]byte, 5)), w.note()); err != nil {
		t.Fatal(err)
	}
	s.announce(w.part, "u.bin")
	s.leave(w)
	s.close()
	if err := os.WriteFile(filepath.Join(dir, "u.bin"), []byte("another's!"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, nil)
	if _, err := send(s, sp, make([]byte, 10), span{5, 10}, nil); !errors.Is(err, errExists) {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "u.bin")); err != nil || string(got) != "another's!" {
		t.Fatalf("%q %v", got, err)
	}
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// TestResentAfterAnotherName: with numbered names too, what comes again of a complete upload is known as its own.
func TestResentAfterAnotherName(t *testing.T) {
	s := openTest(t, t.TempDir(), func(c *Config) { c.Conflict = conflictRename })
	for _, key := range []string{"a", "b"} {
		sp := testSpec(key, 10)
		sp.place.name = "same.bin"
		if ok, err := send(s, sp, make([]byte, 10), span{0, 10}, nil); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if _, err := send(s, sp, make([]byte, 10), span{5, 10}, nil); !errors.Is(err, errFinished) {
			t.Fatalf("%s again: %v", key, err)
		}
	}
}

// FuzzJournal: any bytes are a journal of a possible upload, or none.
func FuzzJournal(f *testing.F) {
	h := header{Key: "dz:u", Total: 100, Name: "a", Folder: "b", Boot: "x"}
	line, _ := h.encode()
	f.Add(append(line, "0 5\n10 100\n"...))
	f.Add(append(line, "0 100\n= 17 a (1).txt\n"...))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		j, err := parseJournal(content)
		if err != nil {
			return
		}
		h, have := j.header, j.have
		holdElement(t, h.Name)
		if j.named.name != "" {
			holdElement(t, j.named.name)
		}
		for _, s := range have {
			if s.from < 0 || s.to > h.Total || s.from >= s.to {
				t.Fatalf("%v of %d", have, h.Total)
			}
		}
		if !slices.IsSortedFunc(have, func(a, b span) int { return int(a.from - b.from) }) {
			t.Fatalf("%v", have)
		}
	})
}
