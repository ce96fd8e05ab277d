package pulse

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ghostaux/pkg/testkit"
)

func env(pairs map[string]string) func(string) string {
	return func(key string) string { return pairs[key] }
}

func TestAddresses(t *testing.T) {
	uid := "/run/user/" + strconv.Itoa(os.Getuid()) + "/pulse/native"
	for name, tc := range map[string]struct {
		server string
		env    map[string]string
		want   []address
	}{
		"path":        {server: "/a/native", want: []address{{"unix", "/a/native"}}},
		"unix":        {server: "unix:/a/native", want: []address{{"unix", "/a/native"}}},
		"several":     {server: "{me}unix:/a tcp:h", want: []address{{"unix", "/a"}, {"tcp", "h:4713"}}},
		"tcp port":    {server: "tcp4:h:99", want: []address{{"tcp4", "h:99"}}},
		"tcp6":        {server: "tcp6:[::1]", want: []address{{"tcp6", "[::1]:4713"}}},
		"environment": {env: map[string]string{"PULSE_SERVER": "/b"}, want: []address{{"unix", "/b"}}},
		"directories": {
			env:  map[string]string{"PULSE_RUNTIME_PATH": "/p", "XDG_RUNTIME_DIR": "/x"},
			want: []address{{"unix", "/p/native"}, {"unix", "/x/pulse/native"}, {"unix", uid}, {"unix", "/run/pulse/native"}},
		},
		"nothing": {want: []address{{"unix", uid}, {"unix", "/run/pulse/native"}}},
	} {
		got, err := addresses(tc.server, env(tc.env))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(tc.want, got, cmp.AllowUnexported(address{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for _, bad := range []string{"http://x", "unix:", "{x}", " ", "tcp:"} {
		if got, err := addresses(bad, env(nil)); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}

func TestCookie(t *testing.T) {
	dir := t.TempDir()
	want := bytes.Repeat([]byte{7}, cookieSize)
	place := filepath.Join(dir, ".config", "pulse", "cookie")
	if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(place, want, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := cookie(env(map[string]string{"HOME": dir, "PULSE_COOKIE": "/nonexistent"})); !bytes.Equal(got, want) {
		t.Error("the cookie under HOME was not read")
	}
	if got := cookie(env(nil)); !bytes.Equal(got, make([]byte, cookieSize)) {
		t.Error("without a cookie, want zeros")
	}
}

// packets is a connection and its far end. On a unixpacket socket one write is one read.
func packets(t *testing.T, network string) (c *packetConn, far net.Conn, isFull func() bool) {
	t.Helper()
	ln, err := net.Listen(network, filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err := net.Dial(network, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if far, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	var second int // descriptor of the socket, for a look at it from outside
	raw, err := near.(*net.UnixConn).SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { second, _ = unix.Dup(int(fd)) })
	}
	if err != nil {
		t.Fatal(err)
	}
	if c, err = newPacketConn(near); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(); _ = far.Close(); _ = unix.Close(second) })
	return c, far, func() bool { return full(second) }
}

// full reports whether there is no room for a byte now.
func full(socket int) bool {
	fds := []unix.PollFd{{Fd: int32(socket), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, 0)
	return n == 0 && err == nil
}

func TestPacketConnJoinsHeaderAndBody(t *testing.T) {
	c, far, _ := packets(t, "unixpacket")
	header, body := bytes.Repeat([]byte{1}, headerSize), bytes.Repeat([]byte{2}, headerSize)
	for _, p := range [][]byte{nil, header, body} {
		if _, err := c.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, 100)
	n, err := far.Read(got)
	if d := cmp.Diff(append(header, body...), got[:n]); err != nil || d != "" {
		t.Error(err, d)
	}
	_ = far.Close()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read after the end: %v, want io.EOF", err)
	}
	_, _ = c.Write(header)
	if _, err := c.Write(body); err == nil {
		t.Error("a write to a closed connection succeeded")
	}
}

// TestPacketConnWaitsForRoom: a server that is slow for a moment gets every byte.
func TestPacketConnWaitsForRoom(t *testing.T) {
	c, far, isFull := packets(t, "unix")
	const count = 500
	body := bytes.Repeat([]byte{2}, 4000)
	sent := make(chan error, 1)
	go func() {
		for range count {
			if _, err := c.Write(body[:headerSize]); err != nil {
				sent <- err
				return
			}
			if _, err := c.Write(body); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	testkit.Eventually(t, 10*time.Second, "the socket is full", isFull)
	got, err := io.ReadAll(io.LimitReader(far, count*(headerSize+4000)))
	if err != nil || len(got) != count*(headerSize+4000) || bytes.Count(got, []byte{2}) != len(got) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}
