package upload

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

const waitLimit = 10 * time.Second

// dial opens a connection of our own, which can be cut anywhere.
func (g *rig) dial() *tls.Conn {
	g.Helper()
	conn, err := tls.Dial("tcp", g.srv.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		g.Fatal(err)
	}
	return conn
}

func requestHead(method, path string, length int64, header ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: desk\r\nAuthorization: %s\r\nContent-Length: %d\r\n",
		method, path, testkit.Authorization(testkit.Token), length)
	for i := 0; i+1 < len(header); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", header[i], header[i+1])
	}
	return b.String() + "\r\n"
}

// stall sends the beginning of a request and then nothing. The function that it returns waits for the end of the
// connection.
func (g *rig) stall(method, path string, begin []byte, length int64, header ...string) (ended func()) {
	g.Helper()
	conn := g.dial()
	g.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write(append([]byte(requestHead(method, path, length, header...)), begin...)); err != nil {
		g.Fatal(err)
	}
	return func() {
		g.Helper()
		_ = conn.SetReadDeadline(time.Now().Add(waitLimit))
		if _, err := io.Copy(io.Discard, conn); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				g.Fatal("the stalled connection is still open")
			}
		}
	}
}

// TestNewerRequestEndsAStalledOne: the same chunk again, while the first request for it hangs.
func TestNewerRequestEndsAStalledOne(t *testing.T) {
	g := start(t, nil)
	g.svc.store.stallAfter = 0
	f := file{"u", "a", randomBytes(1, 600_000), 300_000}
	body, kind := formBody(f.name, f.chunk(0), f.fields(0)...)
	ended := g.stall(http.MethodPost, "/upload", body[:200_000], int64(len(body)), "Content-Type", kind)
	testkit.Eventually(t, waitLimit, "bytes arrive", func() bool { return g.svc.counters.written.Load() > 0 })
	g.want(g.chunk(f, 0), 200, "uploaded Chunk")
	ended()
	g.want(g.chunk(f, 1), 200, "uploaded Chunk")
	g.wantFile("a", f.content)
}

// TestStopEndsStalledRequests: Run returns at once though a request hangs.
func TestStopEndsStalledRequests(t *testing.T) {
	g := start(t, nil)
	f := file{"u", "a", randomBytes(1, 600_000), 600_000}
	body, kind := formBody(f.name, f.chunk(0), f.fields(0)...)
	ended := g.stall(http.MethodPost, "/upload", body[:300_000], int64(len(body)), "Content-Type", kind)
	testkit.Eventually(t, waitLimit, "bytes arrive", func() bool { return g.svc.counters.written.Load() > 0 })
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	ended()
	g.run()
	g.want(g.chunk(f, 0), 200, "uploaded Chunk")
	g.wantFile("a", f.content)
}

// TestRandomTears cuts the connection a hundred times at random places; every chunk is tried until it is answered.
func TestRandomTears(t *testing.T) {
	g := start(t, nil)
	rng := rand.New(rand.NewPCG(1, 2))
	f := file{"u", "a.bin", randomBytes(1, 5_000_011), 250_000}
	tears := 0
	for i := range f.count() {
		body, kind := formBody(f.name, f.chunk(i), f.fields(i)...)
		request := append([]byte(requestHead(http.MethodPost, "/upload", int64(len(body)), "Content-Type", kind)), body...)
		for range 5 {
			conn := g.dial()
			if _, err := conn.Write(request[:rng.IntN(len(request))]); err != nil {
				t.Fatal(err)
			}
			if rng.IntN(2) == 0 {
				_ = conn.NetConn().(*net.TCPConn).SetLinger(0) // a reset; else an orderly end in the middle
			}
			_ = conn.NetConn().Close()
			tears++
		}
		if n := len(g.files()); n > 2 {
			t.Fatalf("parts pile up: %v", g.files())
		}
		g.want(g.chunk(f, i), 200, "uploaded Chunk")
	}
	if tears < 100 {
		t.Fatalf("only %d tears", tears)
	}
	g.wantFile(f.name, f.content)
	g.wantFiles(f.name)
}

