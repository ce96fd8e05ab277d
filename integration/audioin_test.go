package integration

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"

	"ghostaux/pkg/testkit"
	"ghostaux/services/audioin"
)

// microphoneRate is the rate at which tests record the microphone.
const microphoneRate = 48000

// startAudioIn runs the binary with the microphone service alone, on the PulseAudio, and waits until it is ready.
func startAudioIn(t testing.TB, p *testkit.Pulse, args ...string) *testkit.Ghostaux {
	t.Helper()
	g := testkit.StartGhostauxWith(t, testkit.Start{
		Args: append([]string{"--only", "audioin"}, args...),
		Env:  []string{"PULSE_SERVER=" + p.Server},
	})
	g.WaitState(t, "audioin", "ready")
	return g
}

func microphoneReport(t testing.TB, g *testkit.Ghostaux) audioin.Report {
	t.Helper()
	var r audioin.Report
	if err := json.Unmarshal(g.Status(t, "audioin").Detail, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// speakTone sends a tone of 1 kHz, in messages of 2048 samples at their pace, until it is stopped.
func speakTone(t testing.TB, conn *websocket.Conn, rate int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	stopPace := pace(t, 2048*time.Second/time.Duration(rate), func() bool {
		msg := testkit.Sine(1000, 0.9, rate, n, 2048)
		n += 2048
		return conn.Write(ctx, websocket.MessageBinary, msg) == nil
	})
	return func() {
		cancel()
		stopPace()
	}
}

func hears(t *testing.T, rec *testkit.Recorder, hz float64) bool {
	t.Helper()
	return testkit.Level(rec.Next(t, 200*time.Millisecond), rec.Rate, hz) > 0.3
}

// soundTime is for how long there is sound.
func soundTime(samples []float32, rate int) time.Duration {
	window, n := rate/200, 0
	for i := 0; i+window <= len(samples); i += window {
		if testkit.RMS(samples[i:i+window]) > 0.02 {
			n += window
		}
	}
	return time.Duration(n) * time.Second / time.Duration(rate)
}

// speakingPage takes the microphone and sends it as the Workspaces page does, with a ScriptProcessor, or in the newer
// way, with an AudioWorklet.
const speakingPage = `<!doctype html><title>speak</title><script>
const worklet = 'registerProcessor("tap", class extends AudioWorkletProcessor {' +
	'process(inputs) { if (inputs[0][0]) this.port.postMessage(inputs[0][0].slice()); return true; } });';
async function speak(mode, rate, seconds) {
	const stream = await navigator.mediaDevices.getUserMedia({audio: {echoCancellation: false, noiseSuppression: false, autoGainControl: false}});
	const context = new AudioContext({sampleRate: rate});
	const socket = new WebSocket('wss://' + location.host + '/audio_input/?sample_rate=' + context.sampleRate);
	socket.binaryType = 'arraybuffer';
	await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onclose = e => reject(new Error('closed ' + e.code)); });
	const source = context.createMediaStreamSource(stream);
	let frames = 0, done;
	const finished = new Promise(resolve => done = resolve);
	const send = samples => {
		if (frames >= rate * seconds) return done();
		frames += samples.length;
		socket.send(samples);
	};
	let node;
	if (mode === 'worklet') {
		await context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], {type: 'text/javascript'})));
		node = new AudioWorkletNode(context, 'tap');
		node.port.onmessage = e => send(e.data);
	} else {
		node = context.createScriptProcessor(2048, 1, 1);
		node.onaudioprocess = e => send(new Float32Array(e.inputBuffer.getChannelData(0)));
	}
	source.connect(node);
	node.connect(context.destination);
	await finished;
	socket.onclose = null;
	socket.close();
	node.disconnect();
	stream.getTracks().forEach(t => t.stop());
	await context.close();
	return frames;
}
</script>`

// microphoneProxy serves the page and gives its microphone the container's credential, as Kasm's proxy does.
func microphoneProxy(t *testing.T, g *testkit.Ghostaux) string {
	t.Helper()
	target := &url.URL{Scheme: "https", Host: g.Addr(t, "audioin")}
	mux := http.NewServeMux()
	mux.Handle("/audio_input/", &httputil.ReverseProxy{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.URL.Path = "/"
			r.Out.Header.Set("Authorization", testkit.Authorization(testkit.Token))
		},
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, speakingPage)
	})
	srv := httptest.NewTLSServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestAudioInFromBrowser: a browser's microphone, which hears 1 kHz, in both ways and at both rates, as an application
// hears it.
func TestAudioInFromBrowser(t *testing.T) {
	tone := filepath.Join(testkit.ShortDir(t), "tone.wav")
	sox := exec.Command("sox", "-n", "-r", "48000", "-c", "1", "-b", "16", tone, "synth", "120", "sine", "1000", "vol", "0.9")
	if out, err := sox.CombinedOutput(); err != nil {
		t.Fatalf("sox: %v: %s", err, out)
	}
	p := testkit.StartPulse(t)
	g := startAudioIn(t, p, "--audioin-latency", "200ms", "--audioin-max-queue", "1s") // a busy machine is forgiven
	rec := p.Record(t, "", microphoneRate)                                             // the default source, which is what applications take
	ctx := testkit.StartBrowser(t, 100*time.Second, map[string]any{
		"use-fake-device-for-media-stream": true, "use-fake-ui-for-media-stream": true, "use-file-for-fake-audio-capture": tone,
	})
	if _, err := chromedp.Run(ctx, chromedp.Navigate(microphoneProxy(t, g))); err != nil {
		t.Fatalf("open the page: %v", err)
	}
	const seconds = 3
	for _, mode := range []string{"script", "worklet"} {
		for _, rate := range []int{44100, 48000} {
			start := rec.Len()
			script := fmt.Sprintf("speak(%q, %d, %d)", mode, rate, seconds)
			frames, err := chromedp.Run(ctx, chromedp.Evaluate[int](script, chromedp.EvalAwaitPromise))
			if err != nil {
				t.Fatalf("%s: %v", script, err)
			}
			_ = rec.Next(t, time.Second)
			sound := rec.From(start)
			clean, level := cleanest(sound, rec.Rate, 1000)
			length, peak := soundTime(sound, rec.Rate), testkit.Peak(clean, rec.Rate, 900, 1100)
			t.Logf("%s, %d: %d frames sent; %v of sound, %d Hz at %.2f, loudest %.2f", mode, rate, frames, length, peak, level, testkit.Loudest(sound))
			if peak < 997 || peak > 1003 || level < 0.8 || level > 0.92 {
				t.Errorf("%s, %d: %d Hz at %.2f, want 1000 Hz at 0.9", mode, rate, peak, level)
			}
			// The browser itself has gaps on a busy machine. At the wrong rate, pitch and length would be a tenth off.
			if length < seconds*time.Second/2 || length > (seconds*1000+250)*time.Millisecond {
				t.Errorf("%s, %d: %v of sound, want %d s", mode, rate, length, seconds)
			}
			if loudest := testkit.Loudest(clean); loudest > 0.95 {
				t.Errorf("%s, %d: clipped at %.2f", mode, rate, loudest)
			}
		}
	}
}

// cleanest is the half second in which a frequency is strongest, and how strong.
func cleanest(samples []float32, rate int, hz float64) (best []float32, level float64) {
	for i := 0; i+rate/2 <= len(samples); i += rate / 10 {
		part := samples[i : i+rate/2]
		if l := testkit.Level(part, rate, hz); l > level {
			best, level = part, l
		}
	}
	return best, level
}

// TestAudioInLeavesTheDesktopAlone: with PulseAudio as images have it, where a null sink comes and goes by itself. Who
// records the desktop through the default source goes on hearing it, and nothing of the microphone.
func TestAudioInLeavesTheDesktopAlone(t *testing.T) {
	for name, modules := range map[string][]string{"stock": {"module-always-sink"}, "sink": nil} {
		t.Run(name, func(t *testing.T) {
			p := testkit.StartPulse(t, modules...)
			playTone(t, p)
			desktop := p.Record(t, "", 44100)
			testkit.Eventually(t, 10*time.Second, "the tone is heard", func() bool { return hears(t, desktop, 440) })
			start := desktop.Len()

			g := startAudioIn(t, p)
			if got := p.Pactl(t, "get-default-source"); got != "ghostaux_mic" {
				t.Errorf("default source %s", got)
			}
			conn := testkit.Dial(t, g.URL(t, "audioin", "/?sample_rate=44100"))
			stop := speakTone(t, conn, 44100)
			mic := p.Record(t, "", microphoneRate)
			testkit.Eventually(t, 10*time.Second, "the microphone is heard", func() bool { return hears(t, mic, 1000) })
			both := desktop.Next(t, time.Second)
			stop()
			_ = conn.Close(websocket.StatusNormalClosure, "")
			_ = desktop.Next(t, 500*time.Millisecond)
			if own, foreign := testkit.Level(both, 44100, 440), testkit.Level(both, 44100, 1000); own < 0.3 || foreign > 0.001 {
				t.Errorf("the desktop has 440 Hz at %.3f and the microphone's 1000 Hz at %.5f", own, foreign)
			}
			if l := testkit.Level(mic.Next(t, 300*time.Millisecond), microphoneRate, 440); l > 0.001 {
				t.Errorf("the microphone hears the desktop at %.5f", l)
			}
			if code := g.Stop(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
			_ = desktop.Next(t, 500*time.Millisecond)
			sound := desktop.From(start)
			whole := time.Duration(len(sound)) * time.Second / 44100
			gaps := whole - soundTime(sound, 44100)
			t.Logf("gaps of %v in %v of the desktop's sound", gaps, whole)
			if gaps > 300*time.Millisecond {
				t.Errorf("gaps of %v in the desktop's sound", gaps)
			}
		})
	}
}

// TestAudioInSendsPublishersBack: the start script's ffmpeg asks for the default source, also after the microphone has
// become it.
func TestAudioInSendsPublishersBack(t *testing.T) {
	p := testkit.StartPulse(t)
	startAudioIn(t, p)
	ingest := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer ingest.Close()
	defer ingest.CloseClientConnections()
	ffmpeg := startScriptFFmpeg(p, strings.TrimPrefix(ingest.URL, "http://"))
	runUntilEnd(t, ffmpeg)
	testkit.Eventually(t, 15*time.Second, "ffmpeg records the desktop", func() bool {
		return recordedBy(t, p, ffmpeg.Process.Pid) == "out.monitor"
	})
}

// recordedBy is the name of the source that a process records, "" for none.
func recordedBy(t *testing.T, p *testkit.Pulse, pid int) string {
	t.Helper()
	sources := map[string]string{}
	for line := range strings.Lines(p.Pactl(t, "list", "short", "sources")) {
		f := strings.Fields(line)
		sources[f[0]] = f[1]
	}
	for block := range strings.SplitSeq(p.Pactl(t, "list", "source-outputs"), "\n\n") {
		if !strings.Contains(block, fmt.Sprintf("application.process.id = %q", strconv.Itoa(pid))) {
			continue
		}
		for line := range strings.Lines(block) {
			if index, ok := strings.CutPrefix(strings.TrimSpace(line), "Source: "); ok {
				return sources[index]
			}
		}
	}
	return ""
}

// TestAudioInCycles: 200 come and go, every fourth without a word, and nothing is left of them.
func TestAudioInCycles(t *testing.T) {
	p := testkit.StartPulse(t)
	g := startAudioIn(t, p)
	url := g.URL(t, "audioin", "/?sample_rate=44100")
	client := testkit.Client(t) // one connection: each costs ghostaux a goroutine
	goroutines := func() float64 { return metric(t, client, g.URL(t, "frontdoor", "/metrics"), "go_goroutines") }
	count := func(kind string) int { return strings.Count(p.Pactl(t, "list", "short", kind), "\n") }
	modules, clients, before := count("modules"), count("clients"), goroutines()
	message := testkit.Sine(1000, 0.5, 44100, 0, 2048)
	for i := range 200 {
		conn := testkit.Dial(t, url)
		if err := conn.Write(t.Context(), websocket.MessageBinary, message); err != nil {
			t.Fatal(err)
		}
		if i%4 == 0 {
			_ = conn.CloseNow()
		} else {
			_ = conn.Close(websocket.StatusNormalClosure, "")
		}
	}
	defer func() {
		t.Logf("goroutines %v -> %v, clients %d -> %d, modules %d -> %d", before, goroutines(), clients, count("clients"), modules, count("modules"))
	}()
	testkit.Eventually(t, 15*time.Second, "goroutines, clients and modules are as before", func() bool {
		return goroutines() <= before+2 && count("clients") == clients && count("modules") == modules
	})
	conn := testkit.Dial(t, url)
	defer speakTone(t, conn, 44100)()
	rec := p.Record(t, "", microphoneRate)
	testkit.Eventually(t, 10*time.Second, "the next one is heard", func() bool { return hears(t, rec, 1000) })
}

// metric reads one number without labels.
func metric(t *testing.T, client *http.Client, url, name string) float64 {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", testkit.Authorization(testkit.Token))
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestAudioInPulseKilled: the same socket is heard again when PulseAudio is back.
func TestAudioInPulseKilled(t *testing.T) {
	p := testkit.StartPulse(t)
	g := startAudioIn(t, p)
	conn := testkit.Dial(t, g.URL(t, "audioin", "/?sample_rate=48000"))
	defer speakTone(t, conn, 48000)()
	rec := p.Record(t, "ghostaux_mic", microphoneRate)
	testkit.Eventually(t, 10*time.Second, "it is heard", func() bool { return hears(t, rec, 1000) })
	p.Kill()
	g.WaitState(t, "audioin", "degraded")
	p.Start(t)
	back := time.Now()
	testkit.Eventually(t, 10*time.Second, "the microphone is back", func() bool {
		return strings.Contains(p.Pactl(t, "list", "short", "sources"), "ghostaux_mic\t")
	})
	rec = p.Record(t, "ghostaux_mic", microphoneRate)
	testkit.Eventually(t, 10*time.Second, "the same socket is heard again", func() bool { return hears(t, rec, 1000) })
	t.Logf("heard %v after PulseAudio was back", time.Since(back).Round(time.Millisecond))
}

// TestAudioInSilenceAfterClose: nothing is repeated, nothing is left.
func TestAudioInSilenceAfterClose(t *testing.T) {
	p := testkit.StartPulse(t)
	g := startAudioIn(t, p)
	conn := testkit.Dial(t, g.URL(t, "audioin", "/?sample_rate=48000"))
	stop := speakTone(t, conn, 48000)
	rec := p.Record(t, "ghostaux_mic", microphoneRate)
	testkit.Eventually(t, 10*time.Second, "it is heard", func() bool { return hears(t, rec, 1000) })
	stop()
	closed := rec.Len()
	_ = conn.Close(websocket.StatusNormalClosure, "")
	_ = rec.Next(t, time.Second)
	after := rec.From(closed)
	last := 0
	for i, v := range after {
		if v != 0 {
			last = i
		}
	}
	t.Logf("silent %d ms after the close", last*1000/microphoneRate)
	if last > microphoneRate/2 {
		t.Errorf("sound until %d ms after the close", last*1000/microphoneRate)
	}
	if got := p.Pactl(t, "list", "short", "sink-inputs"); got != "" {
		t.Errorf("streams left: %s", got)
	}
	if r := microphoneReport(t, g); len(r.Peers) != 0 {
		t.Errorf("peers left: %+v", r.Peers)
	}
}

// TestAudioInLargeMessage: 64 KiB at once, 341 ms, as the largest ScriptProcessor sends. A busy machine loses a part of a sound
// that comes but once; then it is said again.
func TestAudioInLargeMessage(t *testing.T) {
	p := testkit.StartPulse(t)
	g := startAudioIn(t, p, "--audioin-latency", "100ms")
	rec := p.Record(t, "ghostaux_mic", microphoneRate)
	testkit.Eventually(t, 30*time.Second, "the newest 300 ms are heard, and no more", func() bool {
		start := rec.Len()
		conn := testkit.Dial(t, g.URL(t, "audioin", "/?sample_rate=48000"))
		defer conn.CloseNow()
		if err := conn.Write(t.Context(), websocket.MessageBinary, testkit.Sine(1000, 0.5, 48000, 0, 16384)); err != nil {
			t.Fatal(err)
		}
		_ = rec.Next(t, time.Second)
		d := soundTime(rec.From(start), microphoneRate)
		t.Logf("%v of sound", d)
		return d > 280*time.Millisecond && d < 320*time.Millisecond
	})
}
