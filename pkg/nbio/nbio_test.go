package nbio_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"ghostaux/pkg/nbio"
	"ghostaux/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.LeakGate(m) }

// pair is a connection and its far end, over TCP and over a Unix socket.
func pair(t *testing.T, network string) (near, far net.Conn) {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(testkit.ShortDir(t), "socket")
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if near, err = net.Dial(network, ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return near, far
}

func open(t *testing.T, conn net.Conn) *nbio.Conn {
	t.Helper()
	c, err := nbio.New(conn.(syscall.Conn))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRead(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		near, far := pair(t, network)
		c := open(t, near)
		go func() {
			_, _ = far.Write([]byte("one"))
			_, _ = far.Write([]byte("two"))
			_ = far.Close()
		}()
		got, err := io.ReadAll(readerFunc(c.Read))
		if err != nil || string(got) != "onetwo" {
			t.Errorf("%s: read %q, %v", network, got, err)
		}
		if n, err := c.Read(nil); n != 0 || err != nil {
			t.Errorf("%s: nothing wanted: %d, %v", network, n, err)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// failedRead is the error of a read that waits while something happens.
func failedRead(read readerFunc, happens func()) error {
	failed := make(chan error, 1)
	go func() {
		_, err := read(make([]byte, 1))
		failed <- err
	}()
	happens()
	return <-failed
}

func reset(far net.Conn) {
	_ = far.(*net.TCPConn).SetLinger(0)
	_ = far.Close()
}

// TestReadErrors: those of package net, by which net/http and crypto/tls tell what happened.
func TestReadErrors(t *testing.T) {
	for what, tc := range map[string]struct {
		happens func(near, far net.Conn)
		want    error
	}{
		"deadline": {func(near, _ net.Conn) { _ = near.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"closed":   {func(near, _ net.Conn) { _ = near.Close() }, net.ErrClosed},
		"reset":    {func(_, far net.Conn) { reset(far) }, syscall.ECONNRESET},
	} {
		near, far := pair(t, "tcp")
		c := open(t, near)
		err := failedRead(c.Read, func() { tc.happens(near, far) })
		op, ok := errors.AsType[*net.OpError](err)
		if !errors.Is(err, tc.want) || !ok || op.Op != "read" {
			t.Errorf("%s: %#v, want a net.OpError of read with %v", what, err, tc.want)
		}
	}
}

func TestTryWrite(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		near, far := pair(t, network)
		c := open(t, near)
		sent, part := 0, make([]byte, 100_000)
		for {
			n, err := c.TryWrite(part)
			if err != nil {
				t.Fatal(err)
			}
			if sent += n; n == 0 {
				break
			}
		}
		if n, err := c.TryWrite(nil); n != 0 || err != nil {
			t.Errorf("%s: nothing to write: %d, %v", network, n, err)
		}
		if _, err := io.CopyN(io.Discard, far, int64(sent)); err != nil {
			t.Errorf("%s: of %d bytes: %v", network, sent, err)
		}
		_ = near.Close()
		if _, err := c.TryWrite(part); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: after Close: %v", network, err)
		}
	}
}

func TestTryWriteToNobody(t *testing.T) {
	near, far := pair(t, "unix")
	c := open(t, near)
	_ = far.Close()
	if n, err := c.TryWrite([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("%d, %v, want EPIPE", n, err)
	}
}

func TestNoMemory(t *testing.T) {
	near, far := pair(t, "unix")
	a, b := open(t, near), open(t, far)
	buf := make([]byte, 100)
	perRun := testing.AllocsPerRun(100, func() {
		_, _ = a.TryWrite(buf)
		_, _ = b.Read(buf)
	})
	if perRun != 0 {
		t.Errorf("%v allocations for a write and a read", perRun)
	}
}
