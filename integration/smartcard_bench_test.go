package integration

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/testkit"
)

// BenchmarkSmartcard is the round trip of a short APDU as a PC/SC program sees it, through pcscd and vpcd: to a card
// emulator that sits in vpcd itself, without and with quick acknowledgements, and through ghostaux to a scripted far end
// behind KasmVNC's relay, and to an emulated card behind a card agent and a second pcscd.
func BenchmarkSmartcard(b *testing.B) {
	b.Run("emulator", func(b *testing.B) {
		p := testkit.StartPcscd(b)
		startEmulator(b, p.Addr, false)
		roundTrips(b, p, atrTwo, 50)
	})
	b.Run("emulator-quickack", func(b *testing.B) {
		p := testkit.StartPcscd(b)
		startEmulator(b, p.Addr, true)
		roundTrips(b, p, atrTwo, 2000)
	})
	b.Run("relay", func(b *testing.B) {
		p, path := testkit.StartPcscd(b), scriptedRelay(b, atrOne)
		testkit.StartGhostaux(b, "--only", "smartcard", "--smartcard-relay", path, "--smartcard-vpcd-addr", p.Addr)
		roundTrips(b, p, atrOne, 2000)
	})
	b.Run("agent", func(b *testing.B) {
		far, near := testkit.StartPcscd(b), testkit.StartPcscd(b)
		g := testkit.StartGhostaux(b, "--only", "smartcard", "--smartcard-relay", "off", "--smartcard-vpcd-addr", near.Addr)
		startEmulator(b, far.Addr, true)
		startAgent(b, g, far)
		roundTrips(b, near, atrTwo, 2000)
	})
}

// scriptedRelay is a far end that answers at once: a relay's socket with the card right behind it, since the stand-in of
// Xvnc takes longer than what is measured. It waits in its own thread, as Xvnc, a program in C, does: in the runtime's poller
// each of its reads would wake it twice.
func scriptedRelay(b *testing.B, atr []byte) string {
	b.Helper()
	path := filepath.Join(testkit.ShortDir(b), "smartcard")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		b.Fatal(err)
	}
	card, ended := &farCard{atr: atr}, make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 1<<17)
		for {
			n, from, err := unix.Recvfrom(fd, buf, 0)
			if n == 0 || err != nil && err != unix.EINTR {
				return
			}
			if err == nil {
				_ = unix.Sendto(fd, card.answer(buf[:n]), unix.MSG_NOSIGNAL, from)
			}
		}
	}()
	b.Cleanup(func() {
		_ = unix.Shutdown(fd, unix.SHUT_RDWR)
		<-ended
		_ = unix.Close(fd)
	})
	return path
}

// roundTrips measures n round trips for each iteration, and reports the median and the 99th percentile.
func roundTrips(b *testing.B, p *testkit.Pcscd, atr []byte, n int) {
	b.Helper()
	c := client(b, p)
	waitATR(b, c, atr)
	card := connect(b, c)
	apdu := []byte{0x00, 0xB0, 0x00, 0x00, 0x08}
	want, got := response(apdu), make([]byte, 0, 64)
	roundTrip := func() time.Duration {
		begin := time.Now()
		var err error
		if got, err = card.Transmit(apdu, got[:0], 10*time.Second); err != nil || !bytes.Equal(got, want) {
			b.Fatalf("got %X, %v", got, err)
		}
		return time.Since(begin)
	}
	for range 20 {
		roundTrip()
	}
	var took []time.Duration
	for b.Loop() {
		for range n {
			took = append(took, roundTrip())
		}
	}
	slices.Sort(took)
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	b.ReportMetric(us(took[len(took)/2]), "median-us")
	b.ReportMetric(us(took[len(took)*99/100]), "p99-us")
}

// BenchmarkSmartcardIdle is the processor time of the whole of ghostaux while nobody uses a card, in each way in which it can
// be idle, one after the other: what else wakes this machine makes every wake of ghostaux dearer.
func BenchmarkSmartcardIdle(b *testing.B) {
	for _, s := range []struct {
		name, state string
		relay, vpcd func(*testing.B) string
	}{
		{"no-relay", "no relay", noRelay, pcscdAlone},
		{"no-browser", "no browser", silentRelay, pcscdAlone},
		{"no-card", "no card", func(b *testing.B) string { return scriptedRelay(b, nil) }, pcscdAlone},
		{"card", "card present", func(b *testing.B) string { return scriptedRelay(b, atrOne) }, pcscdAlone},
		{"no-pcscd", "no relay", noRelay, func(*testing.B) string { return "127.0.0.1:1" }},
	} {
		b.Run(s.name, func(b *testing.B) {
			g := testkit.StartGhostaux(b, "--only", "smartcard", "--smartcard-relay", s.relay(b), "--smartcard-vpcd-addr", s.vpcd(b))
			time.Sleep(20 * time.Second) // the pauses between two tries have become as long as they will
			if got := string(g.Get(b, "/status")); !strings.Contains(got, `"`+s.state+`"`) {
				b.Fatalf("not %q: %s", s.state, got)
			}
			idleCPU(b, g.Cmd.Process.Pid)
		})
	}
}

func noRelay(b *testing.B) string { return filepath.Join(testkit.ShortDir(b), "smartcard") }

// silentRelay is a relay without a browser.
func silentRelay(b *testing.B) string {
	path := noRelay(b)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		b.Fatal(err)
	}
	go io.Copy(io.Discard, conn) // ends with conn
	b.Cleanup(func() { _ = conn.Close() })
	return path
}

func pcscdAlone(b *testing.B) string { return testkit.StartPcscd(b).Addr }

func idleCPU(b *testing.B, pid int) {
	const over = 40 * time.Second
	for b.Loop() {
		begin, before := time.Now(), cpuOf(b, pid)
		time.Sleep(over)
		b.ReportMetric(100*(cpuOf(b, pid)-before).Seconds()/time.Since(begin).Seconds(), "%core")
	}
	b.ReportMetric(0, "ns/op")
}
