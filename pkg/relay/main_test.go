package relay_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ghostaux/pkg/relay"
	"ghostaux/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.LeakGate(m) }

// inbox collects datagrams of either end.
type inbox struct {
	mu  sync.Mutex
	got []string
}

func (i *inbox) put(b []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got = append(i.got, string(b))
}

func (i *inbox) all() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string(nil), i.got...)
}

func (i *inbox) expect(t *testing.T, want ...string) {
	t.Helper()
	defer func() {
		if diff := cmp.Diff(want, i.all()); t.Failed() && diff != "" {
			t.Logf("datagrams (-want +got):\n%s", diff)
		}
	}()
	testkit.Eventually(t, 10*time.Second, "the datagrams come", func() bool { return cmp.Equal(i.all(), want) })
}

func relayPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(testkit.ShortDir(t), "smartcard")
}

func watch(t *testing.T, x *testkit.Xvnc) (*testkit.Viewer, *inbox) {
	t.Helper()
	box := &inbox{}
	v := &testkit.Viewer{Channel: "smartcard", Receive: box.put}
	if err := x.Subscribe(v); err != nil {
		t.Fatal(err)
	}
	return v, box
}

// open opens a client, and runs it when it receives, until the test ends.
func open(t *testing.T, o relay.Options) *relay.Client {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Dir(o.Path)
	}
	c, err := relay.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func send(t *testing.T, c *relay.Client, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Send(ctx, []byte(text)); err != nil {
		t.Fatalf("send %.20q: %v", text, err)
	}
}

func sendFails(t *testing.T, c *relay.Client, text string, want error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.Send(ctx, []byte(text)); !errors.Is(err, want) {
		t.Fatalf("send %.20q: got %v, want %v", text, err, want)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "ghostaux-relay-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}
