package pulse

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
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

func TestPacketConnJoinsHeaderAndBody(t *testing.T) {
	near, far := net.Pipe()
	got := make(chan []byte, 1)
	go func() {
		buf := make([]byte, 100)
		n, _ := far.Read(buf) // one write on a pipe is one read
		_ = far.Close()
		got <- buf[:n]
	}()
	c := &packetConn{Conn: near}
	header, body := bytes.Repeat([]byte{1}, headerSize), bytes.Repeat([]byte{2}, headerSize)
	for _, p := range [][]byte{nil, header, body} {
		if _, err := c.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(append(header, body...), <-got); d != "" {
		t.Error(d)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read after the end: %v, want io.EOF", err)
	}
	_, _ = c.Write(header)
	if _, err := c.Write(body); err == nil {
		t.Error("a write to a closed connection succeeded")
	}
}
