package integration

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/testkit"
)

// rest is how long a process is left alone before it is looked at: it gives back what only its start needed.
const rest = 20 * time.Second

// startFootprint runs all six services as a container does, at the log level that they have by themselves. With devices there are
// PulseAudio, both of KasmVNC's relays, a card reader and the directories, but no uinput; without, nothing is there.
func startFootprint(b *testing.B, devices bool) *testkit.Ghostaux {
	b.Helper()
	args := []string{"--log-level", "info", "--upload-dir", b.TempDir()}
	if !devices {
		return testkit.StartGhostaux(b, append(args, "--printer-dir", "/nonexistent/PDF")...)
	}
	dir := testkit.ShortDir(b)
	printer, smartcard := filepath.Join(dir, "printer"), filepath.Join(dir, "smartcard")
	testkit.StartXvnc(b, "printer:"+printer, "smartcard:"+smartcard)
	return testkit.StartGhostauxWith(b, testkit.Start{
		Env: []string{"PULSE_SERVER=" + testkit.StartPulse(b).Server},
		Args: append(args, "--printer-dir", b.TempDir(), "--printer-relay", printer,
			"--smartcard-relay", smartcard, "--smartcard-vpcd-addr", testkit.StartPcscd(b).Addr),
	})
}

// memory is what a process has resident, in MiB.
type memory struct {
	all       float64 // VmRSS, shared pages and all
	anonymous float64 // its own
	files     float64 // of its program, which a file system in memory counts as shared memory
}

// memoryOf reads a /proc/PID/status.
func memoryOf(b *testing.B, status string) (size memory) {
	b.Helper()
	var shared float64
	for name, value := range map[string]*float64{
		"VmRSS:": &size.all, "RssAnon:": &size.anonymous, "RssFile:": &size.files, "RssShmem:": &shared,
	} {
		_, text, _ := strings.Cut(status, "\n"+name)
		if _, err := fmt.Sscan(text, value); err != nil {
			b.Fatalf("%s %v: %s", name, err, status)
		}
		*value /= 1024
	}
	size.files += shared
	return size
}

// memories are one look each second.
type memories []memory

func (m memories) report(b *testing.B) {
	var all, anonymous, files []float64
	for _, size := range m {
		all, anonymous, files = append(all, size.all), append(anonymous, size.anonymous), append(files, size.files)
	}
	b.ReportMetric(median(all), "MiB-median")
	b.ReportMetric(slices.Max(all), "MiB-most")
	b.ReportMetric(median(anonymous), "MiB-anonymous")
	b.ReportMetric(median(files), "MiB-files")
	b.ReportMetric(0, "ns/op")
}

// use is what a process takes over a time.
type use struct {
	resident memories
	cpu      float64 // share of a core
}

func watch(b *testing.B, pid int, d time.Duration) (u use) {
	b.Helper()
	start, before := time.Now(), cpuOf(b, pid)
	for time.Since(start) < d {
		time.Sleep(time.Second)
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			b.Fatal(err)
		}
		u.resident = append(u.resident, memoryOf(b, string(status)))
	}
	u.cpu = (cpuOf(b, pid) - before).Seconds() / time.Since(start).Seconds()
	return u
}

func (u use) report(b *testing.B) {
	u.resident.report(b)
	b.ReportMetric(u.cpu*100, "%core")
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// BenchmarkFootprintIdle is the resident memory (VmRSS, shared pages and all) and the processor time of one process with all six services over
// 60 s in which nobody uses them, 20 s after its start. "devices" is a desktop with everything but uinput, "bare" a machine that
// has none, where every service goes on looking for its own. Nobody asks for /status or /metrics meanwhile.
func BenchmarkFootprintIdle(b *testing.B) {
	for name, devices := range map[string]bool{"devices": true, "bare": false} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				g := startFootprint(b, devices)
				g.Addr(b, "frontdoor")
				time.Sleep(rest)
				watch(b, g.Cmd.Process.Pid, time.Minute).report(b)
				g.Stop(b)
			}
		})
	}
}

