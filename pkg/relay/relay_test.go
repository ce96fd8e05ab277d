package relay_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/metrics"
	"ghostaux/pkg/relay"
	"ghostaux/pkg/testkit"
)

func TestConversation(t *testing.T) {
	path := relayPath(t)
	x := testkit.StartXvnc(t, "smartcard:"+path)
	v, far := watch(t, x)
	near := &inbox{}
	c := open(t, relay.Options{Path: path, Receive: near.put})
	send(t, c, "one")
	send(t, c, "two")
	far.expect(t, "one", "two")
	x.Say(v, []byte("answer"))
	x.Say(v, nil)
	x.Say(v, []byte("another"))
	near.expect(t, "answer", "", "another")
}

func TestSenderWithoutReceiveHasNoAddress(t *testing.T) {
	path := relayPath(t)
	x := testkit.StartXvnc(t, "smartcard:"+path)
	_, far := watch(t, x)
	c := open(t, relay.Options{Path: path})
	send(t, c, "print this")
	far.expect(t, "print this")
	if found := files(t, filepath.Dir(path)); len(found) != 0 {
		t.Errorf("socket files %v", found)
	}
}

func TestRelayComesLateVanishesAndComesBack(t *testing.T) {
	path := relayPath(t)
	near := &inbox{}
	c := open(t, relay.Options{Path: path, Receive: near.put})
	sendFails(t, c, "too early", relay.ErrAbsent)
	sendFails(t, c, "still too early", relay.ErrAbsent)
	if s := c.State(); s.Present || s.Reason == "" || !strings.Contains(s.Advice, path) {
		t.Errorf("state without a relay: %+v", s)
	}
	x := testkit.StartXvnc(t, "smartcard:"+path)
	_, far := watch(t, x)
	if err := c.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	send(t, c, "1")
	far.expect(t, "1")
	var answers []string
	for round := range 3 {
		x.Stop()
		x.Start()
		v, far := watch(t, x)
		sendFails(t, c, "of the old message", relay.ErrAbsent) // told once, although another is there already
		send(t, c, "of the new message")
		far.expect(t, "of the new message")
		x.Say(v, fmt.Append(nil, "answer", round))
		answers = append(answers, fmt.Sprint("answer", round))
		near.expect(t, answers...)
	}
	x.Stop()
	sendFails(t, c, "gone", relay.ErrAbsent)
	sendFails(t, c, "gone", unix.ECONNREFUSED)
	if s := c.State(); s.Present {
		t.Errorf("state of a stopped relay: %+v", s)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	sendFails(t, c, "gone", os.ErrNotExist)
}

func TestBeginFindsTheSuccessor(t *testing.T) {
	path := relayPath(t)
	c := open(t, relay.Options{Path: path})
	if err := c.Begin(t.Context()); !errors.Is(err, relay.ErrAbsent) {
		t.Fatalf("begin without a relay: %v", err)
	}
	x := testkit.StartXvnc(t, "smartcard:"+path)
	send(t, c, "old")
	x.Stop()
	x.Start()
	_, far := watch(t, x)
	if err := c.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	send(t, c, "new")
	far.expect(t, "new")
}

// A second server that took the path over while the first still runs is noticed, although no send fails of it.
func TestRelayReplacedWhileTheOldOneLives(t *testing.T) {
	path := relayPath(t)
	old := testkit.StartXvnc(t, "smartcard:"+path)
	_, far := watch(t, old)
	c := open(t, relay.Options{Path: path})
	send(t, c, "old")
	far.expect(t, "old")
	_, far = watch(t, testkit.StartXvnc(t, "smartcard:"+path))
	testkit.Eventually(t, 10*time.Second, "the loss is told", func() bool {
		return errors.Is(c.Send(t.Context(), []byte("x")), relay.ErrAbsent)
	})
	send(t, c, "new")
	far.expect(t, "new")
}

func TestOwnSocketFileRemoved(t *testing.T) {
	path := relayPath(t)
	x := testkit.StartXvnc(t, "smartcard:"+path)
	v, far := watch(t, x)
	near := &inbox{}
	c := open(t, relay.Options{Path: path, Receive: near.put})
	send(t, c, "1")
	for _, f := range files(t, filepath.Dir(path)) {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	testkit.Eventually(t, 10*time.Second, "the loss is told", func() bool {
		return errors.Is(c.Send(t.Context(), []byte("x")), relay.ErrAbsent)
	})
	send(t, c, "2")
	testkit.Eventually(t, 5*time.Second, "the server has the new address", func() bool { return slices.Contains(far.all(), "2") })
	x.Say(v, []byte("answer"))
	near.expect(t, "answer")
}

// The desktop does not stand still for a consumer that does, and what comes last is kept.
func TestSlowConsumerNeverFreezesTheServer(t *testing.T) {
	path := relayPath(t)
	x := testkit.StartXvnc(t, "smartcard:"+path)
	v, far := watch(t, x)
	near, hold := &inbox{}, make(chan struct{})
	reg := metrics.New()
	c := open(t, relay.Options{Path: path, MaxReceive: 100, Metrics: relay.NewMetrics(reg), Receive: func(b []byte) {
		<-hold
		near.put(b)
	}})
	send(t, c, "hello")
	far.expect(t, "hello")
	for i := range 500 {
		x.Say(v, fmt.Append(nil, i))
		x.Say(v, bytes.Repeat([]byte("x"), 101)) // too long for this client
	}
	if !x.Alive(10 * time.Second) {
		t.Fatal("the server is frozen")
	}
	testkit.Eventually(t, 5*time.Second, "all is read", func() bool {
		return testkit.Metric(t, reg, "relay_received_datagrams_total") == 500
	})
	if n := testkit.Metric(t, reg, "relay_received_dropped_total"); n < 900 {
		t.Errorf("%v datagrams were counted as dropped", n)
	}
	close(hold)
	testkit.Eventually(t, 5*time.Second, "the newest arrives", func() bool {
		got := near.all()
		return len(got) > 0 && got[len(got)-1] == "499"
	})
	if got := near.all(); len(got) > 65 {
		t.Errorf("%d datagrams were kept for a consumer that stood still", len(got))
	}
}

func TestSocketFilesOfTheDeadAreRemoved(t *testing.T) {
	path := relayPath(t)
	dir := filepath.Dir(path)
	leave := func(name string, alive bool) string {
		p := filepath.Join(dir, "ghostaux-relay-"+name)
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: p, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		if alive {
			t.Cleanup(func() { _ = conn.Close() })
		} else {
			_ = conn.Close()
		}
		return p
	}
	dead, alive, young := leave("dead", false), leave("alive", true), leave("young", false)
	past := time.Now().Add(-time.Minute)
	for _, p := range []string{dead, alive} {
		if err := os.Chtimes(p, past, past); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(dir, "ghostaux-relay-notes.txt")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := relay.Open(relay.Options{Path: path, Dir: dir, Receive: func([]byte) {}})
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]bool{dead: false, alive: true, young: true, other: true} {
		if _, err := os.Lstat(p); (err == nil) != want {
			t.Errorf("%s: %v", p, err)
		}
	}
	if n := len(files(t, dir)); n != 4 {
		t.Errorf("%d files while open, want 4", n)
	}
	_ = c.Close()
	if n := len(files(t, dir)); n != 3 {
		t.Errorf("%d files after Close, want 3", n)
	}
}

// Fifty senders, and fifty clients that come and go.
func TestChurn(t *testing.T) {
	path := relayPath(t)
	x := testkit.StartXvnc(t, "smartcard:"+path)
	_, far := watch(t, x)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			c, err := relay.Open(relay.Options{Path: path, Dir: filepath.Dir(path), Receive: func([]byte) {}})
			if err != nil {
				t.Error(err)
				return
			}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error)
			go func() { ended <- c.Run(ctx) }()
			if err := c.Send(ctx, fmt.Append(nil, i)); err != nil {
				t.Error(err)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			_ = c.Close()
		})
	}
	all.Wait()
	testkit.Eventually(t, 5*time.Second, "50 datagrams", func() bool { return len(far.all()) == 50 })
	if left := files(t, filepath.Dir(path)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
