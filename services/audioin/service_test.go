package audioin

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/GehirnInc/crypt"
	"github.com/coder/websocket"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/metrics"
	"ghostaux/pkg/pulse"
	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
)

var sinksAndSources = []string{"sinks", "sources"}

func TestMicrophoneIsMadeOnceAndRemoved(t *testing.T) {
	r := newRig(t)
	if got, want := r.names(t, "sources"), []string{"out.monitor", sinkName + ".monitor", sourceName}; !slices.Equal(got, want) {
		t.Errorf("sources %v, want %v", got, want)
	}
	if got := r.pulse.Pactl(t, "get-default-source"); got != sourceName {
		t.Errorf("default source %s", got)
	}
	if got := r.pulse.Pactl(t, "get-default-sink"); got != "out" {
		t.Errorf("default sink %s", got)
	}
	list := r.pulse.Pactl(t, "list", "sources")
	if !strings.Contains(list, "Description: Browser microphone\n") {
		t.Errorf("no description for people:\n%s", list)
	}

	// A second one, as after a crash, takes over what is there.
	other, err := New(testConfig(r.pulse.Server), testkit.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- other.Run(ctx, func() { close(ready) }) }()
	<-ready
	for _, kind := range sinksAndSources {
		if got := r.names(t, kind); len(got) != len(slices.Compact(slices.Sorted(slices.Values(got)))) || strings.Contains(strings.Join(got, " "), ".2") {
			t.Errorf("twice: %v", got)
		}
	}
	r.stop()
	testkit.Eventually(t, limit, "the second service makes its microphone again", func() bool {
		return slices.Contains(r.names(t, "sources"), sourceName) && r.pulse.Pactl(t, "get-default-source") == sourceName
	})
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if got := r.names(t, "sources"); !slices.Equal(got, []string{"out.monitor"}) {
		t.Errorf("left behind: %v", got)
	}
}

// TestForeignMicrophoneStays: what an administrator made under our names is used and not removed.
func TestForeignMicrophoneStays(t *testing.T) {
	r := newRig(t,
		"module-null-sink sink_name=out norewinds=1",
		"module-null-sink sink_name="+sinkName+" norewinds=1",
		"module-remap-source source_name="+sourceName+" master="+sinkName+".monitor")
	r.speak(t, 1000, 0.5, "44100", 44100)
	rec := r.pulse.Record(t, sourceName, 48000)
	testkit.Eventually(t, limit, "the tone is heard", func() bool {
		return testkit.Level(rec.Next(t, 200*time.Millisecond), 48000, 1000) > 0.4
	})
	r.stop()
	if !slices.Contains(r.names(t, "sources"), sourceName) {
		t.Error("the administrator's microphone was removed")
	}
}

// TestMicrophoneIsMadeAgain: whoever unloads it, and however the default sink goes.
func TestMicrophoneIsMadeAgain(t *testing.T) {
	r := newRig(t)
	peer := r.speak(t, 1000, 0.5, "48000", 48000)
	defer peer.stop()
	for _, module := range []string{"module-remap-source", "module-null-sink"} { // the second takes the desktop's sink too
		_ = r.pulse.Pactl(t, "unload-module", module)
		testkit.Eventually(t, limit, "the microphone is back", func() bool {
			return slices.Contains(r.names(t, "sources"), sourceName) && r.pulse.Pactl(t, "get-default-source") == sourceName
		})
	}
	testkit.Eventually(t, limit, "applications do not play into the microphone", func() bool {
		return r.pulse.Pactl(t, "get-default-sink") == pulse.OutputSink
	})
	rec := r.pulse.Record(t, sourceName, 48000)
	testkit.Eventually(t, limit, "the same socket is heard again", func() bool {
		return testkit.Level(rec.Next(t, 200*time.Millisecond), 48000, 1000) > 0.4
	})
}

// TestPulseRestart: the same socket goes on when PulseAudio comes back; one that comes meanwhile is told to try again.
func TestPulseRestart(t *testing.T) {
	r := newRig(t)
	peer := r.speak(t, 1000, 0.5, "48000", 48000)
	defer peer.stop()
	r.pulse.Kill()
	testkit.Eventually(t, limit, "the loss is noticed", func() bool { return r.svc.Report().(Report).Source == "" })
	if code := closeOf(t, testkit.Dial(t, r.url+"/")); code != websocket.StatusTryAgainLater {
		t.Errorf("without PulseAudio: closed with %d, want 1013", code)
	}
	r.pulse.Start(t)
	testkit.Eventually(t, limit, "the microphone is back", func() bool { return slices.Contains(r.names(t, "sources"), sourceName) })
	rec := r.pulse.Record(t, sourceName, 48000)
	testkit.Eventually(t, limit, "the same socket is heard again", func() bool {
		return testkit.Level(rec.Next(t, 200*time.Millisecond), 48000, 1000) > 0.4
	})
}

