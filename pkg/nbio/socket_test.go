package nbio_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/nbio"
)

func adopt(t *testing.T, conn net.Conn) *nbio.Socket {
	t.Helper()
	s, err := nbio.Adopt(conn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestSocketBothWays: much more than the kernel holds goes through in both directions at once, whole and in order.
func TestSocketBothWays(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		near, far := pair(t, network)
		s := adopt(t, near)
		data := make([]byte, 8<<20)
		for i := range data {
			data[i] = byte(i * 7 >> 3)
		}
		var group sync.WaitGroup
		group.Go(func() {
			if n, err := s.Write(data); n != len(data) || err != nil {
				t.Errorf("%s: wrote %d, %v", network, n, err)
			}
		})
		group.Go(func() { _, _ = far.Write(data) })
		check := func(r io.Reader, which string) {
			got := make([]byte, len(data))
			if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %s: %v, or other bytes", network, which, err)
			}
		}
		group.Go(func() { check(far, "out") })
		group.Go(func() { check(readerFunc(s.Read), "in") })
		group.Wait()
	}
}

func TestSocketEnds(t *testing.T) {
	for what, tc := range map[string]struct {
		happens func(s *nbio.Socket, far net.Conn)
		want    error
	}{
		"closed":     {func(s *nbio.Socket, _ net.Conn) { _ = s.Close() }, net.ErrClosed},
		"far closed": {func(_ *nbio.Socket, far net.Conn) { _ = far.Close() }, io.EOF},
		"reset":      {func(_ *nbio.Socket, far net.Conn) { reset(far) }, syscall.ECONNRESET},
	} {
		near, far := pair(t, "tcp")
		s := adopt(t, near)
		if err := failedRead(s.Read, func() { tc.happens(s, far) }); !errors.Is(err, tc.want) {
			t.Errorf("%s: read: %v, want %v", what, err, tc.want)
		}
	}
}

// fill writes until there is no room.
func fill(t *testing.T, s *nbio.Socket) (sent int) {
	t.Helper()
	for part := make([]byte, 100_000); ; {
		n, err := s.TryWrite(part)
		if err != nil {
			t.Fatal(err)
		}
		if sent += n; n == 0 {
			return sent
		}
	}
}

// TestSocketWriteWaits: for room, for the deadline, and for nothing once the socket is closed.
func TestSocketWriteWaits(t *testing.T) {
	near, far := pair(t, "unix")
	s := adopt(t, near)
	sent := fill(t, s)
	_ = s.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := s.Write([]byte("x")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("no room: %d, %v", n, err)
	}
	_ = s.SetWriteDeadline(time.Time{})
	result := make(chan error, 1)
	go func() {
		_, err := s.Write([]byte("x"))
		result <- err
	}()
	got := make([]byte, sent+1)
	if _, err := io.ReadFull(far, got); err != nil || got[sent] != 'x' {
		t.Errorf("what waited came as %q, %v", got[sent:], err)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
	fill(t, s)
	go func() {
		_, err := s.Write([]byte("x"))
		result <- err
	}()
	_ = s.Close()
	if err := <-result; !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := s.TryWrite([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	_ = s.Close() // again
}

func TestSocketWriteToNobody(t *testing.T) {
	near, far := pair(t, "unix")
	s := adopt(t, near)
	_ = far.Close()
	if n, err := s.TryWrite([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("%d, %v, want EPIPE", n, err)
	}
	if n, err := s.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("%d, %v, want EPIPE", n, err)
	}
}

// TestSocketFarClosedWhileWriting: whoever waits for room learns that there will be none.
func TestSocketFarClosedWhileWriting(t *testing.T) {
	near, far := pair(t, "unix")
	s := adopt(t, near)
	fill(t, s)
	result := make(chan error, 1)
	go func() {
		_, err := s.Write([]byte("x"))
		result <- err
	}()
	_ = far.Close()
	if err := <-result; !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want EPIPE", err)
	}
}

// TestSocketLeavesNothing: no descriptor stays.
func TestSocketLeavesNothing(t *testing.T) {
	count := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	once := func() {
		near, far := pair(t, "unix")
		s := adopt(t, near)
		var group sync.WaitGroup
		for range 3 { // only one of them closes
			group.Go(func() { _ = s.Close() })
		}
		group.Wait()
		_ = far.Close()
	}
	once()
	before := count()
	for range 50 {
		once()
	}
	if n := count(); n > before {
		t.Errorf("%d descriptors, before %d", n, before)
	}
}

// TestSocketRoomWakesNobody: that the far end takes something is not told, unlike with the runtime's own poller.
func TestSocketRoomWakesNobody(t *testing.T) {
	near, far := pair(t, "unix")
	s := adopt(t, near)
	exchange := func() {
		if _, err := s.TryWrite([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(far, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	exchange()
	told := s.Told()
	for range 5 {
		exchange()
	}
	if after := s.Told(); told || after {
		t.Errorf("told of room: %v, %v", told, after)
	}
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if !s.Told() {
		t.Error("not told of a byte that came")
	}
}

func TestSocketNoMemory(t *testing.T) {
	near, far := pair(t, "unix")
	a, b := adopt(t, near), adopt(t, far)
	buf := make([]byte, 100)
	perRun := testing.AllocsPerRun(100, func() {
		_, _ = a.TryWrite(buf)
		_, _ = b.Read(buf)
	})
	if perRun != 0 {
		t.Errorf("%v allocations for a write and a read", perRun)
	}
}

// TestAdoptBlocking: what somebody has made block would stop the whole process.
func TestAdoptBlocking(t *testing.T) {
	near, _ := pair(t, "unix")
	raw, err := near.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.SetNonblock(int(fd), false) })
	s := adopt(t, near)
	fill(t, s) // returns
}