// BenchmarkFootprintInUse is the same over 30 s in which one player listens and one microphone speaks. ffmpeg is a process of its own
// and not counted; with a pad beside them it is BenchmarkFootprintTogether's, since this machine may have no uinput.
func BenchmarkFootprintInUse(b *testing.B) {
	for b.Loop() {
		g := startFootprint(b, true)
		g.WaitState(b, "audioin", "ready")
		time.Sleep(rest)
		player := dialRaw(b, g.Addr(b, "audioout"), "/", net.Dialer{})
		var heard atomic.Int64
		var listening sync.WaitGroup
		listening.Go(func() {
			for msg, err := player.next(); err == nil; msg, err = player.next() {
				heard.Add(int64(len(msg)))
			}
		})
		microphone := testkit.Dial(b, g.URL(b, "audioin", "/?sample_rate=48000"))
		message := testkit.Sine(1000, 0.5, 48000, 0, 2048)
		stop := pace(b, 2048*time.Second/48000, func() bool {
			return microphone.Write(b.Context(), websocket.MessageBinary, message) == nil
		})
		testkit.Eventually(b, 20*time.Second, "both have begun", func() bool {
			return heard.Load() > 20_000 && len(microphoneReport(b, g).Peers) == 1
		})
		watch(b, g.Cmd.Process.Pid, 30*time.Second).report(b)
		stop()
		g.Stop(b)
		listening.Wait()
		if n := heard.Load(); n < 500_000 {
			b.Errorf("the player has heard %d bytes only", n)
		}
	}
}

// BenchmarkFootprintPad is what one pad adds to that: the resident memory of the gamepad service alone in the guest, after a socket has
// come and gone without a word, and while a pad is played at 50 Hz, by /metrics both times. The pages of the program that every
// socket needs are so counted in the player's and the microphone's part.
func BenchmarkFootprintPad(b *testing.B) {
	m := &machine{Guest: testkit.StartGuest(b, testkit.GuestSpec{
		Files: map[string]string{"/bin/ghostaux": testkit.Binary(b)}, Ports: []int{padPort, doorPort},
	})}
	for b.Loop() {
		m.startService(b, nil)
		time.Sleep(rest)
		m.resident(b) // makes what /metrics itself needs
		_ = m.connect(b).conn.CloseNow()
		before := m.resident(b)
		c := m.connect(b)
		for n := range 500 {
			c.send(b, padRow(0, map[int]string{0: fmt.Sprint(n + 1), 4: fmt.Sprint(n % 2)}))
			time.Sleep(20 * time.Millisecond)
		}
		m.waitPad(b, 0)
		b.ReportMetric((m.resident(b)-before)/(1<<20), "MiB-more")
		b.ReportMetric(0, "ns/op")
	}
}

func (m *machine) resident(b *testing.B) (size float64) {
	b.Helper()
	page := curlPage(b, "https://"+m.Addr(doorPort)+"/metrics")
	_, rest, _ := strings.Cut(page, "\nprocess_resident_memory_bytes ")
	if _, err := fmt.Sscan(rest, &size); err != nil {
		b.Fatal(err)
	}
	return size
}

// BenchmarkStartup is the time from exec until all six ports (front door, players, publisher, upload, microphone, gamepad) have accepted a
// connection, as the median and the best of 20 starts. The certificate is there, as in a container, and so is the binary in the page
// cache. fork and exec of the test's own process are not counted; that they took is told beside.
func BenchmarkStartup(b *testing.B) {
	m, ports := newImage(b), freePorts(b, 6)
	for b.Loop() {
		var fork, accept []float64
		for range 20 {
			f, a := m.timeStart(b, ports)
			fork, accept = append(fork, f.Seconds()*1e3), append(accept, a.Seconds()*1e3)
		}
		b.ReportMetric(median(accept), "ms-median")
		b.ReportMetric(slices.Min(accept), "ms-best")
		b.ReportMetric(median(fork), "ms-fork")
		b.ReportMetric(0, "ns/op")
	}
}

func (m image) timeStart(b *testing.B, ports []string) (fork, accept time.Duration) {
	b.Helper()
	cmd := exec.Command(testkit.Binary(b))
	cmd.Env = []string{"HOME=" + m.home, "PATH=" + os.Getenv("PATH"), "PULSE_SERVER=unix:" + filepath.Join(m.home, "none"), "VNC_PW=secret"}
	for i, name := range []string{"", "AUDIOOUT_", "AUDIOOUT_INGEST_", "UPLOAD_", "AUDIOIN_", "GAMEPAD_"} {
		cmd.Env = append(cmd.Env, "GHOSTAUX_"+name+"ADDR=127.0.0.1:"+ports[i])
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil { // it returns once the kernel has executed the binary
		b.Fatal(err)
	}
	executed := time.Now()
	for _, port := range ports {
		for {
			c, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err == nil {
				_ = c.Close()
				break
			}
			if time.Since(executed) > 10*time.Second {
				b.Fatalf("nobody accepts at %s", port)
			}
			time.Sleep(200 * time.Microsecond)
		}
	}
	accept = time.Since(executed)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	for lines := bufio.NewScanner(stderr); lines.Scan(); { // until it has ended
	}
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return executed.Sub(start), accept
}
