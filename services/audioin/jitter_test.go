package audioin

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

const simRate = 48000

// world is a peer and a playback stream in simulated time, which is counted in seconds of the server's clock.
type world struct {
	j       *jitter
	rate    float64        // samples/s
	chunk   int            // samples a message
	block   int            // samples that the server takes at once
	ppm     float64        // how much faster the peer's clock runs
	late    func() float64 // seconds that a message takes
	sound   []float32      // what the peer says, again and again;
	sent    int
	in, out []float32

	line  []float32 // what the server has, sample n of the time at n modulo its length
	taken int       // samples by the server
	known int       // of them, as the peer knows

	pushAt, arriveAt, takeAt float64
	heard                    func(block []float32) // nil: nobody listens
}

func newWorld(target, limit time.Duration, chunk int) *world {
	return newWorldAt(simRate, target, limit, chunk)
}

func newWorldAt(rate int, target, limit time.Duration, chunk int) *world {
	cfg := jitterConfig{rate: rate}
	cfg.target, cfg.max = cfg.samples(target), cfg.samples(limit)
	w := &world{
		j: newJitter(cfg), rate: float64(rate), chunk: chunk, block: rate / 200,
		late: func() float64 { return 0 }, sound: tone(rate, 1000),
	}
	w.in, w.out = make([]float32, chunk), make([]float32, w.block)
	w.line = make([]float32, 2*len(w.j.buf))
	return w
}

// run lets the world turn for so long. Messages keep their order, as TCP does.
func (w *world) run(d time.Duration) {
	end := w.takeAt + d.Seconds()
	for w.takeAt < end {
		if w.arriveAt <= w.takeAt {
			for n := 0; n < len(w.in); {
				k := copy(w.in[n:], w.sound[w.sent:])
				n += k
				w.sent = (w.sent + k) % len(w.sound)
			}
			w.arrive(w.in)
			w.pushAt += float64(w.chunk) / (w.rate * (1 + w.ppm/1e6))
			w.arriveAt = max(w.arriveAt, w.pushAt+w.late())
			continue
		}
		w.take()
		if w.heard != nil {
			w.heard(w.out)
		}
		w.takeAt += float64(w.block) / w.rate
	}
}

// arrive is a message. What the server has taken is known up to a block, and never too low.
func (w *world) arrive(in []float32) {
	known := int(w.arriveAt*w.rate) + w.block
	w.j.play(known - w.known)
	w.known = known
	w.j.push(in)
	at, samples := w.j.unsent()
	for i, v := range samples {
		if n := known + at + i; n >= w.taken {
			w.line[n%len(w.line)] = v
		}
	}
}

// take is the server, which finds silence where nothing was written.
func (w *world) take() {
	for i := range w.out {
		n := (w.taken + i) % len(w.line)
		w.out[i], w.line[n] = w.line[n], 0
	}
	w.taken += len(w.out)
}

func tone(rate, hz int) []float32 {
	table := make([]float32, rate)
	for i := range table {
		table[i] = float32(0.5 * math.Sin(2*math.Pi*float64(hz)*float64(i)/float64(rate)))
	}
	return table
}

// speech is voiced sound of 120 Hz with overtones for 1.5 s, and half a second of faint noise.
func speech(rate int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	table := make([]float32, 2*rate)
	for i := range table {
		v := 0.0005 * r.NormFloat64()
		if t := float64(i) / float64(rate); t < 1.5 {
			envelope := math.Pow(math.Sin(math.Pi*t/1.5), 2) * (1 + 0.5*math.Sin(2*math.Pi*4*t))
			for k := 1; k < 20; k++ {
				v += 0.15 * envelope / float64(k) * math.Sin(2*math.Pi*(120*t+3*math.Sin(5*t))*float64(k))
			}
		}
		table[i] = float32(v)
	}
	return table
}

func ms(samples int) float64 { return float64(samples) * 1000 / simRate }

