package audioout

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
	"ghostaux/pkg/ws"
)

// paced sends frames with rising time stamps, one every interval, until stop is closed.
func paced(w io.Writer, interval time.Duration, stop <-chan struct{}) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for i := 0; ; i++ {
		frame := append(audioPacket(0x100, ticks(90000+i*2351)), tsPacket(0x100, false, make([]byte, 180))...)
		frame = append(frame, tsPacket(0x100, false, make([]byte, 180))...)
		select {
		case <-stop:
			return
		case <-tick.C:
			if _, err := w.Write(frame); err != nil {
				return
			}
		}
	}
}

// onAirPaced is a publisher that sends a frame of 26 ms every interval until the test ends.
func (r *rig) onAirPaced(t testing.TB, interval time.Duration) {
	t.Helper()
	air, _ := r.onAir(t)
	stop := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() { paced(air, interval, stop) })
	t.Cleanup(func() {
		close(stop)
		air.CloseWithError(io.ErrClosedPipe)
		sending.Wait()
	})
}

// stampOf is the time in a message.
func stampOf(t testing.TB, msg []byte) time.Duration {
	t.Helper()
	payload, _, _ := split(msg[:packetSize])
	pts, ok := audioPTS(payload)
	if !ok {
		return 0 // begins with tables
	}
	return time.Duration(pts) * time.Second / 90000
}

// frameSound is how much a frame of three packets has. A busy machine may put several into one message.
const frameSound = 2351 * time.Second / 90000

func soundOf(msg []byte) time.Duration {
	return time.Duration(len(msg)/packetSize/3) * frameSound
}

func TestStalledPlayerHearsLittleOfThePast(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		read     int // messages before the stall
		interval time.Duration
		stall    time.Duration // in sound that goes by
	}{
		{"twenty times as fast as real time", 30, frameSound / 20, time.Minute},
		{"that never read", 0, frameSound / 20, time.Minute},
		{"in real time", 30, frameSound, 4 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, testConfig())
			conn := testkit.Dial(t, r.players.URL)
			r.waitPlayers(t, 1)
			r.onAirPaced(t, c.interval)
			for range c.read {
				readMessage(t, conn)
			}
			live := r.letPass(t, c.stall)
			var stale time.Duration
			for {
				msg := readMessage(t, conn)
				if stampOf(t, msg)-time.Second >= live {
					break
				}
				stale += soundOf(msg)
			}
			t.Logf("%v of sound went by, %v of it is heard", live.Round(time.Millisecond), stale.Round(time.Millisecond))
			if stale > time.Second {
				t.Errorf("%v of stale sound, want at most 1 s", stale)
			}
			if r.stream.all()[0].report().DroppedPackets == 0 {
				t.Error("nothing is counted as dropped")
			}
		})
	}
}

// TestStalledStreamHearsLittleOfThePast: the same of stream.ts, as far as it is ours: what lies in the player's own kernel
// nobody can take back, so that this player has little room there.
func TestStalledStreamHearsLittleOfThePast(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig())
	body := r.smallStream(t)
	r.waitPlayers(t, 1)
	r.onAirPaced(t, frameSound/20)
	live := r.letPass(t, time.Minute)
	var stale time.Duration
	for packet := make([]byte, packetSize); ; {
		if _, err := io.ReadFull(body, packet); err != nil {
			t.Fatal(err)
		}
		at := stampOf(t, packet)
		if at-time.Second >= live {
			break
		}
		if at > 0 {
			stale += frameSound
		}
	}
	t.Logf("%v of sound went by, %v of it is heard", live.Round(time.Millisecond), stale.Round(time.Millisecond))
	if stale > time.Second {
		t.Errorf("%v of stale sound, want at most 1 s", stale)
	}
}

