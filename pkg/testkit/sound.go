package testkit

import (
	"encoding/binary"
	"io"
	"math"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Recorder is a program that records a source of PulseAudio, as applications do: float32, mono.
type Recorder struct {
	Rate int // samples/s
	cmd  *exec.Cmd
	done chan struct{}

	mu      sync.Mutex // guards the following fields
	samples []float32
	times   []time.Time // when each of reads came
	ends    []int       // and how many samples there were then
}

// Record records the source until the test ends. An empty name is the default source. It returns when sound comes in.
func (p *Pulse) Record(t testing.TB, source string, rate int) *Recorder {
	t.Helper()
	args := []string{"--format=float32le", "--rate=" + strconv.Itoa(rate), "--channels=1", "--latency-msec=10", "--client-name=recorder"}
	if source != "" {
		args = append(args, "--device="+source)
	}
	r := &Recorder{Rate: rate, cmd: p.Command("parec", args...), done: make(chan struct{})}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatalf("start parec: %v", err)
	}
	go r.follow(out)
	t.Cleanup(r.Stop)
	Eventually(t, 10*time.Second, "parec hears "+source, func() bool { return r.Len() > 0 })
	return r
}

// Decode is what a player of an MPEG transport stream hears. It returns at once; the recording ends with the test, and the
// stream must end or fail by itself then.
func Decode(t testing.TB, stream io.Reader) *Recorder {
	t.Helper()
	const rate = 44100
	r := &Recorder{Rate: rate, done: make(chan struct{}), cmd: exec.Command("ffmpeg", "-v", "error", "-fflags", "nobuffer",
		"-probesize", "4096", "-f", "mpegts", "-i", "-", "-f", "f32le", "-ac", "1", "-ar", strconv.Itoa(rate), "-flush_packets", "1", "-")}
	r.cmd.Stderr = t.Output()
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := r.cmd.StdinPipe() // not Stdin, whose end Wait would wait for
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatalf("start ffmpeg: %v", err)
	}
	go func() {
		_, _ = io.Copy(in, stream)
		_ = in.Close()
	}()
	go r.follow(out)
	t.Cleanup(r.Stop)
	return r
}

func (r *Recorder) follow(out io.Reader) {
	defer close(r.done)
	buf, have := make([]byte, 64<<10), 0
	for {
		n, err := out.Read(buf[have:])
		have += n
		r.mu.Lock()
		for i := 0; i+4 <= have; i += 4 {
			r.samples = append(r.samples, math.Float32frombits(binary.LittleEndian.Uint32(buf[i:])))
		}
		r.times, r.ends = append(r.times, time.Now()), append(r.ends, len(r.samples))
		r.mu.Unlock()
		have = copy(buf, buf[have&^3:have])
		if err != nil {
			return
		}
	}
}

// Stop ends the recording.
func (r *Recorder) Stop() {
	_ = r.cmd.Process.Kill()
	<-r.done
	_ = r.cmd.Wait()
}

// Len is the number of samples recorded so far.
func (r *Recorder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.samples)
}

// From is what was recorded from the given sample on.
func (r *Recorder) From(start int) []float32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]float32(nil), r.samples[start:]...)
}

// Next waits for the next so much sound and returns it.
func (r *Recorder) Next(t testing.TB, d time.Duration) []float32 {
	t.Helper()
	start, n := r.Len(), int(d.Seconds()*float64(r.Rate))
	Eventually(t, d+20*time.Second, "the recording goes on", func() bool { return r.Len() >= start+n })
	return r.From(start)[:n]
}

// When is the time at which the sample came in.
func (r *Recorder) When(sample int) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, end := range r.ends {
		if end > sample {
			return r.times[i]
		}
	}
	return time.Time{}
}

// Level is the amplitude of the sound at the frequency, 1 for a full sine. It looks at a width of some 4/seconds Hz.
func Level(samples []float32, rate int, hz float64) float64 {
	var re, im, sum float64
	for i, v := range samples {
		w := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(len(samples))) // Hann
		s, c := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		re, im, sum = re+w*float64(v)*c, im+w*float64(v)*s, sum+w
	}
	return 2 * math.Hypot(re, im) / sum
}

// Peak is the frequency, to one Hz, at which the sound is loudest from lo to hi.
func Peak(samples []float32, rate, lo, hi int) int {
	best, at := -1.0, 0
	for hz := lo; hz <= hi; hz++ {
		if l := Level(samples, rate, float64(hz)); l > best {
			best, at = l, hz
		}
	}
	return at
}

// RMS is the root of the mean square of the sound.
func RMS(samples []float32) float64 {
	var sum float64
	for _, v := range samples {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(max(len(samples), 1)))
}

// Loudest is the largest absolute sample.
func Loudest(samples []float32) float64 {
	var loudest float64
	for _, v := range samples {
		loudest = max(loudest, math.Abs(float64(v)))
	}
	return loudest
}

// Sine is a tone of the amplitude, as float32 little endian samples from the given one on.
func Sine(hz, amplitude float64, rate, start, n int) []byte {
	b := make([]byte, 0, 4*n)
	for i := start; i < start+n; i++ {
		v := amplitude * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
	}
	return b
}
