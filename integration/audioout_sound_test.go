package integration

import (
	"bytes"
	"encoding/binary"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// TestAudioOutStereo: what plays on the left is heard on the left.
func TestAudioOutStereo(t *testing.T) {
	t.Parallel()
	p := testkit.StartPulse(t)
	const left, right = 440, 660
	tone := filepath.Join(testkit.ShortDir(t), "stereo.wav")
	sox := exec.Command("sox", "-n", "-r", "44100", "-c", "2", "-b", "16", tone, "synth", "60", "sine", "440", "sine", "660", "vol", "0.5")
	if out, err := sox.CombinedOutput(); err != nil {
		t.Fatalf("sox: %v: %s", err, out)
	}
	runUntilEnd(t, p.Command("paplay", tone))
	g := testkit.StartGhostauxWith(t, testkit.Start{
		Args: []string{"--only", "audioout", "--audioout-channels", "2"}, Env: []string{"PULSE_SERVER=" + p.Server},
	})
	g.WaitState(t, "audioout", "ready")
	heard := decodeStereo(t, readFor(t, testkit.Dial(t, g.URL(t, "audioout", "/")), 60_000))
	for i, want := range []float64{left, right} {
		other := left + right - want
		sound := heard[i][len(heard[i])/2:] // the first of it is from before the tone, or from ffmpeg's start
		if at := testkit.Peak(sound, 44100, 400, 700); at < int(want)-5 || at > int(want)+5 {
			t.Errorf("channel %d plays %d Hz, want %.0f", i, at, want)
		}
		if wanted, leaked := testkit.Level(sound, 44100, want), testkit.Level(sound, 44100, other); leaked > wanted/10 {
			t.Errorf("channel %d has the other one's tone at %.3f beside its own at %.3f", i, leaked, wanted)
		}
	}
}

func decodeStereo(t *testing.T, stream []byte) (channels [2][]float32) {
	t.Helper()
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", "mpegts", "-i", "-", "-f", "s16le", "-ac", "2", "-ar", "44100", "-")
	cmd.Stdin = bytes.NewReader(stream)
	pcm, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v", err)
	}
	for i := 0; i+4 <= len(pcm); i += 4 {
		for c := range channels {
			v := int16(binary.LittleEndian.Uint16(pcm[i+2*c:]))
			channels[c] = append(channels[c], float32(v)/(1<<15))
		}
	}
	return channels
}

// TestAudioOutKeepsNoBacklog: after ten seconds of silence, a click is heard at once. A backlog would delay every click, a
// busy machine delays some.
func TestAudioOutKeepsNoBacklog(t *testing.T) {
	t.Parallel()
	p := testkit.StartPulse(t)
	click := filepath.Join(testkit.ShortDir(t), "click.wav")
	sox := exec.Command("sox", "-n", "-r", "44100", "-c", "2", "-b", "16", click, "synth", "0.1", "sine", "1000", "vol", "0.8")
	if out, err := sox.CombinedOutput(); err != nil {
		t.Fatalf("sox: %v: %s", err, out)
	}
	g := testkit.StartGhostauxWith(t, testkit.Start{Args: []string{"--only", "audioout"}, Env: []string{"PULSE_SERVER=" + p.Server}})
	g.WaitState(t, "audioout", "ready")
	player := listen(t, testkit.Dial(t, g.URL(t, "audioout", "/")))
	if silence := player.Next(t, 10*time.Second); testkit.Loudest(silence) > 0.01 {
		t.Fatalf("the silence has %.3f", testkit.Loudest(silence))
	}
	testkit.Eventually(t, 30*time.Second, "a click is heard within 300 ms", func() bool {
		from, at := player.Len(), time.Now()
		if out, err := p.Command("paplay", "--latency-msec=10", click).CombinedOutput(); err != nil {
			t.Fatalf("paplay: %v: %s", err, out)
		}
		delay := -1 * time.Second
		for i, v := range player.From(from) {
			if v > 0.1 {
				delay = player.When(from + i).Sub(at)
				break
			}
		}
		t.Logf("heard after %v", delay.Round(time.Millisecond))
		return delay > 0 && delay < 300*time.Millisecond
	})
}
