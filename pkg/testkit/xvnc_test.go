package testkit_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/testkit"
)

// bound is a program's socket: at path, or unnamed when that is "".
func bound(t *testing.T, path string) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if path != "" {
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
			t.Fatal(err)
		}
	}
	return fd
}

func sendTo(t *testing.T, fd int, path, text string) {
	t.Helper()
	if err := unix.Sendto(fd, []byte(text), 0, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatalf("send %q: %v", text, err)
	}
}

// heard returns what has come to the socket within the limit.
func heard(t *testing.T, fd int, limit time.Duration) string {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, _ := unix.Poll(fds, int(limit.Milliseconds())); n == 0 {
		return ""
	}
	buf := make([]byte, 1<<21)
	n, err := unix.Read(fd, buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// ear collects what a viewer gets.
type ear struct {
	testkit.Viewer
	mu  sync.Mutex
	got []string
}

func listen(t *testing.T, x *testkit.Xvnc, channel string) *ear {
	t.Helper()
	e := &ear{Viewer: testkit.Viewer{Channel: channel}}
	e.Receive = func(b []byte) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.got = append(e.got, string(b))
	}
	if err := x.Subscribe(&e.Viewer); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *ear) text() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.got, ",")
}

func (e *ear) expect(t *testing.T, want string) {
	t.Helper()
	testkit.Eventually(t, 5*time.Second, fmt.Sprintf("the viewer has %q", want), func() bool { return e.text() == want })
}

func start(t *testing.T) (*testkit.Xvnc, string, string) {
	t.Helper()
	dir := testkit.ShortDir(t)
	path := filepath.Join(dir, "printer")
	return testkit.StartXvnc(t, "printer:"+path), path, dir
}

func TestXvncHandsToEveryViewerAndKeepsNothing(t *testing.T) {
	x, path, _ := start(t)
	fd := bound(t, "")
	sendTo(t, fd, path, "lost") // nobody is there
	if !x.Alive(5 * time.Second) {
		t.Fatal("frozen")
	}
	a, b := listen(t, x, "printer"), listen(t, x, "printer")
	sendTo(t, fd, path, "")
	sendTo(t, fd, path, "both")
	a.expect(t, "both")
	b.expect(t, "both")
	x.Unsubscribe(&b.Viewer)
	sendTo(t, fd, path, "one")
	a.expect(t, "both,one")
	b.expect(t, "both")
}

func TestXvncRefusesSubscriptions(t *testing.T) {
	x, _, _ := start(t)
	if err := x.Subscribe(&testkit.Viewer{Channel: "smartcard"}); err == nil {
		t.Error("a channel that does not exist was given")
	}
	if err := x.Subscribe(&testkit.Viewer{Channel: "printer", ReadOnly: true}); err == nil {
		t.Error("a viewer without the right to write was let in")
	}
}

func TestXvncAnswersTheLastNamedSender(t *testing.T) {
	x, path, dir := start(t)
	v := listen(t, x, "printer")
	long, short := bound(t, filepath.Join(dir, "a-long-name")), bound(t, filepath.Join(dir, "b"))
	unnamed := bound(t, "")

	x.Say(&v.Viewer, []byte("nobody yet"))
	if !x.Alive(5*time.Second) || x.SendError() == nil {
		t.Error("an answer to nobody did not fail")
	}
	sendTo(t, long, path, "1")
	v.expect(t, "1")
	x.Say(&v.Viewer, []byte("to long"))
	if got := heard(t, long, 5*time.Second); got != "to long" {
		t.Errorf("got %q", got)
	}
	sendTo(t, short, path, "2")
	v.expect(t, "1,2")
	x.Say(&v.Viewer, []byte("to short"))
	if got := heard(t, short, 5*time.Second); got != "to short" {
		t.Errorf("got %q", got)
	}
	sendTo(t, unnamed, path, "3") // leaves the one before in force
	v.expect(t, "1,2,3")
	x.Say(&v.Viewer, []byte("still short"))
	if got := heard(t, short, 5*time.Second); got != "still short" {
		t.Errorf("got %q", got)
	}
	x.Say(&v.Viewer, bytes.Repeat([]byte{1}, 1<<20))
	x.Say(&testkit.Viewer{Channel: "printer"}, []byte("not subscribed"))
	if !x.Alive(5*time.Second) || heard(t, short, 20*time.Millisecond) != "" {
		t.Error("what is too long, or of a stranger, was passed on")
	}
}

func TestXvncCannotAnswerAbstractNames(t *testing.T) {
	x, path, _ := start(t)
	v := listen(t, x, "printer")
	abstract := bound(t, fmt.Sprintf("@ghostaux-%d", os.Getpid()))
	sendTo(t, abstract, path, "1")
	v.expect(t, "1")
	x.Say(&v.Viewer, []byte("answer"))
	testkit.Eventually(t, 5*time.Second, "the send fails", func() bool { return errors.Is(x.SendError(), unix.ECONNREFUSED) })
}

func TestXvncFreezesForAProgramThatDoesNotRead(t *testing.T) {
	x, path, dir := start(t)
	v := listen(t, x, "printer")
	fd := bound(t, filepath.Join(dir, "deaf"))
	sendTo(t, fd, path, "hello")
	v.expect(t, "hello")
	for range 100 {
		x.Say(&v.Viewer, []byte("answer"))
	}
	if x.Alive(100 * time.Millisecond) {
		t.Fatal("100 datagrams to a socket that nobody reads did not stop the server")
	}
	for range 100 {
		if heard(t, fd, 5*time.Second) != "answer" {
			t.Fatal("an answer is missing")
		}
	}
	if !x.Alive(5 * time.Second) {
		t.Error("frozen after all was read")
	}
}

func TestXvncQueueIsShortWhileItIsFrozen(t *testing.T) {
	count := func(size int) (n int) {
		x, path, _ := start(t)
		defer x.Freeze()()
		fd := bound(t, "")
		for unix.Sendto(fd, make([]byte, size), unix.MSG_DONTWAIT, &unix.SockaddrUnix{Name: path}) == nil {
			n++
		}
		return n
	}
	if n := count(100); n != 11 { // net.unix.max_dgram_qlen is 10, and one more goes
		t.Errorf("%d small datagrams fit, want 11", n)
	}
	if n := count(64 << 10); n < 2 || n > 4 { // the sender's buffer of 212,992 bytes is full first
		t.Errorf("%d datagrams of 64 KiB fit, want about 4", n)
	}
}

func TestXvncCutsAtOneMebibyte(t *testing.T) {
	x, path, _ := start(t)
	v := listen(t, x, "printer")
	fd := bound(t, "")
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 4<<20); err != nil {
		t.Fatal(err)
	}
	sendTo(t, fd, path, strings.Repeat("x", 1<<20+5))
	testkit.Eventually(t, 5*time.Second, "a cut datagram", func() bool { return len(v.text()) == 1<<20 })
}

func TestXvncLeavesItsSocketsAndBindsNewOnes(t *testing.T) {
	x, path, _ := start(t)
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	x.Stop()
	if _, err := net.Dial("unixgram", path); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("dial after Stop: %v", err)
	}
	x.Start()
	if _, err := conn.Write([]byte("x")); err == nil {
		t.Error("a connected socket still reaches somebody")
	}
	v := listen(t, x, "printer")
	sendTo(t, bound(t, ""), path, "again")
	v.expect(t, "again")
}