// TestDriftForAnHour: two clocks that differ by 200 ppm, 720 ms in an hour, with messages that are up to 8 ms late. At
// the lowest rate, since every sample counts: the times of the buffer are the same at all rates.
func TestDriftForAnHour(t *testing.T) {
	for name, sound := range map[string][]float32{"tone": tone(minRate, 1000), "speech": speech(minRate)} {
		for _, ppm := range []float64{200, -200, 0} {
			t.Run(fmt.Sprintf("%s/%+.0f", name, ppm), func(t *testing.T) {
				t.Parallel()
				driftForAnHour(t, sound, ppm)
			})
		}
	}
}

func driftForAnHour(t *testing.T, sound []float32, ppm float64) {
	w := newWorldAt(minRate, 10*time.Millisecond, 300*time.Millisecond, 2048*minRate/simRate)
	r := rand.New(rand.NewPCG(3, 4))
	w.ppm, w.sound, w.late = ppm, sound, func() float64 { return 0.008 * r.Float64() }
	w.run(10 * time.Second)
	w.j.stats.underruns = 0 // the very first message may have come too early to hold for the second
	worst := 0
	for range 3590 {
		w.run(time.Second)
		worst = max(worst, abs(w.j.lowest()-w.j.target))
	}
	s := w.j.stats
	ms := func(n int64) float64 { return float64(n) * 1000 / minRate }
	t.Logf("margin within %.1f ms of its target of %.1f ms; %d corrections, %d audible, %.0f ms dropped, %.0f ms repeated, drift measured %+.0f ppm",
		ms(int64(worst)), ms(int64(w.j.target)), s.corrections, s.audible, ms(s.dropped), ms(s.repeated), s.ppm)
	if ms(int64(worst)) > 20 {
		t.Errorf("the margin was %.1f ms off its target", ms(int64(worst)))
	}
	if s.underruns > 0 || s.overflowed > 0 {
		t.Errorf("%d gaps, %d samples overflowed", s.underruns, s.overflowed)
	}
	if s.corrections > 400 || s.audible > 0 {
		t.Errorf("%d corrections, %d audible", s.corrections, s.audible)
	}
	if math.Abs(s.ppm-ppm) > 20 {
		t.Errorf("%v ppm measured", s.ppm)
	}
}

// TestDriftWithGaps: what was measured before a gap counts too, when the last one was a moment ago.
func TestDriftWithGaps(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w, late := newWorld(20*time.Millisecond, 300*time.Millisecond, 960), 0.0
	w.ppm, w.late = 200, func() float64 { return late + 0.008*r.Float64() }
	for range 4 {
		w.run(90 * time.Second)
		late = 0.1
		w.run(100 * time.Millisecond)
		late = 0
	}
	w.run(15 * time.Second)
	s := w.j.stats
	t.Logf("%d gaps, drift measured %+.0f ppm", s.underruns, s.ppm)
	if s.underruns == 0 || math.Abs(s.ppm-w.ppm) > 40 {
		t.Errorf("%d gaps, %v ppm measured", s.underruns, s.ppm)
	}
}

// TestDriftIsSaidLate: a few milliseconds between messages are no drift yet.
func TestDriftIsSaidLate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w := newWorld(20*time.Millisecond, 300*time.Millisecond, 960)
	w.late = func() float64 { return 0.008 * r.Float64() }
	for w.j.stats.played < int64(w.j.cfg.samples(driftTime)) {
		w.run(time.Second)
		if ppm := w.j.stats.ppm; math.Abs(ppm) > 40 {
			t.Fatalf("%v ppm measured after %v samples", ppm, w.j.stats.played)
		}
	}
}

func abs(n int) int { return max(n, -n) }

// largestStep is the largest step between two samples: the size of a click.
func largestStep(w *world) *float64 {
	var last float32
	step := new(float64)
	w.heard = func(block []float32) {
		for _, v := range block {
			*step = max(*step, math.Abs(float64(v-last)))
			last = v
		}
	}
	return step
}

// A sine of 200 Hz and amplitude 0.5 never steps by more than this between two samples.
var smoothest = 0.5 * 2 * math.Pi * 200 / simRate