// smallStream is stream.ts for a player whose kernel holds little.
func (r *rig) smallStream(t *testing.T) io.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.players.URL+"/stream.ts", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", testkit.Authorization(testkit.Token))
	client := testkit.Client(t)
	small := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) })
	}}
	client.Transport.(*http.Transport).DialContext = small.DialContext
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp.Body
}

// TestStreamEndsWhole: at the stop of the process stream.ts ends as a file does, also when it was being sent just then.
func TestStreamEndsWhole(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig())
	var streams []io.Reader
	for range 5 {
		streams = append(streams, r.smallStream(t))
	}
	r.waitPlayers(t, len(streams))
	r.onAirPaced(t, frameSound/20)
	r.letPass(t, 30*time.Second) // nobody reads: every stream is held in the middle of a message
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		r.env.Sockets.Drain(t.Context())
	}()
	<-r.env.Sockets.Stopping()
	for _, body := range streams {
		sound, err := io.ReadAll(body)
		if err != nil || len(sound) == 0 || len(sound)%packetSize != 0 {
			t.Errorf("%d bytes, which are %d packets and %d bytes: %v", len(sound), len(sound)/packetSize, len(sound)%packetSize, err)
		}
	}
	<-drained
}

// letPass waits until so much more sound has been published, and returns how much that is in all.
func (r *rig) letPass(t testing.TB, sound time.Duration) (live time.Duration) {
	t.Helper()
	published := func() time.Duration {
		if m := r.stream.ring.newest(); m != nil {
			return m.at
		}
		return 0
	}
	began := published()
	testkit.Eventually(t, time.Minute, "the sound goes by", func() bool {
		live = published()
		return live-began >= sound
	})
	return live
}

func readMessage(t testing.TB, conn *websocket.Conn) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, b, err := conn.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStalledPlayerFillsNoBuffers(t *testing.T) {
	t.Parallel()
	r := newRig(t, testConfig())
	conn := testkit.Dial(t, r.players.URL)
	r.waitPlayers(t, 1)
	air, _ := r.onAir(t)
	burst := tsStream(100)
	write(t, air, burst)
	readMessage(t, conn)
	for range 1000 { // 57 MB
		write(t, air, burst)
	}
	ring := &r.stream.ring
	ring.mu.Lock()
	kept := ring.bytes
	ring.mu.Unlock()
	queued := socketQueues(t, r.stream.all()[0].addr)
	t.Logf("%d KiB in socket buffers of both ends, %d KiB in the ring", queued>>10, kept>>10)
	if queued > 256<<10 {
		t.Errorf("%d bytes are queued for a player that does not read", queued)
	}
	if kept > ringBytes {
		t.Errorf("the ring has %d bytes", kept)
	}
	goesOn := make(chan struct{})
	go func() {
		defer close(goesOn)
		_, _ = air.Write(burst)
	}()
	for range 2 { // it is served again at once
		readMessage(t, conn)
	}
	<-goesOn
}

// socketQueues is what the kernel holds for the TCP connection with this client, both ways and at both ends, proc_net_tcp.
func socketQueues(t testing.TB, client string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(client)
	if err != nil {
		t.Fatal(err)
	}
	var number int
	if _, err := fmt.Sscan(port, &number); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if !strings.Contains(fields[1]+" "+fields[2]+" ", fmt.Sprintf(":%04X ", number)) {
			continue
		}
		var tx, rx int
		if _, err := fmt.Sscanf(fields[4], "%x:%x", &tx, &rx); err != nil {
			t.Fatal(err)
		}
		sum += tx + rx
	}
	return sum
}

// slowPath is a TCP proxy to the server whose deliveries due puts off.
func slowPath(t testing.TB, server string, due func(time.Time) time.Time) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", server)
			if err != nil {
				_ = near.Close()
				return
			}
			running.Go(func() { carry(near, far, due) })
			running.Go(func() { carry(far, near, due) })
		}
	})
	return "https://" + l.Addr().String()
}

