package integration

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// relay is a server under measure.
type relay struct {
	pid             int
	ingest, players string
}

const (
	benchRounds   = 3
	benchTime     = 5 * time.Second
	frameInterval = 26122449 * time.Nanosecond // of MP2 at 44.1 kHz
)

// BenchmarkAudioOutFanOut measures ghostaux beside a minimal Node relay, in turns on the same machine: the time from the
// publisher's write to the player's decrypted message, the server's CPU time and its resident memory. Of each figure
// the best round counts, since other work on the machine only ever makes it worse. Run it with -benchtime 1x.
func BenchmarkAudioOutFanOut(b *testing.B) {
	for _, players := range []int{1, 10, 100, 500} {
		b.Run(fmt.Sprintf("players=%d", players), func(b *testing.B) {
			for b.Loop() {
				var ours, theirs []figures
				for range benchRounds {
					ours = append(ours, measure(b, startGhostauxRelay, players))
					theirs = append(theirs, measure(b, startNodeRelay, players))
				}
				report(b, best(ours), best(theirs), players)
			}
		})
	}
}

// figures of one round.
type figures struct {
	p50, p99 time.Duration
	cpu      float64 // seconds of CPU per second
	rss      int64   // bytes
}

func best(rounds []figures) figures {
	f := rounds[0]
	for _, r := range rounds[1:] {
		f.p50, f.p99 = min(f.p50, r.p50), min(f.p99, r.p99)
		f.cpu, f.rss = min(f.cpu, r.cpu), min(f.rss, r.rss)
	}
	return f
}