func TestCorrectionsDoNotClick(t *testing.T) {
	for _, ppm := range []float64{3000, -3000} {
		w := newWorld(20*time.Millisecond, 300*time.Millisecond, 1024)
		w.ppm, w.sound = ppm, tone(simRate, 200)
		step := largestStep(w)
		w.run(time.Minute)
		if w.j.stats.corrections < 5 {
			t.Errorf("%v ppm: only %d corrections", ppm, w.j.stats.corrections)
		}
		if *step > 1.5*smoothest {
			t.Errorf("%v ppm: a step of %.4f, the tone itself has %.4f", ppm, *step, smoothest)
		}
	}
}

// TestGapIsSilence: messages that stop coming leave silence of the same length, and no click.
func TestGapIsSilence(t *testing.T) {
	w := newWorld(10*time.Millisecond, 300*time.Millisecond, 1024)
	w.sound = tone(simRate, 200)
	step := largestStep(w)
	w.run(2 * time.Second)
	played := w.j.stats.played
	w.pushAt += 1
	w.arriveAt += 1
	w.run(3 * time.Second)
	if got := w.j.stats.underruns; got != 1 {
		t.Errorf("%d gaps, want 1", got)
	}
	if *step > 1.5*smoothest {
		t.Errorf("a step of %.4f at the gap, the tone itself has %.4f", *step, smoothest)
	}
	if d := w.j.stats.played - played; abs(int(d)-3*simRate) > 2*w.block {
		t.Errorf("%d samples in 3 s", d)
	}
	if w.j.target != w.j.cfg.target {
		t.Errorf("a pause of a second moved the target to %.1f ms", ms(w.j.target))
	}
}

// TestBurstIsWorkedOff: what piled up in a network that stood still does not stay as delay.
func TestBurstIsWorkedOff(t *testing.T) {
	for _, stall := range []float64{0.05, 0.1, 0.2, 2} {
		w := newWorld(10*time.Millisecond, 300*time.Millisecond, 1024)
		w.sound = speech(simRate)
		w.run(2 * time.Second)
		w.arriveAt += stall // TCP keeps the order, so all that follow wait with it, and then come at once
		w.run(20 * time.Second)
		if over := w.j.lowest() - w.j.target; ms(over) > 10 {
			t.Errorf("stall of %v s: still %.0f ms too late after 20 s", stall, ms(over))
		}
		if fill := w.j.fill(); fill > w.j.cfg.max {
			t.Errorf("%d samples queued, the limit is %d", fill, w.j.cfg.max)
		}
	}
}

// TestTargetFollowsTheNetwork: it grows where messages are late, so that gaps end, and shrinks again.
func TestTargetFollowsTheNetwork(t *testing.T) {
	w := newWorld(10*time.Millisecond, 300*time.Millisecond, 1024)
	r := rand.New(rand.NewPCG(5, 6))
	w.late = func() float64 { return 0.05 * r.Float64() }
	w.run(time.Minute)
	gaps := w.j.stats.underruns
	w.run(time.Minute)
	if more := w.j.stats.underruns - gaps; more > 1 {
		t.Errorf("%d gaps in the second minute", more)
	}
	grown := w.j.target
	if grown <= w.j.cfg.target {
		t.Errorf("the target stayed at %.1f ms", ms(grown))
	}
	w.late = func() float64 { return 0 }
	w.run(10 * time.Minute)
	if w.j.target >= grown {
		t.Errorf("the target stayed at %.1f ms in a calm network", ms(w.j.target))
	}
}

// TestSizesOfMessages: the smallest of an AudioWorklet and the largest of a ScriptProcessor, both without gaps.
func TestSizesOfMessages(t *testing.T) {
	for _, chunk := range []int{1, 128, 480, 4096, 8192} {
		w := newWorld(10*time.Millisecond, 300*time.Millisecond, chunk)
		w.run(10 * time.Second)
		if s := w.j.stats; s.underruns > 0 || s.overflowed > 0 {
			t.Errorf("messages of %d: %d gaps, %d samples overflowed", chunk, s.underruns, s.overflowed)
		}
	}
	// Longer than the queue may be: its newest part is heard, and what is queued stays within the limit.
	w := newWorld(10*time.Millisecond, 300*time.Millisecond, 262144)
	heard := 0
	w.heard = func(block []float32) {
		if meanSquare(block) > 0.01 {
			heard += len(block)
		}
	}
	w.run(2 * time.Second)
	if ms(heard) < 280 || ms(heard) > 320 {
		t.Errorf("%.0f ms heard of a message of 5.5 s, want the newest 300", ms(heard))
	}
}