func carry(from, to net.Conn, due func(time.Time) time.Time) {
	type parcel struct {
		data []byte
		due  time.Time
	}
	parcels := make(chan parcel, 4096)
	go func() {
		defer close(parcels)
		for {
			b := make([]byte, 16<<10)
			n, err := from.Read(b)
			if err != nil {
				return
			}
			parcels <- parcel{b[:n], due(time.Now())}
		}
	}()
	for p := range parcels {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	_, _ = from.Close(), to.Close()
	for range parcels {
	}
}

func TestUnevenPathsLoseNothing(t *testing.T) {
	t.Parallel()
	late := func(d time.Duration) func(time.Time) time.Time {
		return func(now time.Time) time.Time { return now.Add(d) }
	}
	bursts := func(d time.Duration) func(time.Time) time.Time {
		return func(now time.Time) time.Time { return now.Truncate(d).Add(d) }
	}
	for _, c := range []struct {
		name   string
		maxLag time.Duration
		due    func(time.Time) time.Time
		drops  bool
	}{
		{"bursts of 200 ms", 500 * time.Millisecond, bursts(200 * time.Millisecond), false},
		{"round trip of 300 ms", 500 * time.Millisecond, late(150 * time.Millisecond), false},
		{"bursts of 200 ms with a max-lag of 100 ms", 100 * time.Millisecond, bursts(200 * time.Millisecond), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			config := testConfig()
			config.MaxLag = c.maxLag
			r := newRig(t, config)
			conn := testkit.Dial(t, slowPath(t, strings.TrimPrefix(r.players.URL, "https://"), c.due))
			r.waitPlayers(t, 1)
			r.onAirPaced(t, frameSound)
			before, holes := time.Duration(0), 0
			for range 110 {
				msg := readMessage(t, conn)
				at := stampOf(t, msg)
				if before > 0 && at > before+time.Millisecond {
					holes++
				}
				before = at + soundOf(msg)
			}
			report := r.stream.all()[0].report()
			t.Logf("%d holes; %+v", holes, report)
			if c.drops != (report.DroppedPackets > 0) || c.drops != (holes > 0) {
				t.Errorf("%d holes, %d packets dropped", holes, report.DroppedPackets)
			}
		})
	}
}

func TestPlayerThatOnlyPongsStays(t *testing.T) {
	r := newRig(t, testConfig())
	conn := testkit.Dial(t, r.players.URL)
	r.waitPlayers(t, 1)
	p := r.stream.all()[0]
	r.onAirPaced(t, frameSound/20)
	testkit.Eventually(t, 10*time.Second, "the player is held", func() bool { return p.flight.hold() && p.lag() > time.Second })
	p.pong([]byte("unasked"))                         // a heartbeat of the peer's own
	p.pong(binary.BigEndian.AppendUint64(nil, 1<<40)) // a number never asked
	if !p.flight.hold() {
		t.Error("pongs that answer nothing release the player")
	}
	readMessage(t, conn)
}

func TestRingIsBounded(t *testing.T) {
	r := ring{keep: time.Second}
	now := time.Unix(0, 0)
	for range 3 * ringSlots {
		r.append(make([]byte, packetSize), time.Millisecond, now)
	}
	if n := r.next - r.tail; n != ringSlots {
		t.Errorf("%d messages, want %d", n, ringSlots)
	}
	if !r.overrun(r.tail-1) || r.overrun(r.tail) {
		t.Error("an overrun is not told from what is kept")
	}
	for range 1000 {
		r.append(make([]byte, 87*packetSize), 0, now)
	}
	if r.bytes > ringBytes {
		t.Errorf("%d bytes, want at most %d", r.bytes, ringBytes)
	}
	now = now.Add(time.Minute)
	r.append(make([]byte, packetSize), time.Minute, now)
	if n := r.next - r.tail; n != 1 {
		t.Errorf("%d messages are kept, want the newest alone", n)
	}
	if m, newest := r.get(0); m != newest || m == nil {
		t.Error("who is behind the ring is not put to the newest")
	}
	if m, _ := r.get(r.next); m != nil {
		t.Error("a message that has not come yet")
	}
}

