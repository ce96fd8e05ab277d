package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

const (
	benchDocument = 100 << 20
	benchDatagram = 64 << 10 // of which eight bytes are a header in those of the printer
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

// bareSenderEnv makes this test binary the sender of a bare loop: the socket that it names gets a document's datagrams.
const bareSenderEnv = "BARE_SENDER_TO"

// sendBare sends a document's datagrams from memory, and nothing else, and then once more: on virtual machines the kernel's first look
// at memory is several times as slow as the next.
func sendBare(path string) error {
	conn, err := net.Dial("unixgram", path)
	if err != nil {
		return err
	}
	defer conn.Close()
	document := testkit.PDF(benchDocument, 1)
	for range 2 {
		for datagram := range slices.Chunk(document, benchDatagram) {
			if _, err := conn.Write(datagram); err != nil {
				return err
			}
		}
	}
	return nil
}

// bareLoop is what the datagrams of a document alone reach, in bytes per second: from one goroutine to another, or from a process of
// its own, as ghostaux is one for Xvnc. Every change of turn costs more between processes.
func bareLoop(b *testing.B, apart bool) float64 {
	b.Helper()
	path := filepath.Join(testkit.ShortDir(b), "bare")
	far := listenDatagrams(b, path)
	sender := make(chan error, 1)
	if apart {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), bareSenderEnv+"="+path)
		go func() { sender <- cmd.Run() }()
	} else {
		go func() { sender <- sendBare(path) }()
	}
	if err := drain(far, benchDocument); err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	if err := drain(far, benchDocument); err != nil {
		b.Fatal(err)
	}
	took := time.Since(begun)
	if err := <-sender; err != nil {
		b.Fatal(err)
	}
	return benchDocument / took.Seconds()
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

// poked reads the two STARTs of size 0 after an END.
func poked(conn *net.UnixConn) error { return drain(conn, 2*8) }

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

// BenchmarkPrinter is a document of 100 MiB from START to END without a pace, beside bare loops of the same datagrams in the same
// run, in turns; medians, and the quotients to either.
func BenchmarkPrinter(b *testing.B) {
	dir, relay := startPrinter(b, "--printer-pace", "0")
	var through, apart, within []float64
	for i := 0; b.Loop(); i++ {
		apart = append(apart, bareLoop(b, true))
		within = append(within, bareLoop(b, false))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.pdf", i)), testkit.PDF(benchDocument-i, uint64(i)), 0o600); err != nil {
			b.Fatal(err)
		}
		start, end, err := printed(relay)
		if err != nil {
			b.Fatal(err)
		}
		through = append(through, benchDocument/end.Sub(start).Seconds())
	}
	b.ReportMetric(median(through)/1e6, "relay-MB/s")
	b.ReportMetric(median(apart)/1e6, "bare-MB/s")
	b.ReportMetric(median(within)/1e6, "bare-one-process-MB/s")
	b.ReportMetric(median(through)/median(apart), "quotient")
	b.ReportMetric(median(through)/median(within), "quotient-one-process")
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
		for j := range 100 {
			if err := poked(relay); err != nil {
				b.Fatal(err)
			}
			name := filepath.Join(dir, fmt.Sprintf("tiny-%d-%d.pdf", i, j))
			if err := os.WriteFile(name, testkit.PDF(1000+i*5000+j*50, uint64(j)), 0o600); err != nil {
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
	b.ReportMetric(latency[len(latency)*99/100], "tiny-ms-p99")
	b.ReportMetric(latency[len(latency)-1], "tiny-ms-max")
}
