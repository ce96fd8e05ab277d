package printer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
)

func TestDocumentArrivesWhole(t *testing.T) {
	for _, size := range []int{80, 500, 65527, 65528, 65529, 65535, 212_961, 1 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			d := newDesk(t)
			p := d.browser()
			d.start()
			data := testkit.PDF(size, 1)
			d.write("a.pdf", data)
			got := p.Wait(t, limit, 1)
			expect(t, got, data)
			if got[0].Declared != int64(size) || got[0].Chunks != (size+65527)/65528 {
				t.Errorf("%d bytes declared in %d chunks", got[0].Declared, got[0].Chunks)
			}
			testkit.Eventually(t, limit, "two pokes", func() bool { _, pokes, _, _ := p.Counts(); return pokes == 2 })
			if starts, _, strange, largest := p.Counts(); starts != 1 || strange != 0 || largest > 64<<10 {
				t.Errorf("%d STARTs, %d strange packets, largest %d", starts, strange, largest)
			}
		})
	}
}

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
	d.write("a.pdf", b)
	p.Wait(t, limit, 2)
	d.do(os.Remove(d.path("a.pdf")))
	d.write("a.pdf", b) // removed and printed again: wanted again
	got := p.Wait(t, limit, 3)
	expect(t, got[:2], a, b)
	if n := d.counter("duplicates_total"); n < 1 {
		t.Errorf("%v duplicates counted", n)
	}
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

