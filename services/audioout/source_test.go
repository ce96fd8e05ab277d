package audioout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
)

// fakePulse is a sound server whose default sink can be changed and which can go.
type fakePulse struct {
	mu      sync.Mutex // guards monitor
	monitor string
	changed chan struct{}
	done    chan struct{}
}

func newFakePulse() *fakePulse {
	return &fakePulse{monitor: "out.monitor", changed: make(chan struct{}, 1), done: make(chan struct{})}
}

func (f *fakePulse) Monitor() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.monitor == "" {
		return "", errors.New("no sink")
	}
	return f.monitor, nil
}

func (f *fakePulse) set(monitor string) {
	f.mu.Lock()
	f.monitor = monitor
	f.mu.Unlock()
	offer(f.changed)
}

func (f *fakePulse) Changed() <-chan struct{} { return f.changed }
func (f *fakePulse) Done() <-chan struct{}    { return f.done }
func (f *fakePulse) Close()                   {}

// script is a program in the place of ffmpeg, in a directory where it may leave files.
func script(t testing.TB, body string) (program, dir string) {
	t.Helper()
	dir = t.TempDir()
	program = filepath.Join(dir, "ffmpeg")
	text := "#!/bin/sh\ncd " + dir + "\n" + body + "\n"
	if err := os.WriteFile(program, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return program, dir
}

// streaming sends the file "frame" again and again.
const streaming = "echo \"$@\" >arguments\nwhile :; do cat frame; sleep 0.02; done"

func newSourceRig(t testing.TB, source, body string) (*rig, *fakePulse, string) {
	t.Helper()
	c := testConfig()
	var dir string
	c.FFmpeg, dir = script(t, body)
	c.Source, c.SourceIdle = source, 100*time.Millisecond
	if err := os.WriteFile(filepath.Join(dir, "frame"), tsStream(1), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, c)
	fake := newFakePulse()
	r.dial = func(context.Context) (soundServer, error) { return fake, nil }
	return r, fake, dir
}

// start runs the service until the test ends.
func (r *rig) start(t testing.TB) (result <-chan error, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	ready := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		done <- r.Run(ctx, func() { close(ready) })
	}()
	stop = func() {
		cancel()
		<-finished
	}
	t.Cleanup(stop)
	select {
	case <-ready:
	case <-time.After(10 * time.Second):
		t.Fatal("not ready")
	}
	return done, stop
}

func (r *rig) waitRunning(t testing.TB, want bool) {
	t.Helper()
	testkit.Eventually(t, 10*time.Second, fmt.Sprintf("ffmpeg runs: %v", want), func() bool { return (r.running.Load() != nil) == want })
}

func TestOwnFFmpegFollowsPlayersAndSink(t *testing.T) {
	r, fake, dir := newSourceRig(t, sourceFFmpeg, streaming)
	_, stop := r.start(t)
	if r.running.Load() != nil {
		t.Error("ffmpeg runs before anybody listens")
	}
	conn := testkit.Dial(t, r.players.URL)
	hear(t, conn, 2000)
	arguments, err := os.ReadFile(filepath.Join(dir, "arguments"))
	want := "-f pulse -fragment_size 2000 -ar 44100 -i out.monitor -f mpegts -correct_ts_overflow 0 -codec:a mp2 -b:a 128k -ac 1 -muxdelay 0.001"
	if err != nil || !strings.Contains(string(arguments), want) {
		t.Errorf("ffmpeg was started with %q (%v)", arguments, err)
	}
	first := r.running.Load().pid
	fake.set("other.monitor")
	testkit.Eventually(t, 10*time.Second, "ffmpeg records the new sink", func() bool {
		e := r.running.Load()
		return e != nil && e.source == "other.monitor"
	})
	if err := syscall.Kill(first, 0); err != syscall.ESRCH {
		t.Errorf("the first ffmpeg is left: %v", err)
	}
	_ = conn.CloseNow()
	r.waitRunning(t, false)
	testkit.Dial(t, r.players.URL)
	r.waitRunning(t, true)
	group := r.running.Load().pid
	stop()
	testkit.Eventually(t, 10*time.Second, "nothing of ffmpeg's process group is left", func() bool { // init reaps its children
		return syscall.Kill(-group, 0) == syscall.ESRCH
	})
}

