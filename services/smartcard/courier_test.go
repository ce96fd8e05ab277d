package smartcard

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// An answer may come before the sender has returned: what is asked next then must not be lost.
func TestCourierSendsWhatIsPutWhileItSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		ctx, cancel := context.WithCancel(t.Context())
		var c *courier
		c = newCourier(func(_ context.Context, packet []byte) error {
			got = append(got, string(packet))
			if len(got) < 1000 {
				c.put([]byte{byte(len(got))})
			}
			return nil
		})
		ended := make(chan error)
		go func() { ended <- c.run(ctx) }()
		c.put([]byte("first"))
		synctest.Wait()
		cancel()
		<-ended
		if len(got) != 1000 || got[0] != "first" || got[999] != "\xe7" {
			t.Errorf("%d packets were sent", len(got))
		}
	})
}

func TestCourierGivesUpWhatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		var thawed atomic.Bool
		ctx, cancel := context.WithCancel(t.Context())
		c := newCourier(func(ctx context.Context, packet []byte) error {
			if !thawed.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			got = append(got, string(packet))
			return nil
		})
		ended := make(chan error)
		go func() { ended <- c.run(ctx) }()
		c.put([]byte("old"))
		time.Sleep(2 * stuckAfter)
		thawed.Store(true)
		c.put([]byte("new"))
		synctest.Wait()
		cancel()
		<-ended
		if len(got) != 1 || got[0] != "new" {
			t.Errorf("sent %q, want the new one only", got)
		}
	})
}

func TestCourierEndsWithItsFarEnd(t *testing.T) {
	broken := errors.New("broken")
	c := newCourier(func(context.Context, []byte) error { return broken })
	c.put([]byte("x"))
	if err := c.run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	c.put([]byte("y"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.run(ctx); err == nil {
		t.Error("want an error")
	}
}
