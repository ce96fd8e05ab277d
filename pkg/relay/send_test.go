package relay_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/relay"
	"ghostaux/pkg/testkit"
)

func TestSendWaitsForRoom(t *testing.T) {
	path := relayPath(t)
	x := testkit.StartXvnc(t, "smartcard:"+path)
	_, far := watch(t, x)
	c := open(t, relay.Options{Path: path})
	send(t, c, "first")
	far.expect(t, "first")
	resume := x.Freeze()
	defer resume()
	var want []string
	sent := make(chan error, 1)
	for i := range 40 {
		want = append(want, fmt.Sprint("datagram ", i))
	}
	go func() {
		for _, text := range want {
			if err := c.Send(context.Background(), []byte(text)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	testkit.Eventually(t, 5*time.Second, "a send waits", func() bool { return c.State().Waiting != "" })
	select {
	case err := <-sent:
		t.Fatalf("40 datagrams went into a frozen server: %v", err)
	default:
	}
	resume()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	far.expect(t, append([]string{"first"}, want...)...)
	if s := c.State(); s.Waiting != "" {
		t.Errorf("waits still: %+v", s)
	}
}

func fill(t *testing.T, c *relay.Client) {
	t.Helper()
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := c.Send(ctx, []byte("fill"))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("a frozen server took 100 datagrams")
}

func TestWaitingSendEnds(t *testing.T) {
	ends := map[string]struct {
		how  func(x *testkit.Xvnc, c *relay.Client, cancel func())
		want error
	}{
		"with its context":   {func(_ *testkit.Xvnc, _ *relay.Client, cancel func()) { cancel() }, context.Canceled},
		"with the relay":     {func(x *testkit.Xvnc, _ *relay.Client, _ func()) { x.Stop() }, relay.ErrAbsent},
		"with the client":    {func(_ *testkit.Xvnc, c *relay.Client, _ func()) { _ = c.Close() }, net.ErrClosed},
		"when there is room": {func(x *testkit.Xvnc, _ *relay.Client, _ func()) {}, nil},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			path := relayPath(t)
			x := testkit.StartXvnc(t, "smartcard:"+path)
			c := open(t, relay.Options{Path: path})
			resume := x.Freeze()
			defer resume()
			fill(t, c)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			sent := make(chan error, 1)
			go func() { sent <- c.Send(ctx, []byte("waits")) }()
			testkit.Eventually(t, 5*time.Second, "the send waits", func() bool { return c.State().Waiting != "" })
			if end.want == nil {
				resume()
			}
			end.how(x, c, cancel)
			if err := <-sent; !errors.Is(err, end.want) {
				t.Fatalf("got %v, want %v", err, end.want)
			}
			if errors.Is(end.want, context.Canceled) { // the next one is not cut by what ended this one
				resume()
				send(t, c, "after")
			}
		})
	}
}

func TestWaitingCostsNoTime(t *testing.T) {
	path := relayPath(t)
	x := testkit.StartXvnc(t, "smartcard:"+path)
	c := open(t, relay.Options{Path: path})
	defer x.Freeze()()
	fill(t, c)
	var before, after unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &before)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := c.Send(ctx, []byte("waits")); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	_ = unix.Getrusage(unix.RUSAGE_SELF, &after)
	used := time.Duration(after.Utime.Nano() - before.Utime.Nano() + after.Stime.Nano() - before.Stime.Nano())
	if used > 250*time.Millisecond { // a loop that spins would use all of it
		t.Errorf("half a second of waiting cost %v of processor time", used)
	}
}

func TestSizes(t *testing.T) {
	path := relayPath(t)
	x := testkit.StartXvnc(t, "smartcard:"+path)
	_, far := watch(t, x)
	c := open(t, relay.Options{Path: path})
	largest := strings.Repeat("x", 64<<10)
	send(t, c, largest)
	far.expect(t, largest)
	sendFails(t, c, "", relay.ErrEmpty)
	sendFails(t, c, strings.Repeat("x", 1<<20+1), relay.ErrTooLarge)
	sendFails(t, c, strings.Repeat("x", 1<<20), relay.ErrTooLarge) // the sender's buffer is smaller
	send(t, c, "the relay is not lost for it")
	far.expect(t, largest, "the relay is not lost for it")
}

func TestSendDoesNotAllocate(t *testing.T) {
	path := relayPath(t)
	x := testkit.StartXvnc(t, "smartcard:"+path)
	var taken atomic.Int64
	if err := x.Subscribe(&testkit.Viewer{Channel: "smartcard", Receive: func([]byte) { taken.Add(1) }}); err != nil {
		t.Fatal(err)
	}
	c := open(t, relay.Options{Path: path})
	datagram := make([]byte, 1000)
	ctx, sent := t.Context(), int64(0)
	n := testing.AllocsPerRun(200, func() {
		if err := c.Send(ctx, datagram); err != nil {
			t.Fatal(err)
		}
		for sent++; taken.Load() < sent; {
			runtime.Gosched() // so that the next one need not wait
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for a datagram", n)
	}
}
