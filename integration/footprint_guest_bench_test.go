package integration

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/testkit"
)

// Ports of the sound's services in the guest.
const (
	playerPort     = 4901
	microphonePort = 4903
)

// startDesktop boots a guest that has a pad's device, PulseAudio and ffmpeg, these from this machine, and starts PulseAudio as
// testkit.StartPulse does.
func startDesktop(b *testing.B) *machine {
	b.Helper()
	var programs []string
	for _, pattern := range []string{
		"/usr/bin/ffmpeg", "/usr/bin/pulseaudio", "/usr/lib/pulse-*/modules/module-null-sink.so",
		"/usr/lib/pulse-*/modules/module-native-protocol-unix.so", "/usr/lib/pulse-*/modules/module-remap-source.so",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) != 1 {
			b.Fatalf("%s: %q, %v", pattern, found, err)
		}
		programs = append(programs, found[0])
	}
	users := filepath.Join(b.TempDir(), "passwd")
	if err := os.WriteFile(users, []byte("root:x:0:0:root:/tmp:/bin/sh\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	files := testkit.WithLibraries(b, programs...)
	maps.Copy(files, map[string]string{
		"/bin/ghostaux": testkit.Binary(b), "/tmp/.vnc/self.pem": newImage(b).pem, "/etc/passwd": users, "/tmp/PDF/none": users,
	})
	m := &machine{Guest: testkit.StartGuest(b, testkit.GuestSpec{
		Files: files, Ports: []int{padPort, doorPort, playerPort, microphonePort}, Memory: 2048,
	})}
	m.Start(b, []string{"XDG_RUNTIME_DIR=/tmp", "PULSE_RUNTIME_PATH=/tmp"}, "/usr/bin/pulseaudio", "-n", "--daemonize=no",
		"--exit-idle-time=-1", "--disable-shm=yes", "--use-pid-file=no", "--log-target=stderr",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket=/tmp/native", "-L", "module-null-sink sink_name=out rate=44100 norewinds=1")
	return m
}

// watch looks at the memory of a process in the guest once a second.
func (m *machine) watch(b *testing.B, pid, seconds int) (sizes memories) {
	b.Helper()
	for range seconds {
		time.Sleep(time.Second)
		var status string
		m.Call(b, "/file", map[string]any{"path": fmt.Sprintf("/proc/%d/status", pid)}, &status)
		sizes = append(sizes, memoryOf(b, status))
	}
	return sizes
}

// hugePages is how much of a process in the guest the kernel holds in pages of 2 MiB, in MiB.
func (m *machine) hugePages(b *testing.B, pid int) (size float64) {
	b.Helper()
	var sums string
	m.Call(b, "/file", map[string]any{"path": fmt.Sprintf("/proc/%d/smaps_rollup", pid)}, &sums)
	_, text, _ := strings.Cut(sums, "\nAnonHugePages:")
	if _, err := fmt.Sscan(text, &size); err != nil {
		b.Fatalf("AnonHugePages: %v: %s", err, sums)
	}
	return size / 1024
}

// BenchmarkFootprintTogether is the resident memory over 30 s of one process with all six services that has a player, a microphone
// and a pad at once, in the guest, since only that has uinput. PulseAudio and ffmpeg run in the guest too, and are not counted; there are
// no KasmVNC and no card reader, which the other two services look for. The program has two processors as far as it
// knows, as this machine has. "idle" is the same process before, after 20 s in which nobody used it, and "sound" with player and
// microphone, before the pad came.
func BenchmarkFootprintTogether(b *testing.B) {
	m := startDesktop(b)
	for b.Loop() {
		pid := m.Start(b, []string{"GOMAXPROCS=2", "GHOSTAUX_AUTH_TOKEN=" + testkit.Token, "PULSE_SERVER=unix:/tmp/native"}, "/bin/ghostaux",
			"--log-format", "json", "--audioout-ffmpeg", "/usr/bin/ffmpeg", "--upload-dir", "/tmp/Uploads", "--printer-dir", "/tmp/PDF")
		m.waitOutput(b, pid, `"msg":"service ready","service":"audioin"`)
		m.waitOutput(b, pid, `"msg":"service ready","service":"gamepad"`)
		time.Sleep(rest)
		idle := m.watch(b, pid, 1)
		silence := m.listenAndSpeak(b)
		sound := m.watch(b, pid, 20)
		release := m.play(b)
		together := m.watch(b, pid, 30)
		huge := m.hugePages(b, pid)
		release(1000) // of 1500 rows
		silence(800_000, 900)
		m.stop(b, pid)
		if code := m.Wait(b, pid); code != 0 {
			b.Errorf("ghostaux ended with %d", code)
		}
		together.report(b)
		b.ReportMetric(huge, "MiB-huge") // of the anonymous ones: memory that the kernel has made of few pages in use
		b.ReportMetric(idle[0].all, "MiB-idle")
		b.ReportMetric(sound[len(sound)-1].all, "MiB-sound")
	}
}

// listenAndSpeak does both until stop is called, which fails when there was less of them than at least that many bytes and messages. It
// returns when both have begun.
func (m *machine) listenAndSpeak(b *testing.B) (stop func(leastBytes, leastMessages int64)) {
	b.Helper()
	player := dialRaw(b, m.Addr(playerPort), "/", net.Dialer{})
	var heard, spoken atomic.Int64
	var listening sync.WaitGroup
	listening.Go(func() {
		for msg, err := player.next(); err == nil; msg, err = player.next() {
			heard.Add(int64(len(msg)))
		}
	})
	microphone := testkit.Dial(b, "https://"+m.Addr(microphonePort)+"/?sample_rate=48000")
	message := testkit.Sine(1000, 0.5, 48000, 0, 2048)
	silence := pace(b, 2048*time.Second/48000, func() bool {
		if microphone.Write(b.Context(), websocket.MessageBinary, message) != nil {
			return false
		}
		spoken.Add(1)
		return true
	})
	patiently(b, "the sound has begun", func() bool { return heard.Load() > 20_000 })
	return func(leastBytes, leastMessages int64) {
		silence()
		_ = player.conn.Close()
		listening.Wait()
		if heard.Load() < leastBytes || spoken.Load() < leastMessages {
			b.Errorf("heard %d bytes and spoke %d messages only", heard.Load(), spoken.Load())
		}
	}
}

// play moves a pad at 50 Hz until stop is called, which fails when less than so many rows were sent.
func (m *machine) play(b *testing.B) (stop func(leastRows int64)) {
	b.Helper()
	pad := m.connect(b)
	var played atomic.Int64
	release := pace(b, 20*time.Millisecond, func() bool {
		n := played.Add(1)
		row := padRow(0, map[int]string{0: fmt.Sprint(n%30000 + 1), 4: fmt.Sprint(n % 2)})
		return pad.conn.Write(b.Context(), websocket.MessageText, []byte(row)) == nil
	})
	m.waitPad(b, 0)
	return func(leastRows int64) {
		release()
		if played.Load() < leastRows {
			b.Errorf("%d rows were played only", played.Load())
		}
	}
}