// TestSilenceBeforeTheFirstMessage: a stream that plays before its peer speaks is no gap.
func TestSilenceBeforeTheFirstMessage(t *testing.T) {
	w := newWorld(10*time.Millisecond, 300*time.Millisecond, 1024)
	w.pushAt, w.arriveAt = 0.05, 0.05
	w.run(10 * time.Second)
	if w.j.target != w.j.cfg.target || w.j.stats.underruns != 0 {
		t.Errorf("target %.1f ms, %d gaps", ms(w.j.target), w.j.stats.underruns)
	}
}

// TestServerStandsStill: PulseAudio gets no processor for a while and then takes all that it missed at once. That is no
// fault of the network.
func TestServerStandsStill(t *testing.T) {
	w := newWorld(10*time.Millisecond, 300*time.Millisecond, 480)
	w.run(5 * time.Second)
	for range 20 {
		const still = 0.04
		for end := w.takeAt + still; w.arriveAt <= end; w.arriveAt += 0.01 {
			w.arrive(w.sound[:480])
			w.pushAt += 0.01
		}
		for range int(still * simRate / float64(w.block)) {
			w.take()
			w.takeAt += float64(w.block) / w.rate
		}
		w.run(time.Second)
	}
	if w.j.stats.underruns > 0 || w.j.target != w.j.cfg.target {
		t.Errorf("%d gaps, target %.1f ms", w.j.stats.underruns, ms(w.j.target))
	}
	if over := w.j.lowest() - w.j.target; ms(abs(over)) > 10 {
		t.Errorf("%.1f ms off the target", ms(over))
	}
}

// TestForget: after the server's time has begun anew the first sound has its margin, and nothing of before is played.
func TestForget(t *testing.T) {
	w := newWorld(10*time.Millisecond, 300*time.Millisecond, 480)
	w.run(time.Second)
	w.j.forget()
	w.j.push(w.sound[:480])
	at, samples := w.j.unsent()
	if margin := w.j.cfg.target; at != 0 || len(samples) != margin+480+w.j.cfg.samples(fadeTime) || meanSquare(samples[:margin]) != 0 {
		t.Errorf("%d samples at %d, mean square of the margin %v", len(samples), at, meanSquare(samples[:margin]))
	}
	if at, samples = w.j.unsent(); len(samples) != 0 {
		t.Errorf("%d samples at %d are sent twice", len(samples), at)
	}
}

func TestEndIsNoUnderrun(t *testing.T) {
	w := newWorld(10*time.Millisecond, 300*time.Millisecond, 1024)
	w.run(time.Second)
	w.j.end()
	w.arriveAt += 10
	w.run(time.Second)
	if w.j.stats.underruns != 0 {
		t.Error("the end was counted as an underrun")
	}
	if s := meanSquare(w.out); s != 0 {
		t.Errorf("sound of mean square %v after the end", s)
	}
}

func TestJitterDoesNotAllocate(t *testing.T) {
	w := newWorld(10*time.Millisecond, 300*time.Millisecond, 2048)
	w.ppm = 5000 // with corrections
	w.run(10 * time.Second)
	if n := testing.AllocsPerRun(10, func() { w.run(time.Second) }); n != 0 {
		t.Errorf("%v allocations in a second", n)
	}
}

func BenchmarkJitterSecond(b *testing.B) {
	w := newWorld(10*time.Millisecond, 300*time.Millisecond, 2048)
	w.ppm = 200
	b.ReportAllocs()
	for b.Loop() {
		w.run(time.Second)
	}
}
