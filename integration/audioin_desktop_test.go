package integration

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/testkit"
)

// listen is a player of the desktop's sound: what comes over the WebSocket, decoded.
func listen(t *testing.T, conn *websocket.Conn) *testkit.Recorder {
	t.Helper()
	stream, into := io.Pipe()
	go func() {
		for {
			_, msg, err := conn.Read(context.Background()) // the connection ends with the test
			if err != nil {
				_ = into.CloseWithError(io.EOF)
				return
			}
			if _, err := into.Write(msg); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = stream.Close() })
	return testkit.Decode(t, stream)
}

// longestGap is the longest time without sound.
func longestGap(samples []float32, rate int) time.Duration {
	window, gap, longest := rate/200, 0, 0
	for i := 0; i+window <= len(samples); i += window {
		if gap += window; testkit.RMS(samples[i:i+window]) > 0.02 {
			gap = 0
		}
		longest = max(longest, gap)
	}
	return time.Duration(longest) * time.Second / time.Duration(rate)
}

// TestAudioInBesideAudioOut: one process gives the desktop's sound, 440 Hz, to a player and takes a microphone, 1000 Hz. The
// player never hears the microphone and the microphone's listeners never hear the desktop, whether ghostaux records the
// desktop itself or the start script's ffmpeg, which asks for the default source; also after PulseAudio was killed.
func TestAudioInBesideAudioOut(t *testing.T) {
	for name, script := range map[string]bool{"own ffmpeg": false, "start script": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testkit.StartPulse(t)
			g := testkit.StartGhostauxWith(t, testkit.Start{
				Args: []string{"--only", "audioout,audioin"}, Env: []string{"PULSE_SERVER=" + p.Server},
			})
			desktop := func() {
				playTone(t, p)
				g.WaitState(t, "audioin", "ready") // the microphone is the default source by then
				g.WaitState(t, "audioout", "ready")
				if script {
					runUntilEnd(t, startScriptFFmpeg(p, g.Addr(t, "audioout/ingest")))
				}
			}
			desktop()
			player := listen(t, testkit.Dial(t, g.URL(t, "audioout", "/")))
			heardApart(t, p, player) // before anybody speaks: the player alone
			microphone := testkit.Dial(t, g.URL(t, "audioin", "/?sample_rate=48000"))
			defer speakTone(t, microphone, 48000)()
			heardApart(t, p, player, microphone)
			if script != (audioReport(t, g).Publisher != nil) {
				t.Errorf("publisher: %+v", audioReport(t, g).Publisher)
			}
			p.Kill()
			g.WaitState(t, "audioin", "degraded")
			p.Start(t)
			desktop()
			heardApart(t, p, player, microphone) // both over the sockets that they had
		})
	}
}

// heardApart waits until the player hears the desktop, and an application the microphone when one speaks; then neither may
// hear the other's tone, which would come at half of the full amplitude (a crackle of a busy machine has a little of every tone), and
// the player no gap.
func heardApart(t *testing.T, p *testkit.Pulse, player *testkit.Recorder, speaking ...*websocket.Conn) {
	t.Helper()
	testkit.Eventually(t, 20*time.Second, "the player hears the desktop", func() bool { return hears(t, player, 440) })
	if len(speaking) > 0 {
		app := p.Record(t, "", microphoneRate)
		defer app.Stop()
		testkit.Eventually(t, 20*time.Second, "an application hears the microphone", func() bool { return hears(t, app, 1000) })
		start := app.Len()
		defer func() {
			_ = app.Next(t, 500*time.Millisecond)
			sound := app.From(start)
			if own, foreign := testkit.Level(sound, app.Rate, 1000), testkit.Level(sound, app.Rate, 440); own < 0.3 || foreign > 0.02 {
				t.Errorf("the application hears the microphone at %.3f and the desktop at %.5f", own, foreign)
			}
		}()
	}
	sound := player.Next(t, 2*time.Second)
	own, foreign, gap := testkit.Level(sound, player.Rate, 440), testkit.Level(sound, player.Rate, 1000), longestGap(sound, player.Rate)
	t.Logf("the player hears the desktop at %.3f, the microphone at %.5f, longest gap %v", own, foreign, gap)
	if own < 0.3 || foreign > 0.02 {
		t.Errorf("the player hears the desktop at %.3f and the microphone at %.5f", own, foreign)
	}
	if gap > 300*time.Millisecond { // a crackle of a busy machine is shorter; who lost the desktop hears nothing of it
		t.Errorf("the player heard nothing for %v", gap)
	}
}
