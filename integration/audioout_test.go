package integration

import (
	"bytes"
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
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"

	"ghostaux/pkg/testkit"
	"ghostaux/services/audioout"
)

// playTone plays 440 Hz to the default sink until the test ends.
func playTone(t *testing.T, p *testkit.Pulse) {
	t.Helper()
	tone := filepath.Join(testkit.ShortDir(t), "tone.wav")
	sox := exec.Command("sox", "-n", "-r", "44100", "-c", "2", "-b", "16", tone, "synth", "120", "sine", "440", "vol", "0.5")
	if out, err := sox.CombinedOutput(); err != nil {
		t.Fatalf("sox: %v: %s", err, out)
	}
	runUntilEnd(t, p.Command("paplay", tone))
}

// runUntilEnd starts the program and kills it at the end of the test.
func runUntilEnd(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.Stderr = t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// startScriptFFmpeg is the line of the container's start script.
func startScriptFFmpeg(p *testkit.Pulse, ingest string) *exec.Cmd {
	return p.Command("ffmpeg", "-v", "verbose", "-f", "pulse", "-fragment_size", "2000", "-ar", "44100", "-i", "default",
		"-f", "mpegts", "-correct_ts_overflow", "0", "-codec:a", "mp2", "-b:a", "128k", "-ac", "1", "-muxdelay", "0.001",
		"http://"+ingest+"/kasmaudio")
}

// kasmProxy is what stands between a browser and the container: it serves the page, and gives requests for /audio/ the
// container's credential.
func kasmProxy(t *testing.T, g *testkit.Ghostaux) *httptest.Server {
	t.Helper()
	target := &url.URL{Scheme: "https", Host: g.Addr(t, "audioout")}
	proxy := &httputil.ReverseProxy{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.URL.Path = "/"
			r.Out.Header.Set("Authorization", testkit.Authorization(testkit.Token))
		},
	}
	mux := http.NewServeMux()
	mux.Handle("/audio/", proxy)
	script := filepath.Join(testkit.NodeModules(t), "jsmpeg-player", "build", "jsmpeg-player.min.js")
	mux.HandleFunc("/jsmpeg.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, script) })
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, listeningPage)
	})
	srv := httptest.NewTLSServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

// listeningPage plays like the Workspaces page and can tell the strongest frequency of what its speakers get.
const listeningPage = `<!doctype html><title>listen</title><canvas id=c></canvas><script src=/jsmpeg.js></script><script>
let player, analyser;
function listen() {
	player = new JSMpeg.Player('wss://' + location.host + '/audio/', {canvas: document.getElementById('c')});
	const out = player.audioOut;
	analyser = out.context.createAnalyser();
	analyser.fftSize = 16384;
	analyser.smoothingTimeConstant = 0;
	out.gain.connect(analyser);
}
function peak() {
	const bins = new Float32Array(analyser.frequencyBinCount);
	analyser.getFloatFrequencyData(bins);
	let best = 0;
	for (let i = 1; i < bins.length; i++) if (bins[i] > bins[best]) best = i;
	return bins[best] > -40 ? best * analyser.context.sampleRate / analyser.fftSize : 0;
}
</script>`

// listenInBrowser opens the page, starts the real player and waits until it plays 440 Hz.
func listenInBrowser(t *testing.T, g *testkit.Ghostaux) {
	t.Helper()
	page := kasmProxy(t, g)
	ctx := testkit.StartBrowser(t, time.Minute, nil)
	if _, err := chromedp.Run(ctx, chromedp.Navigate(page.URL)); err != nil {
		t.Fatalf("open the page: %v", err)
	}
	click := time.Now()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void]("listen()")); err != nil {
		t.Fatalf("start the player: %v", err)
	}
	var heard float64
	testkit.Eventually(t, 20*time.Second, "the page plays 440 Hz", func() bool {
		var err error
		heard, err = chromedp.Run(ctx, chromedp.Evaluate[float64]("peak()"))
		if err != nil {
			t.Fatalf("ask the page: %v", err)
		}
		return heard >= 435 && heard <= 445
	})
	t.Logf("%.1f Hz, %v after the click", heard, time.Since(click).Round(time.Millisecond))
}

func TestAudioOutOwnFFmpegInBrowser(t *testing.T) {
	p := testkit.StartPulse(t)
	playTone(t, p)
	g := testkit.StartGhostauxWith(t, testkit.Start{
		Args: []string{"--only", "audioout"}, Env: []string{"PULSE_SERVER=" + p.Server},
	})
	g.WaitState(t, "audioout", "ready")
	listenInBrowser(t, g)
}

func TestAudioOutStartScriptFFmpegInBrowser(t *testing.T) {
	p := testkit.StartPulse(t)
	playTone(t, p)
	g := testkit.StartGhostaux(t, "--only", "audioout", "--audioout-source", "ingest")
	runUntilEnd(t, startScriptFFmpeg(p, g.Addr(t, "audioout/ingest")))
	listenInBrowser(t, g)
}