// TestPulseStaysAway: a peer does not wait for ever.
func TestPulseStaysAway(t *testing.T) {
	r := newRig(t)
	r.svc.grace = 200 * time.Millisecond
	conn := testkit.Dial(t, r.url+"/")
	r.pulse.Kill()
	if code := closeOf(t, conn); code != websocket.StatusTryAgainLater {
		t.Errorf("closed with %d, want 1013", code)
	}
}

func TestNoPulseIsAbsent(t *testing.T) {
	svc, err := New(testConfig("unix:/nonexistent/native"), testkit.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	fault, ok := errors.AsType[*service.Fault](svc.Run(t.Context(), func() {}))
	if !ok || fault.Kind != service.Absent || !strings.Contains(fault.Advice, "/nonexistent/native") {
		t.Errorf("fault: %+v", fault)
	}
	if f := svc.Check(t.Context()); len(f) != 1 || f[0].OK || f[0].Advice == "" {
		t.Errorf("check: %+v", f)
	}
}

func TestRefusals(t *testing.T) {
	r := newRig(t)
	for path, want := range map[string]int{"/?sample_rate=1": 400, "/?sample_rate=pi": 400} {
		_, resp, err := testkit.TryDial(t, r.url+path, testkit.Token)
		if err == nil || resp == nil || resp.StatusCode != want {
			t.Errorf("%s: %v, want %d before the upgrade", path, resp, want)
		}
	}
	if _, resp, err := testkit.TryDial(t, r.url+"/", "kasm_user:wrong"); err == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("wrong password: %v", resp)
	}

	conn := testkit.Dial(t, r.url+"/any/path")
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if code := closeOf(t, conn); code != websocket.StatusUnsupportedData {
		t.Errorf("text: closed with %d, want 1003", code)
	}
	conn = testkit.Dial(t, r.url+"/")
	_ = conn.Write(t.Context(), websocket.MessageBinary, make([]byte, maxMessage+1))
	if code := closeOf(t, conn); code != websocket.StatusMessageTooBig {
		t.Errorf("1 MiB and a byte: closed with %d, want 1009", code)
	}
	conn = testkit.Dial(t, r.url+"/")
	if err := conn.Write(t.Context(), websocket.MessageBinary, make([]byte, maxMessage)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(readAll(t, conn)); err != nil {
		t.Errorf("after 1 MiB: %v, want the socket open", err)
	}
}

// readAll reads in the background, so that pongs are seen, and returns a context for the meantime.
func readAll(t *testing.T, conn *websocket.Conn) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return conn.CloseRead(ctx)
}

