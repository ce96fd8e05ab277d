package printer

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

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

// Two documents of one size and layout: the second must not lead the browser's viewer to the first.
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
	p = testkit.NewPrintouts()
	x.Start(&p.Viewer)
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