// audioReport asks /status for the service's own part.
func audioReport(t *testing.T, g *testkit.Ghostaux) audioout.Report {
	t.Helper()
	var r audioout.Report
	detail := g.Status(t, "audioout").Detail
	if err := json.Unmarshal(detail, &r); err != nil {
		t.Fatalf("detail of audioout: %v: %s", err, detail)
	}
	return r
}

// readFor reads messages until it has so many bytes.
func readFor(t *testing.T, conn *websocket.Conn, n int) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got []byte
	for len(got) < n {
		_, b, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("after %d of %d bytes: %v", len(got), n, err)
		}
		got = append(got, b...)
	}
	return got
}

// probe is what ffprobe says about a stream.
func probe(t *testing.T, stream []byte) (codec string, rate, channels int) {
	t.Helper()
	cmd := exec.Command("ffprobe", "-v", "error", "-of", "json", "-show_streams", "-f", "mpegts", "-")
	cmd.Stdin = bytes.NewReader(stream)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	var found struct {
		Streams []struct {
			Codec    string `json:"codec_name"`
			Rate     string `json:"sample_rate"`
			Channels int
		}
	}
	if err := json.Unmarshal(out, &found); err != nil || len(found.Streams) != 1 {
		t.Fatalf("ffprobe said %s (%v)", out, err)
	}
	s := found.Streams[0]
	rate, _ = strconv.Atoi(s.Rate)
	return s.Codec, rate, s.Channels
}

func TestAudioOutIsMP2At44100WhateverTheServerRate(t *testing.T) {
	for _, rate := range []int{16000, 96000} {
		t.Run(strconv.Itoa(rate), func(t *testing.T) {
			p := testkit.StartPulse(t, fmt.Sprintf("module-null-sink sink_name=out rate=%d norewinds=1", rate))
			g := testkit.StartGhostauxWith(t, testkit.Start{
				Args: []string{"--only", "audioout", "--audioout-channels", "2", "--audioout-bitrate", "192k"},
				Env:  []string{"PULSE_SERVER=" + p.Server},
			})
			g.WaitState(t, "audioout", "ready")
			conn := testkit.Dial(t, g.URL(t, "audioout", "/"))
			joined := time.Now()
			readFor(t, conn, 188)
			t.Logf("first sound %v after joining", time.Since(joined).Round(time.Millisecond))
			codec, got, channels := probe(t, readFor(t, conn, 40_000))
			if codec != "mp2" || got != 44100 || channels != 2 {
				t.Errorf("%s at %d Hz, %d channels; want mp2 at 44100 Hz, 2 channels", codec, got, channels)
			}
		})
	}
}