// TestTornPlainForm: a plain form cannot be continued, so nothing of it stays.
func TestTornPlainForm(t *testing.T) {
	g := start(t, nil)
	body, kind := formBody("a", randomBytes(1, 600_000))
	conn := g.dial()
	_, _ = conn.Write(append([]byte(requestHead(http.MethodPost, "/upload", int64(len(body)), "Content-Type", kind)), body[:400_000]...))
	testkit.Eventually(t, waitLimit, "bytes arrive", func() bool { return g.svc.counters.written.Load() > 0 })
	_ = conn.Close()
	testkit.Eventually(t, waitLimit, "nothing is left", func() bool { return len(g.files()) == 0 })
}

// TestChurn: fifty clients come and go while the service is up; the leak gate sees what they leave.
func TestChurn(t *testing.T) {
	g := start(t, func(c *Config) { c.Conflict = conflictRename })
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if i%2 == 0 {
				f := file{fmt.Sprint("id", i), "c.bin", randomBytes(uint64(i), 90_000), 40_000}
				for n := range f.count() {
					if a := g.chunk(f, n); a.status != 200 {
						t.Errorf("%v", a)
					}
				}
				return
			}
			conn := g.dial()
			_, _ = conn.Write([]byte(requestHead(http.MethodPost, "/upload", 1<<20, "Content-Type", testType) + crlf(oneFile)))
			_ = conn.Close()
		})
	}
	all.Wait()
	testkit.Eventually(t, waitLimit, "every part is settled", func() bool {
		g.svc.store.mu.Lock()
		defer g.svc.store.mu.Unlock()
		return len(g.svc.store.parts) == 0
	})
	if n := len(g.files()); n != 25 {
		t.Errorf("%d files: %v", n, g.files())
	}
}

// TestRate: all uploads together keep the rate; that is measured by the bytes that are let through, not by a clock.
func TestRate(t *testing.T) {
	g := start(t, func(c *Config) { c.Rate = 1 << 20 })
	if g.svc.limiter.Limit() != 1<<20 || g.svc.limiter.Burst() != formBuffer {
		t.Fatalf("%v %v", g.svc.limiter.Limit(), g.svc.limiter.Burst())
	}
	begin := time.Now()
	content := randomBytes(1, 700_000)
	g.want(g.post("a", content), 200, "")
	if took := time.Since(begin); took < 400*time.Millisecond { // 700 kB less the burst at 1 MiB/s: 0.54 s at the least
		t.Errorf("took %v", took)
	}
	g.wantFile("a", content)
}

func TestExpectContinue(t *testing.T) {
	g := start(t, nil)
	g.want(g.post("a", []byte("x")), 200, "")
	body, kind := formBody("a", randomBytes(1, 100_000))
	conn := g.dial()
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(waitLimit))
	head := requestHead(http.MethodPost, "/upload", int64(len(body)), "Content-Type", kind, "Expect", "100-continue")
	_, _ = conn.Write([]byte(head))
	buf := make([]byte, 1000)
	n, err := conn.Read(buf)
	if err != nil || !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 100 ")) {
		t.Fatalf("%q %v", buf[:n], err)
	}
	_, _ = conn.Write(body)
	n, err = conn.Read(buf)
	if err != nil || !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 400 ")) || !bytes.Contains(buf[:n], []byte("already exists")) {
		t.Fatalf("%q %v", buf[:n], err)
	}
	wrong := strings.Replace(head, "Basic ", "Basic x", 1)
	second := g.dial()
	defer second.Close()
	_ = second.SetDeadline(time.Now().Add(waitLimit))
	_, _ = second.Write([]byte(wrong))
	n, err = second.Read(buf)
	if err != nil || !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 403 ")) {
		t.Fatalf("%q %v", buf[:n], err)
	}
}