func TestEqualSizesNeverShowTheFirstTwice(t *testing.T) {
	d := newDesk(t)
	p := d.browser()
	d.start()
	a, b := testkit.PDF(5000, 1), testkit.PDF(5000, 2)
	d.write("a.pdf", a)
	p.Wait(t, limit, 1)
	d.write("b.pdf", b)
	expect(t, p.Wait(t, limit, 2), a, blanked(b))
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

func TestRelayComesLate(t *testing.T) {
	d := newDesk(t)
	d.start()
	a, b := testkit.PDF(200_000, 1), testkit.PDF(200_100, 2)
	d.write("a.pdf", a)
	d.write("b.pdf", b)
	testkit.Eventually(t, limit, "both wait", func() bool { return d.service.queue.length() == 2 })
	if r := d.service.Report().(Report); r.Relay.Present || !strings.Contains(r.Relay.Reason, d.relay) || !r.Watching || r.Queued != 2 {
		t.Errorf("report %+v", r)
	}
	p := d.browser()
	expect(t, p.Wait(t, limit, 2), a, b)
	if n := d.counter("restarts_total"); n != 0 {
		t.Errorf("%v restarts of documents that nobody had begun", n)
	}
}

func TestRelayVanishesInTheMiddle(t *testing.T) {
	d := newDesk(t)
	d.config.Pace = 2 * time.Millisecond
	d.config.Grace = 100 * time.Millisecond // for the browser of the test
	x := d.xvnc()
	p := testkit.WatchPrintouts(t, x)
	d.start()
	data, next := testkit.PDF(8<<20, 1), testkit.PDF(100_000, 2)
	d.write("long.pdf", data)
	d.write("next.pdf", next)
	testkit.Eventually(t, limit, "it is half sent", func() bool { return p.Progress() > 1<<20 })
	x.Stop()
	testkit.Eventually(t, limit, "the loss is told", func() bool { return !d.service.Report().(Report).Relay.Present })
	if len(p.Done()) != 0 {
		t.Fatal("it had come to its end already")
	}
	x.Start()
	p = testkit.WatchPrintouts(t, x)
	got := p.Wait(t, limit, 2)
	if got[0].Size != int64(len(data)) {
		t.Errorf("%d bytes came", got[0].Size)
	}
	expect(t, got, data, next)
	if n := d.counter("restarts_total"); n != 1 {
		t.Errorf("%v restarts", n)
	}
}

func TestManyAtOnceInOrder(t *testing.T) {
	d := newDesk(t)
	p := d.browser()
	d.start()
	var want [][]byte
	for i := range 300 { // more than the queue holds
		data := testkit.PDF(2000+20*i, uint64(i))
		want = append(want, data)
		d.write(fmt.Sprintf("job-%d.pdf", i), data)
	}
	got := p.Wait(t, 60*time.Second, 300)
	for i := range got {
		if got[i].SHA256 != sum(want[i]) && got[i].SHA256 != sum(blanked(want[i])) {
			t.Fatalf("document %d is another one", i)
		}
	}
	if n := len(d.service.history.entries()); n != maxListed {
		t.Errorf("%d documents listed", n)
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
	p := testkit.WatchPrintouts(t, d.xvnc())
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

// A Run that ends in the middle leaves its documents to the next.
func TestRunEndsInTheMiddle(t *testing.T) {
	d := newDesk(t)
	x := d.xvnc()
	p := testkit.WatchPrintouts(t, x)
	d.start()
	resume := x.Freeze()
	defer resume()
	a, b := testkit.PDF(1<<20, 1), testkit.PDF(3000, 2)
	d.write("a.pdf", a)
	testkit.Eventually(t, limit, "it is being sent", func() bool { return d.service.history.entries() != nil && d.service.queue.length() == 1 })
	d.end()
	d.write("b.pdf", b)
	d.start()
	resume()
	expect(t, p.Wait(t, limit, 2), a, b)
}

// A reader that takes its time costs no processor time and no datagram.
func TestSlowReader(t *testing.T) {
	d := newDesk(t)
	p := d.browser()
	p.Slow = 3 * time.Millisecond
	d.start()
	data := testkit.PDF(4<<20, 1)
	d.write("a.pdf", data)
	expect(t, p.Wait(t, limit, 1), data)
	if d.counter("relay_waits_total") == 0 {
		t.Error("no datagram had to wait")
	}
}

func TestPace(t *testing.T) {
	d := newDesk(t)
	d.config.Pace = 20 * time.Millisecond
	p := d.browser()
	d.start()
	data := testkit.PDF(5*65528, 1)
	began := time.Now()
	d.write("a.pdf", data)
	got := p.Wait(t, limit, 1)
	expect(t, got, data)
	if took := got[0].Ended.Sub(began); took < 6*20*time.Millisecond { // START, five CHUNKs, END
		t.Errorf("seven datagrams in %v", took)
	}
}

func TestChurn(t *testing.T) {
	d := newDesk(t)
	x := d.xvnc()
	p := testkit.WatchPrintouts(t, x)
	d.start()
	srv := testkit.Serve(t, d.service.Endpoints()[0])
	client := testkit.Client(t)
	var peers sync.WaitGroup
	for i := range 50 {
		peers.Go(func() {
			v := &testkit.Viewer{Channel: "printer", Receive: func([]byte) {}}
			if err := x.Subscribe(v); err != nil {
				t.Error(err)
			}
			d.write(fmt.Sprintf("%d.pdf", i), testkit.PDF(1000+i*30, uint64(i)))
			resp := request(t, client, "GET", srv.URL+"/documents", testkit.Token)
			_ = resp.Body.Close()
			x.Unsubscribe(v)
		})
	}
	peers.Wait()
	p.Wait(t, limit, 50)
}

func TestConfig(t *testing.T) {
	good := Config{Dir: "~/PDF", Relay: "/tmp/printer", Chunk: 65528, Pace: 20 * time.Millisecond}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	bad := Config{Relay: "relative", Chunk: 1 << 20, Pace: -1, Grace: time.Hour}
	err := bad.Validate()
	for _, flag := range []string{"--printer-dir", "--printer-relay", "--printer-chunk", "--printer-pace", "--printer-grace"} {
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s is not named in %v", flag, err)
		}
	}
	if _, err := New(bad, testkit.Env(t)); err == nil {
		t.Error("New took it")
	}
}

func TestCheck(t *testing.T) {
	d := newDesk(t)
	d.xvnc()
	s, err := New(d.config, testkit.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Check(context.Background())[:2] {
		if !f.OK {
			t.Errorf("%+v", f)
		}
	}
	d.config.Dir, d.config.Relay = "/nonexistent/a", "/nonexistent/b"
	if s, err = New(d.config, testkit.Env(t)); err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Check(context.Background())[:2] {
		if f.OK || f.Advice == "" {
			t.Errorf("%+v", f)
		}
	}
}