func TestFFmpegThatFailsIsStartedAgain(t *testing.T) {
	r, _, _ := newSourceRig(t, sourceFFmpeg, `echo x >>tries
[ $(wc -l <tries) -le 5 ] && { echo "try $(wc -l <tries)" >&2; exit $(( $(wc -l <tries) % 2 )); }
`+streaming)
	conn := testkit.Dial(t, r.players.URL)
	r.waitPlayers(t, 1)
	for i := 1; i <= 5; i++ { // the supervisor waits in between
		err := r.Run(t.Context(), func() {})
		var fault *service.Fault
		if !errors.As(err, &fault) || !strings.HasSuffix(err.Error(), fmt.Sprint("try ", i)) {
			t.Fatalf("run %d: %v", i, err)
		}
	}
	r.start(t)
	hear(t, conn, 2000)
	if starts, exits := r.count.starts.Get(), r.count.exits.Get(); starts != 6 || exits != 5 {
		t.Errorf("%v starts and %v exits counted, want 6 and 5", starts, exits)
	}
	if lines := r.Report().(*Report).Stderr; len(lines) != 5 {
		t.Errorf("stderr: %q", lines)
	}
}

func TestFaultsAreDistinct(t *testing.T) {
	r, fake, _ := newSourceRig(t, sourceFFmpeg, streaming)
	run := func() string {
		err := r.Run(t.Context(), func() {})
		var fault *service.Fault
		if !errors.As(err, &fault) || fault.Advice == "" {
			t.Fatalf("%v is no fault with advice", err)
		}
		return err.Error()
	}
	good := r.dial
	r.dial = func(context.Context) (soundServer, error) { return nil, errors.New("no socket") }
	noPulse := run()
	r.dial = good
	fake.set("")
	noSink := run()
	r.config.FFmpeg = "/no/such/ffmpeg"
	noFFmpeg := run()
	for name, c := range map[string][2]string{
		"PulseAudio": {noPulse, "reach PulseAudio: no socket"}, "sink": {noSink, "find the monitor of the default sink: no sink"},
		"ffmpeg": {noFFmpeg, "find ffmpeg"},
	} {
		if !strings.HasPrefix(c[0], c[1]) {
			t.Errorf("%s: %q, want %q", name, c[0], c[1])
		}
	}
}

func TestLostPulseAudioEndsRun(t *testing.T) {
	r, fake, _ := newSourceRig(t, sourceFFmpeg, streaming)
	conn := testkit.Dial(t, r.players.URL)
	done, _ := r.start(t)
	hear(t, conn, 1000)
	close(fake.done)
	var fault *service.Fault
	if err := <-done; !errors.As(err, &fault) || fault.Kind != service.Absent {
		t.Errorf("Run ended with %v", err)
	}
	r.waitRunning(t, false)
}

func TestPublisherTakesOverAndOwnFFmpegWaits(t *testing.T) {
	r, _, _ := newSourceRig(t, sourceAuto, streaming)
	r.start(t)
	conn := testkit.Dial(t, r.players.URL)
	hear(t, conn, 1000)
	air, _ := r.onAir(t)
	write(t, air, tsStream(1))
	r.waitRunning(t, false)
	if r.Report().(*Report).Publisher == nil {
		t.Error("no publisher is reported")
	}
	air.Close()
	testkit.Eventually(t, 10*time.Second, "publisher left", func() bool { return r.Report().(*Report).Publisher == nil })
	if wait := r.publishers.wait(); wait <= publisherGrace/2 {
		t.Errorf("our own ffmpeg waits only %v for the publisher to come back", wait)
	}
	if r.running.Load() != nil {
		t.Error("our own ffmpeg runs at once")
	}
	r.publishers.mu.Lock()
	r.publishers.left = time.Now().Add(-publisherGrace)
	r.publishers.mu.Unlock()
	r.nudge()
	r.waitRunning(t, true)
	hear(t, conn, 1000)
}

func TestPublisherNeedsNoPulseAudio(t *testing.T) {
	r, _, _ := newSourceRig(t, sourceAuto, streaming)
	r.dial = func(context.Context) (soundServer, error) { return nil, errors.New("no socket") }
	var fault *service.Fault
	if err := r.Run(t.Context(), func() {}); !errors.As(err, &fault) {
		t.Fatalf("Run ended with %v", err)
	}
	air, _ := r.onAir(t)
	write(t, air, tsStream(1))
	select {
	case <-fault.Retry: // the next Run comes at once
	case <-time.After(10 * time.Second):
		t.Fatal("a publisher does not end the wait for PulseAudio")
	}
	r.start(t)
}

func TestTailIsBounded(t *testing.T) {
	var tl tail
	for range 1000 {
		_, _ = fmt.Fprintf(&tl, "%s\r", strings.Repeat("x", 99))
	}
	_, _ = tl.Write([]byte("last\xff word\n"))
	if len(tl.buf) > tailBytes || tl.lastLine() != "last? word" {
		t.Errorf("%d bytes, the last line is %q", len(tl.buf), tl.lastLine())
	}
}
