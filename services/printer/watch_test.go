package printer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
)

func TestWhatIsNoNewDocument(t *testing.T) {
	d := newDesk(t)
	old := testkit.PDF(3000, 1)
	d.write("old.pdf", old)
	d.write("old2.pdf", testkit.PDF(4000, 2))
	elsewhere := filepath.Join(filepath.Dir(d.dir), "elsewhere.pdf")
	p := d.browser()
	d.start()

	now := time.Now()
	d.do(os.Chtimes(d.path("old.pdf"), now, now), os.Chmod(d.path("old.pdf"), 0o600)) // chmod
	f, err := os.OpenFile(d.path("old.pdf"), os.O_WRONLY, 0)                          // touch opens for writing, and closes
	d.do(err, os.Chtimes(d.path("old.pdf"), now, now), f.Close())
	d.do(os.Link(d.path("old.pdf"), d.path("link.pdf")), os.Remove(d.path("link.pdf")))
	d.do(os.Link(d.path("old.pdf"), d.path("link2.pdf")))
	f, err = os.OpenFile(d.path("link2.pdf"), os.O_WRONLY, 0)
	d.do(err, f.Close())
	d.do(os.Rename(d.path("old2.pdf"), d.path("renamed.pdf")))
	d.do(os.Symlink(d.path("old.pdf"), elsewhere), os.Rename(elsewhere, d.path("symlink.pdf")))
	d.do(os.Mkdir(d.path("folder.pdf"), 0o755))
	d.write("empty.pdf", nil)
	d.write("one.pdf", []byte("%"))
	d.write("text.pdf", []byte("not a PDF, although it says %%EOF\n"))
	d.write("torn.pdf", testkit.PDF(3000, 3)[:2000])
	for _, name := range []string{".hidden.pdf", "~draft.pdf", "#draft.pdf", "a.pdf.tmp", "a.pdf~", "pdf", ".pdf", "a.ps"} {
		d.write(name, testkit.PDF(3000, 4))
	}
	d.fence(p, 0)
}

func TestWhatIsANewDocument(t *testing.T) {
	d := newDesk(t)
	d.write("old.pdf", testkit.PDF(3000, 1))
	outside := filepath.Join(filepath.Dir(d.dir), "outside.pdf")
	p := d.browser()
	d.start()
	var want [][]byte
	next := func(size int) []byte {
		data := testkit.PDF(size, uint64(100+len(want)))
		want = append(want, data)
		return data
	}
	d.write("old.pdf", next(2900)) // rewritten
	d.write("x.pdf.tmp", next(3020))
	d.do(os.Rename(d.path("x.pdf.tmp"), d.path("x.pdf")))
	d.do(os.WriteFile(outside, next(3040), 0o600), os.Rename(outside, d.path("in.pdf")))
	d.write("UPPER.PDF", next(3060))
	d.write("facture_échantillons.pdf", next(3080))
	d.write("中国.pdf", next(3100))
	d.write(strings.Repeat("ü", 125)+"a.pdf", next(3120)) // 255 bytes
	d.write("latin1-\xe9.pdf", next(3140))
	expect(t, d.fence(p, len(want)), want...)
	for _, e := range d.service.history.entries() {
		if !strings.HasSuffix(strings.ToLower(e.Name), ".pdf") || strings.ToValidUTF8(e.Name, "") != e.Name {
			t.Errorf("name %q", e.Name)
		}
	}
}