func report(b *testing.B, ours, theirs figures, players int) {
	for _, x := range []struct {
		name string
		f    figures
	}{{"ghostaux", ours}, {"node", theirs}} {
		b.Logf("%3d players  %-8s  p50 %6.0f us  p99 %6.0f us  CPU %6.2f %%  %.3f %% a player  RSS %5.1f MiB", players, x.name,
			us(x.f.p50), us(x.f.p99), x.f.cpu*100, x.f.cpu*100/float64(players), float64(x.f.rss)/(1<<20))
	}
	b.ReportMetric(us(ours.p50), "p50-us")
	b.ReportMetric(us(ours.p99), "p99-us")
	b.ReportMetric(float64(ours.p50)/float64(theirs.p50), "p50/node")
	b.ReportMetric(float64(ours.p99)/float64(theirs.p99), "p99/node")
	b.ReportMetric(ours.cpu/theirs.cpu, "cpu/node")
	b.ReportMetric(float64(ours.rss)/float64(theirs.rss), "rss/node")
	b.ReportMetric(0, "ns/op")
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// measure runs one round.
func measure(b *testing.B, start func(*testing.B) (*relay, func()), players int) figures {
	r, stop := start(b)
	defer stop()
	var listening, joined sync.WaitGroup
	lists := make([][]time.Duration, players)
	sent := make([]time.Time, int(benchTime/frameInterval)+100)
	conns := make([]*rawPeer, players)
	for i := range players {
		conns[i] = dialRaw(b, r.players, "/", net.Dialer{})
	}
	joined.Add(players)
	for i, p := range conns {
		listening.Go(func() { lists[i] = listenTimed(p, sent, &joined) })
	}
	cpu := publishTimed(b, r, sent, &joined)
	rss := residentBytes(b, r.pid)
	for _, p := range conns {
		_ = p.conn.Close()
	}
	listening.Wait()
	all := slices.Concat(lists...)
	slices.Sort(all)
	return figures{p50: all[len(all)/2], p99: all[len(all)*99/100], cpu: cpu, rss: rss}
}

// listenTimed reads until the connection is closed and returns how old each message was.
func listenTimed(p *rawPeer, sent []time.Time, joined *sync.WaitGroup) []time.Duration {
	var ages []time.Duration
	once := sync.OnceFunc(joined.Done)
	for {
		msg, err := p.next()
		if err != nil {
			return ages
		}
		now := time.Now()
		once()
		if id := binary.BigEndian.Uint32(msg[len(msg)-4:]); id > 0 {
			ages = append(ages, now.Sub(sent[id]))
		}
	}
}

// publishTimed sends one frame every 26 ms and returns the server's CPU time per second. Frames with id 0, which are not
// counted, come until all have joined and warmed up.
func publishTimed(b *testing.B, r *relay, sent []time.Time, joined *sync.WaitGroup) float64 {
	air := dialIngest(b, r.ingest)
	all := make(chan struct{})
	go func() {
		joined.Wait()
		close(all)
	}()
	tick := time.NewTicker(frameInterval)
	defer tick.Stop()
	warm := func(d <-chan struct{}) {
		for {
			select {
			case <-d:
				return
			case <-tick.C:
				air.send(benchFrame(0, 0))
			}
		}
	}
	warm(all)
	second := make(chan struct{})
	time.AfterFunc(time.Second, func() { close(second) })
	warm(second)

	start, before := time.Now(), cpuSeconds(b, r.pid)
	for id := 1; time.Since(start) < benchTime; id++ {
		<-tick.C
		frame := benchFrame(uint32(id), id%3)
		sent[id] = time.Now()
		air.send(frame)
	}
	used := (cpuSeconds(b, r.pid) - before) / time.Since(start).Seconds()
	<-tick.C
	return used
}

// rawPublisher POSTs as ffmpeg does: one chunk for each frame, straight from the goroutine that has it, so that no hop of
// the client's own counts as the server's time.
type rawPublisher struct {
	b    *testing.B
	conn net.Conn
	buf  []byte
}

func dialIngest(b *testing.B, addr string) *rawPublisher {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST /kasmaudio HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n", addr)
	if err != nil {
		b.Fatal(err)
	}
	return &rawPublisher{b: b, conn: conn}
}

func (p *rawPublisher) send(frame []byte) {
	p.buf = fmt.Appendf(p.buf[:0], "%x\r\n%s\r\n", len(frame), frame)
	if _, err := p.conn.Write(p.buf); err != nil {
		p.b.Fatal(err)
	}
}

// benchFrame is 3 or 5 packets, as ffmpeg's frames are, with PTS; the last four bytes are the id.
func benchFrame(id uint32, kind int) []byte {
	packets := 3
	if kind == 0 {
		packets = 5
	}
	frame := bytes.Repeat(append([]byte{0x47, 0x01, 0x00, 0x10}, make([]byte, 184)...), packets)
	pts := uint64(id) * 2351
	copy(frame, []byte{
		0x47, 0x41, 0x00, 0x10, 0, 0, 1, 0xC0, 0, 0, 0x80, 0x80, 5,
		0x21 | byte(pts>>29)&0x0E, byte(pts >> 22), byte(pts>>14) | 1, byte(pts >> 7), byte(pts<<1) | 1,
	})
	binary.BigEndian.PutUint32(frame[len(frame)-4:], id)
	return frame
}

func startGhostauxRelay(b *testing.B) (*relay, func()) {
	g := testkit.StartGhostaux(b, "--only", "audioout", "--audioout-source", "ingest", "--log-level", "info")
	return &relay{g.Cmd.Process.Pid, g.Addr(b, "audioout/ingest"), g.Addr(b, "audioout")}, g.Kill
}

func startNodeRelay(b *testing.B) (*relay, func()) {
	testkit.NodeModules(b)
	cert, key := writeCertificate(b)
	cmd := exec.Command("node", filepath.Join("testdata", "relay.mjs"), cert, key)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatalf("start node: %v", err)
	}
	stop := sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	b.Cleanup(stop)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var ports struct{ Ingest, Players int }
	if err == nil {
		err = json.Unmarshal(line, &ports)
	}
	if err != nil {
		b.Fatalf("node: %v: %s", err, line)
	}
	at := func(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
	return &relay{cmd.Process.Pid, at(ports.Ingest), at(ports.Players)}, stop
}

// writeCertificate makes a certificate of the kind that ghostaux makes for itself.
func writeCertificate(b *testing.B) (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		b.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return cert, key
}

// cpuSeconds is the CPU time of a process so far, proc(5).
func cpuSeconds(b testing.TB, pid int) float64 {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100 // USER_HZ
}

// residentBytes is VmRSS.
func residentBytes(b testing.TB, pid int) int64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib << 10
}