func TestAudioOutRecordsOnlyWhileSomebodyListens(t *testing.T) {
	t.Parallel()
	p := testkit.StartPulse(t)
	g := testkit.StartGhostauxWith(t, testkit.Start{
		Args: []string{"--only", "audioout", "--audioout-source-idle", "200ms"}, Env: []string{"PULSE_SERVER=" + p.Server},
	})
	g.WaitState(t, "audioout", "ready")
	if r := audioReport(t, g); r.FFmpeg != nil {
		t.Error("ffmpeg runs with nobody listening")
	}
	conn := testkit.Dial(t, g.URL(t, "frontdoor", "/audio/"))
	readFor(t, conn, 10_000)
	r := audioReport(t, g)
	if r.FFmpeg == nil || r.FFmpeg.Source != "out.monitor" || len(r.Players) != 1 {
		t.Fatalf("report while one listens: %+v", r)
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
	testkit.Eventually(t, 10*time.Second, "ffmpeg ends", func() bool { return audioReport(t, g).FFmpeg == nil })
	if err := syscall.Kill(r.FFmpeg.PID, 0); err != syscall.ESRCH {
		t.Errorf("ffmpeg (pid %d) is still there: %v", r.FFmpeg.PID, err)
	}
}

func TestAudioOutHealsWhenPulseAudioComesBack(t *testing.T) {
	t.Parallel()
	p := testkit.StartPulse(t)
	g := testkit.StartGhostauxWith(t, testkit.Start{Args: []string{"--only", "audioout"}, Env: []string{"PULSE_SERVER=" + p.Server}})
	g.WaitState(t, "audioout", "ready")
	conn := testkit.Dial(t, g.URL(t, "audioout", "/"))
	readFor(t, conn, 10_000)
	p.Kill()
	g.WaitState(t, "audioout", "degraded")
	if s := g.Status(t, "audioout"); !strings.Contains(s.Reason, "PulseAudio") {
		t.Errorf("the reason is %q", s.Reason)
	}
	p.Start(t)
	g.WaitState(t, "audioout", "ready")
	readFor(t, conn, 100_000) // the same player; more than what was on its way
}

func TestAudioOutMakesASinkOnce(t *testing.T) {
	t.Parallel()
	p := testkit.StartPulse(t, "module-native-protocol-fd fd=0") // anything but a sink
	for range 2 {
		g := testkit.StartGhostauxWith(t, testkit.Start{Args: []string{"--only", "audioout"}, Env: []string{"PULSE_SERVER=" + p.Server}})
		g.WaitState(t, "audioout", "ready")
		readFor(t, testkit.Dial(t, g.URL(t, "audioout", "/")), 10_000)
		if code := g.Stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	if sinks := strings.Split(p.Pactl(t, "list", "short", "sinks"), "\n"); len(sinks) != 1 {
		t.Errorf("sinks: %q, want one", sinks)
	}
}

func TestAudioOutSaysWhatIsMissing(t *testing.T) {
	p := testkit.StartPulse(t)
	empty := t.TempDir()
	reasons := map[string]bool{}
	for name, c := range map[string]struct {
		start testkit.Start
		want  string
	}{
		"no PulseAudio": {testkit.Start{}, "reach PulseAudio"},
		"no ffmpeg": {testkit.Start{
			Args: []string{"--audioout-ffmpeg", filepath.Join(empty, "ffmpeg")}, Env: []string{"PULSE_SERVER=" + p.Server},
		}, "find ffmpeg"},
		"ffmpeg fails": {testkit.Start{
			Args: []string{"--audioout-ffmpeg", "/bin/false"}, Env: []string{"PULSE_SERVER=" + p.Server},
		}, "ffmpeg: exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			c.start.Args = append(c.start.Args, "--only", "audioout")
			g := testkit.StartGhostauxWith(t, c.start)
			testkit.Dial(t, g.URL(t, "audioout", "/")) // a player is taken all the same
			g.WaitState(t, "audioout", "degraded")
			s := g.Status(t, "audioout")
			if !strings.Contains(s.Reason, c.want) || s.Advice == "" {
				t.Errorf("reason %q, advice %q; want %q", s.Reason, s.Advice, c.want)
			}
			reasons[s.Reason] = true
		})
	}
	if len(reasons) != 3 {
		t.Errorf("reasons are not distinct: %v", reasons)
	}
}

func TestAudioOutPublisherComesFirst(t *testing.T) {
	t.Parallel()
	p := testkit.StartPulse(t)
	g := testkit.StartGhostauxWith(t, testkit.Start{Args: []string{"--only", "audioout"}, Env: []string{"PULSE_SERVER=" + p.Server}})
	g.WaitState(t, "audioout", "ready")
	conn := testkit.Dial(t, g.URL(t, "audioout", "/"))
	readFor(t, conn, 5_000)
	publisher := startScriptFFmpeg(p, g.Addr(t, "audioout/ingest"))
	if err := publisher.Start(); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 10*time.Second, "our own ffmpeg gives way", func() bool {
		r := audioReport(t, g)
		return r.Publisher != nil && r.FFmpeg == nil
	})
	readFor(t, conn, 50_000)
	if r := audioReport(t, g); r.Publisher == nil || r.FFmpeg != nil {
		t.Errorf("they fight: %+v", r)
	}
	_ = publisher.Process.Kill()
	_ = publisher.Wait()
	testkit.Eventually(t, 20*time.Second, "our own ffmpeg takes over", func() bool { return audioReport(t, g).FFmpeg != nil })
	readFor(t, conn, 50_000)
}

func TestAudioOutStopsWithPlayers(t *testing.T) {
	p := testkit.StartPulse(t)
	g := testkit.StartGhostauxWith(t, testkit.Start{Args: []string{"--only", "audioout"}, Env: []string{"PULSE_SERVER=" + p.Server}})
	g.WaitState(t, "audioout", "ready")
	var conns []*websocket.Conn
	for range 5 {
		conns = append(conns, testkit.Dial(t, g.URL(t, "audioout", "/")))
	}
	readFor(t, conns[0], 5_000)
	pid := audioReport(t, g).FFmpeg.PID
	plain := streamTS(t, g)
	codes := make(chan websocket.StatusCode, len(conns))
	for _, c := range conns {
		go func() {
			for {
				if _, _, err := c.Read(context.Background()); err != nil {
					codes <- websocket.CloseStatus(err)
					return
				}
			}
		}()
	}
	start := time.Now()
	if code := g.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	t.Logf("stopped in %v", time.Since(start).Round(time.Millisecond))
	for range conns {
		if code := <-codes; code != websocket.StatusGoingAway {
			t.Errorf("a player was closed with %d, want 1001", code)
		}
	}
	if _, err := io.Copy(io.Discard, plain); err != nil && !strings.Contains(err.Error(), "EOF") {
		t.Logf("stream.ts ended with %v", err)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("ffmpeg (pid %d) is left: %v", pid, err)
	}
}

// streamTS opens the stream for VLC and mpv through the front door and reads its beginning.
func streamTS(t *testing.T, g *testkit.Ghostaux) io.Reader {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, g.URL(t, "frontdoor", "/audio/stream.ts"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", testkit.Authorization(testkit.Token))
	resp, err := testkit.Client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	first := make([]byte, 20_000)
	if _, err := io.ReadFull(resp.Body, first); err != nil {
		t.Fatalf("stream.ts: %s: %v", resp.Status, err)
	}
	if codec, rate, channels := probe(t, first); codec != "mp2" || rate != 44100 || channels != 1 {
		t.Errorf("stream.ts is %s, %d Hz, %d channels", codec, rate, channels)
	}
	return resp.Body
}