var errTest = errors.New("test")

// fakeSink is a sink whose send does what the test wants.
type fakeSink struct {
	sends   func(m *message) (all bool, err error)
	flushes func() error
	cuts    atomic.Int32
}

func (f *fakeSink) send(_ []byte, m *message, _ bool) (bool, error) { return f.sends(m) }
func (f *fakeSink) flush() error                                    { return f.flushes() }
func (f *fakeSink) cut()                                            { f.cuts.Add(1) }

func newFakePlayer(t testing.TB, sink *fakeSink) *player {
	t.Helper()
	s, err := New(testConfig(), testkit.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	p := newPlayer(s.stream, sink, "test", "")
	s.stream.join(p)
	return p
}

func TestSendingEndsWithItsSink(t *testing.T) {
	sink := &fakeSink{}
	for name, end := range map[string]func(*message) (bool, error){
		"error": func(*message) (bool, error) { return false, errTest },
		"panic": func(*message) (bool, error) { panic(errTest) },
		"later": func(*message) (bool, error) { return false, nil },
	} {
		t.Run(name, func(t *testing.T) {
			sink.sends, sink.flushes = end, func() error { return errTest }
			sink.cuts.Store(0)
			p := newFakePlayer(t, sink)
			p.stream.open().write(tsStream(1))
			<-p.ended
			p.end()
			var crash *service.PanicError
			if !errors.Is(p.err, errTest) && !errors.As(p.err, &crash) {
				t.Errorf("it ended with %v", p.err)
			}
			if sink.cuts.Load() != 1 {
				t.Error("the peer is not cut")
			}
		})
	}
}

// TestSocketThatIsBeingClosedIsNotCut: its peer is being told why, and a cut would come between.
func TestSocketThatIsBeingClosedIsNotCut(t *testing.T) {
	sink := &fakeSink{sends: func(*message) (bool, error) { return false, ws.ErrClosing }}
	p := newFakePlayer(t, sink)
	p.stream.open().write(tsStream(1))
	<-p.ended
	p.end()
	if sink.cuts.Load() != 0 {
		t.Error("the peer is cut before it knows why")
	}
}

// However many publish and confirm at a time, each message is sent once and in order, and none is forgotten.
func TestMessagesAreSentOnceAndInOrder(t *testing.T) {
	var got []uint64 // by whoever has the turn
	sink := &fakeSink{flushes: func() error { return nil }}
	sink.sends = func(m *message) (bool, error) {
		got = append(got, m.seq)
		return m.seq%7 != 0, nil
	}
	p := newFakePlayer(t, sink)
	pub := p.stream.open()
	const n = 500
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() {
			for range n {
				p.serve()
			}
		})
	}
	for range n {
		pub.write(tsStream(1))
	}
	others.Wait()
	testkit.Eventually(t, 10*time.Second, "all are sent", func() bool { return p.turn.state.Load() == turnFree })
	p.end()
	if len(got) != n {
		t.Errorf("%d messages were sent, want %d", len(got), n)
	}
	for i, seq := range got {
		if seq != uint64(i) {
			t.Fatalf("message %d is number %d", i, seq)
		}
	}
}

func BenchmarkPublishToHundredPlayers(b *testing.B) {
	s, err := New(testConfig(), testkit.Env(b))
	if err != nil {
		b.Fatal(err)
	}
	sink := &fakeSink{sends: func(*message) (bool, error) { return true, nil }}
	for range 100 {
		s.stream.join(newPlayer(s.stream, sink, "test", ""))
	}
	frame := tsStream(1)
	pub := s.stream.open()
	b.ReportAllocs()
	for b.Loop() {
		pub.write(frame)
		pub.close()
	}
}