// A program may write over minutes, and close the file in between.
func TestSlowWriter(t *testing.T) {
	d := newDesk(t)
	p := d.browser()
	d.start()
	data := testkit.PDF(1<<20, 1)
	step := len(data) / 10
	held, err := os.Create(d.path("held.pdf"))
	d.do(err)
	for i := range 10 {
		part := data[i*step:]
		if i < 9 {
			part = part[:step]
		}
		f, err := os.OpenFile(d.path("closed.pdf"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		d.do(err)
		_, err = f.Write(part)
		d.do(err, f.Close())
		_, err = held.Write(part)
		d.do(err)
	}
	expect(t, d.fence(p, 1), data) // the one that is still open is whole, but not complete
	d.do(held.Close())
	got := p.Wait(t, limit, 3)
	if got[2].SHA256 != sum(data) && got[2].SHA256 != sum(blanked(data)) {
		t.Error("the one that was held open came differently")
	}
}

func TestSameFileWrittenTwice(t *testing.T) {
	d := newDesk(t)
	p := d.browser()
	d.start()
	a, b := testkit.PDF(3000, 1), testkit.PDF(3100, 2)
	d.write("a.pdf", a)
	p.Wait(t, limit, 1)
	d.write("a.pdf", a)
	d.write("tmp", a)
	d.do(os.Rename(d.path("tmp"), d.path("a.pdf")))
	// Else what is written next may be over them before they are looked at.
	testkit.Eventually(t, limit, "duplicates are counted", func() bool { return d.counter("duplicates_total") >= 1 })
	d.write("a.pdf", b)
	p.Wait(t, limit, 2)
	d.do(os.Remove(d.path("a.pdf")))
	d.write("a.pdf", b) // removed and printed again: wanted again
	got := p.Wait(t, limit, 3)
	expect(t, got[:2], a, b)
}

// What waits is not the file that the next document is written over.
func TestOverwrittenWhileItWaits(t *testing.T) {
	d := newDesk(t)
	x := d.xvnc()
	p := testkit.WatchPrintouts(t, x)
	d.start()
	resume := x.Freeze()
	defer resume()
	var want [][]byte
	for i := range 5 {
		data := testkit.PDF(300_000+i*100, uint64(i))
		want = append(want, data)
		d.write("same.pdf", data)
		testkit.Eventually(t, limit, "it is taken", func() bool { return len(d.service.history.entries()) == i+1 })
	}
	resume()
	expect(t, p.Wait(t, limit, 5), want...)
	ids := map[int64]bool{}
	for _, e := range d.service.history.entries() {
		ids[e.ID] = true
	}
	if len(ids) != 5 {
		t.Errorf("numbers %v", ids)
	}
}

func TestDirectoryComesLate(t *testing.T) {
	for _, how := range []string{"itself", "as a link"} {
		t.Run(how, func(t *testing.T) {
			d := newDesk(t)
			d.do(os.Remove(d.dir))
			p := d.browser()
			d.run()
			testkit.Eventually(t, limit, "it is missed", func() bool { return len(d.faults) > 0 })
			data := testkit.PDF(3000, 1)
			real := filepath.Join(filepath.Dir(d.dir), "real")
			d.do(os.Mkdir(real, 0o755), os.WriteFile(filepath.Join(real, "first.pdf"), data, 0o600))
			if how == "itself" {
				d.do(os.Rename(real, d.dir))
			} else {
				d.do(os.Symlink(real, d.dir))
			}
			expect(t, p.Wait(t, limit, 1), data)
			d.fence(p, 1)
		})
	}
}

func TestDirectoryIsMadeAnew(t *testing.T) {
	d := newDesk(t)
	d.write("old.pdf", testkit.PDF(3000, 1))
	p := d.browser()
	d.start()
	base := filepath.Dir(d.dir)
	n := 0
	for _, replace := range map[string]func(){
		"removed": func() { d.do(os.RemoveAll(d.dir)); d.mkdir() },
		"renamed": func() { d.do(os.Rename(d.dir, filepath.Join(base, "away"))); d.mkdir() },
		"a link":  func() { d.do(os.RemoveAll(d.dir), os.Mkdir(filepath.Join(base, "r1"), 0o755), os.Symlink("r1", d.dir)) },
		"re-linked": func() {
			d.do(os.RemoveAll(d.dir), os.Mkdir(filepath.Join(base, "r2"), 0o755), os.Symlink("r2", d.dir))
		},
	} {
		replace()
		data := testkit.PDF(3000+100*n, uint64(n+10))
		d.write(fmt.Sprintf("new-%d.pdf", n), data)
		n++
		got := p.Wait(t, limit, n)
		if got[n-1].SHA256 != sum(data) {
			t.Errorf("document %d is another one", n)
		}
	}
}

func TestFaultsOfTheDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, kind := range map[string]service.Kind{
		filepath.Join(t.TempDir(), "absent"): service.Absent,
		file:                                 service.Broken,
	} {
		d := newDesk(t)
		d.config.Dir = dir
		s, err := New(d.config, testkit.Env(t))
		if err != nil {
			t.Fatal(err)
		}
		err = s.Run(t.Context(), func() { t.Error("ready") })
		if f, ok := errors.AsType[*service.Fault](err); !ok || f.Kind != kind || f.Advice == "" {
			t.Errorf("%s: %#v", dir, err)
		}
	}
	t.Setenv("HOME", "")
	s, err := New(Config{Dir: "~/PDF", Relay: "/tmp/x", Chunk: 65528}, testkit.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(t.Context(), func() { t.Error("ready") })
	if f, ok := errors.AsType[*service.Fault](err); !ok || f.Kind != service.Misconfigured || f.Advice == "" {
		t.Errorf("without HOME: %#v", err)
	}
}

// The queue is full, so the kernel's list of events fills too; what it could not hold is found in the directory.
func TestEventsOverflow(t *testing.T) {
	d := newDesk(t)
	d.write("other-a.pdf", testkit.PDF(100, 1))
	d.write("other-b.pdf", testkit.PDF(100, 2))
	d.start()
	n := 0
	write := func() {
		d.write(fmt.Sprintf("job-%d.pdf", n), testkit.PDF(2000+20*n, uint64(n)))
		n++
	}
	for range maxQueued + 3 {
		write()
	}
	testkit.Eventually(t, limit, "the queue is full", func() bool { return d.service.queue.length() >= maxQueued })
	for range 9000 { // the list has room for 16384 by default
		d.do(os.Chmod(d.path("other-a.pdf"), 0o600), os.Chmod(d.path("other-b.pdf"), 0o600))
	}
	for range 5 {
		write()
	}
	p := d.browser()
	p.Wait(t, 60*time.Second, n)
	d.fence(p, n)
	if d.counter("watch_overflows_total") == 0 {
		t.Error("there was no overflow")
	}
}

func TestExistingDocumentsOnRequest(t *testing.T) {
	d := newDesk(t)
	d.config.Existing = true
	a, b := testkit.PDF(3000, 1), testkit.PDF(3100, 2)
	d.write("b.pdf", b)
	d.write("a.pdf", a)
	past := time.Now().Add(-time.Hour)
	d.do(os.Chtimes(d.path("a.pdf"), past, past.Add(-time.Hour)), os.Chtimes(d.path("b.pdf"), past, past))
	p := d.browser()
	d.start()
	expect(t, d.fence(p, 2), a, b)
}

// TestRenamedBesideAScan: a scan comes between a renaming and its events, and lists the file under its new name or, since the
// directory changed meanwhile, not at all.
func TestRenamedBesideAScan(t *testing.T) {
	known := record{stamp: stamp{ino: 5, size: 3000}}
	for _, listed := range []bool{true, false} {
		l := newLedger()
		l.put("old.pdf", known)
		l.keep(map[string]bool{"new.pdf": listed})
		if listed && !l.knows("new.pdf", known.stamp) {
			t.Error("the scan takes it for a new document")
		}
		l.moveFrom("old.pdf", 7)
		if !l.moveTo("new.pdf", 7, known.stamp) {
			t.Errorf("listed %v: its events make it a new document", listed)
		}
	}
}
