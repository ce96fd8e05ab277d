package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

const (
	benchDocument = 100 << 20
	benchDatagram = 64 << 10
)

// drain counts the datagrams of a socket until it has had n bytes of them.
func drain(conn *net.UnixConn, n int) error {
	buf := make([]byte, 1<<20)
	for n > 0 {
		got, err := conn.Read(buf)
		if err != nil {
			return err
		}
		n -= got
	}
	return nil
}

func listenDatagrams(b *testing.B, path string) *net.UnixConn {
	b.Helper()
	_ = os.Remove(path)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return conn
}

// bareLoop sends the document's datagrams from memory, from one goroutine to another, and returns bytes per second.
func bareLoop(b *testing.B, document []byte) float64 {
	b.Helper()
	path := filepath.Join(testkit.ShortDir(b), "bare")
	far := listenDatagrams(b, path)
	near, err := net.Dial("unixgram", path)
	if err != nil {
		b.Fatal(err)
	}
	defer near.Close()
	done := make(chan error, 1)
	go func() { done <- drain(far, len(document)) }()
	begun := time.Now()
	for datagram := range slices.Chunk(document, benchDatagram) {
		if _, err := near.Write(datagram); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return float64(len(document)) / time.Since(begun).Seconds()
}

// printed is a reader of the relay that takes what comes as fast as it can: when START came, and END.
func printed(conn *net.UnixConn) (start, end time.Time, err error) {
	buf := make([]byte, 1<<20)
	for {
		n, err := conn.Read(buf)
		switch {
		case err != nil:
			return start, end, err
		case n == 8 && (buf[4]|buf[5]|buf[6]|buf[7]) != 0:
			start = time.Now()
		case n == 4:
			return start, time.Now(), nil
		}
	}
}

func startPrinter(b *testing.B, args ...string) (dir string, relay *net.UnixConn) {
	b.Helper()
	base := testkit.ShortDir(b)
	dir = filepath.Join(base, "PDF")
	if err := os.Mkdir(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	relay = listenDatagrams(b, filepath.Join(base, "relay"))
	args = append([]string{"--only", "printer", "--printer-dir", dir, "--printer-relay", filepath.Join(base, "relay")}, args...)
	testkit.StartGhostaux(b, args...).WaitState(b, "printer", "ready")
	return dir, relay
}

// BenchmarkPrinter is a document of 100 MiB from START to END without a pace, against a bare loop of the same datagrams between
// two sockets in the same run: relay-MB/s, bare-MB/s and their quotient.
func BenchmarkPrinter(b *testing.B) {
	dir, relay := startPrinter(b, "--printer-pace", "0")
	var through, bare []float64
	for i := 0; b.Loop(); i++ {
		document := testkit.PDF(benchDocument-i, uint64(i))
		bare = append(bare, bareLoop(b, document))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.pdf", i)), document, 0o600); err != nil {
			b.Fatal(err)
		}
		start, end, err := printed(relay)
		if err != nil {
			b.Fatal(err)
		}
		through = append(through, benchDocument/end.Sub(start).Seconds())
	}
	b.ReportMetric(slices.Max(through)/1e6, "relay-MB/s")
	b.ReportMetric(slices.Max(bare)/1e6, "bare-MB/s")
	b.ReportMetric(slices.Max(through)/slices.Max(bare), "quotient")
}

// BenchmarkPrinterPaced is what a document of 20 MiB reaches at the default pace, and how long after its close a tiny one has come to
// its end.
func BenchmarkPrinterPaced(b *testing.B) {
	dir, relay := startPrinter(b)
	const size = 20 << 20
	var rate, latency []float64
	for i := 0; b.Loop(); i++ {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.pdf", i)), testkit.PDF(size-i, uint64(i)), 0o600); err != nil {
			b.Fatal(err)
		}
		start, end, err := printed(relay)
		if err != nil {
			b.Fatal(err)
		}
		rate = append(rate, size/end.Sub(start).Seconds())
		for j := range 10 {
			time.Sleep(300 * time.Millisecond) // the tail of the one before is over
			name := filepath.Join(dir, fmt.Sprintf("tiny-%d-%d.pdf", i, j))
			if err := os.WriteFile(name, testkit.PDF(1000+i*500+j*50, uint64(j)), 0o600); err != nil {
				b.Fatal(err)
			}
			closed := time.Now()
			if _, end, err = printed(relay); err != nil {
				b.Fatal(err)
			}
			latency = append(latency, float64(end.Sub(closed).Microseconds())/1000)
		}
	}
	slices.Sort(latency)
	b.ReportMetric(slices.Max(rate)/1e6, "MB/s")
	b.ReportMetric(latency[len(latency)/2], "tiny-ms-median")
	b.ReportMetric(latency[len(latency)-1], "tiny-ms-max")
}