func TestViewerMayNotSpeak(t *testing.T) {
	hash, err := crypt.New(crypt.SHA256).Generate([]byte("secret"), []byte("$5$salt"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kasmpasswd")
	if err := os.WriteFile(file, []byte("looker:"+hash+":r\nowner:"+hash+":wo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := testkit.Env(t)
	if env.Auth, err = auth.New(auth.Config{Kasmpasswd: file}, env.Log, metrics.New()); err != nil {
		t.Fatal(err)
	}
	svc, err := New(testConfig(""), env)
	if err != nil {
		t.Fatal(err)
	}
	url := testkit.Serve(t, svc.Endpoints()[0]).URL
	if _, resp, err := testkit.TryDial(t, url, "looker:secret"); err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer: %v, want 403", resp)
	}
	conn, resp, err := testkit.TryDial(t, url, "owner:secret")
	if err != nil {
		t.Fatalf("an owner: %v, %v", err, resp)
	}
	if code := closeOf(t, conn); code != websocket.StatusTryAgainLater { // let in, but there is no PulseAudio
		t.Errorf("an owner: closed with %d", code)
	}
}

func TestTooManyMicrophones(t *testing.T) {
	r := newRig(t)
	r.svc.config.MaxPeers = 2
	for range 2 {
		testkit.Dial(t, r.url+"/")
	}
	testkit.Eventually(t, limit, "two are on", func() bool { return len(r.svc.Report().(Report).Peers) == 2 })
	if code := closeOf(t, testkit.Dial(t, r.url+"/")); code != websocket.StatusTryAgainLater {
		t.Errorf("closed with %d, want 1013", code)
	}
}

// TestSeveralAreMixed: both are heard.
func TestSeveralAreMixed(t *testing.T) {
	r := newRig(t)
	r.speak(t, 400, 0.4, "44100", 44100)
	r.speak(t, 900, 0.4, "16000", 16000)
	rec := r.pulse.Record(t, "", 48000) // the default source
	testkit.Eventually(t, limit, "both tones are heard", func() bool {
		sound := rec.Next(t, 300*time.Millisecond)
		return testkit.Level(sound, 48000, 400) > 0.3 && testkit.Level(sound, 48000, 900) > 0.3
	})
}

// TestSuspendedSink: what is said while PulseAudio plays nothing does not pile up, and the delay afterwards is what it was.
func TestSuspendedSink(t *testing.T) {
	r := newRig(t)
	r.speak(t, 1000, 0.5, "48000", 48000)
	rec := r.pulse.Record(t, sourceName, 48000)
	heard := func() bool { return testkit.Level(rec.Next(t, 300*time.Millisecond), 48000, 1000) > 0.48 }
	testkit.Eventually(t, limit, "the tone is heard", heard)
	report := func() PeerReport { return r.svc.Report().(Report).Peers[0] }
	before := report()
	_ = r.pulse.Pactl(t, "suspend-sink", sinkName, "1")
	testkit.Eventually(t, limit, "what is said meanwhile is dropped", func() bool { return report().OverflowMS > before.OverflowMS+500 })
	_ = r.pulse.Pactl(t, "suspend-sink", sinkName, "0")
	testkit.Eventually(t, limit, "the tone is heard again", heard)
	if d := report().DelayMS; d > 500 {
		t.Errorf("%v ms wait now", d)
	}
}

// TestRemainderShiftsNothing: a length that is no multiple of four costs its remainder and no more.
func TestRemainderShiftsNothing(t *testing.T) {
	r := newRig(t)
	conn := testkit.Dial(t, r.url+"/?sample_rate=48000")
	for _, msg := range [][]byte{{1}, {1, 2, 3}, append(testkit.Sine(1000, 0.5, 48000, 0, 48), 0xff, 0xff)} {
		if err := conn.Write(t.Context(), websocket.MessageBinary, msg); err != nil {
			t.Fatal(err)
		}
	}
	stop := say(t, conn, 1000, 0.5, 48000)
	defer stop()
	rec := r.pulse.Record(t, sourceName, 48000)
	testkit.Eventually(t, limit, "a clean tone is heard", func() bool {
		sound := rec.Next(t, 300*time.Millisecond)
		l := testkit.Level(sound, 48000, 1000)
		return l > 0.48 && l < 0.52 && testkit.Loudest(sound) < 0.55
	})
}

func TestSilenceAfterClose(t *testing.T) {
	r := newRig(t)
	peer := r.speak(t, 1000, 0.5, "48000", 48000)
	rec := r.pulse.Record(t, sourceName, 48000)
	testkit.Eventually(t, limit, "the tone is heard", func() bool { return testkit.RMS(rec.Next(t, 100*time.Millisecond)) > 0.3 })
	peer.stop()
	_ = peer.conn.Close(websocket.StatusNormalClosure, "")
	testkit.Eventually(t, limit, "nothing at all is heard", func() bool { return testkit.Loudest(rec.Next(t, 100*time.Millisecond)) == 0 })
	rec.Stop()
	testkit.Eventually(t, limit, "no stream is left and the source rests", func() bool {
		return r.pulse.Pactl(t, "list", "short", "sink-inputs") == "" &&
			!runs(r.pulse.Pactl(t, "list", "short", "sources"))
	})
}

// runs reports whether the microphone is being recorded. The monitor that it stands on keeps running until PulseAudio's
// module-suspend-on-idle suspends both.
func runs(sources string) bool {
	for line := range strings.Lines(sources) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); f[1] == sourceName {
			return f[len(f)-1] == "RUNNING"
		}
	}
	return true
}

// TestChurn: fifty peers come and go while the service is up, a part of them without a word.
func TestChurn(t *testing.T) {
	r := newRig(t)
	for range 5 {
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				conn, _, err := testkit.TryDial(t, r.url+"/", testkit.Token)
				if err != nil {
					t.Error(err)
					return
				}
				_ = conn.Write(t.Context(), websocket.MessageBinary, testkit.Sine(500, 0.1, 44100, 0, 2048))
				if i%2 == 0 {
					_ = conn.Close(websocket.StatusNormalClosure, "")
				} else {
					_ = conn.CloseNow()
				}
			})
		}
		all.Wait()
	}
	testkit.Eventually(t, limit, "nobody is left", func() bool {
		return len(r.svc.Report().(Report).Peers) == 0 && r.pulse.Pactl(t, "list", "short", "sink-inputs") == ""
	})
}
