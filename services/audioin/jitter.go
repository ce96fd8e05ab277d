package audioin

import "time"

// Times of the jitter buffer. All are counted in samples at the peer's rate, as the server takes them: the buffer has no
// clock of its own, and the server's is the one that counts.
const (
	windowTime  = 500 * time.Millisecond // the lowest fill is taken over windows of this length
	windowCount = 8                      // and over so many of them before a small correction
	fadeTime    = 3 * time.Millisecond   // from sound to nothing, from nothing to sound, and from one place to another
	nearTime    = 3 * time.Millisecond   // what will be taken so soon that it is left as it is
	slackTime   = 6 * time.Millisecond   // distance from the target that is left alone
	pieceTime   = 10 * time.Millisecond  // longest correction that is made without need
	earlyTime   = 20 * time.Millisecond  // excess that is worked off after one window, where it is not heard
	urgentTime  = 60 * time.Millisecond  // excess that is not left to small corrections
	patience    = 5 * time.Second        // for a place where the correction is not heard
	pauseTime   = 150 * time.Millisecond // a longer gap is a pause of the peer, and says nothing of the network
	calmTime    = 30 * time.Second       // without a gap, after which the target shrinks again
	shrinkTime  = time.Millisecond       // by so much, every windowCount windows
	driftTime   = 30 * time.Second       // that the drift is measured over at least: the level is right by a millisecond or two
)

// jitterConfig is in samples.
type jitterConfig struct {
	rate   int
	target int // margin to keep at least
	max    int // most that is ever queued
}

// jitterStats are counts since the peer came; times are in samples.
type jitterStats struct {
	pushed, played int64
	underruns      int64 // gaps: the sound ran out while it was being played
	overflowed     int64 // samples dropped since the queue was full or the server stood still
	dropped        int64 // samples taken out to follow the peer's clock or to catch up
	repeated       int64 // samples put in to follow the peer's clock
	corrections    int64 // how often one of the two was done
	audible        int64 // how many of them were neither in silence nor seamless
	ppm            float64
}

// jitter is the queue between a peer, whose messages come when they come, and the playback stream, which takes its
// samples at the server's pace. The queue lies in the server: buf is what it should look like, and unsent what has to be
// written for that. It keeps a margin: the fill just before a message comes, at its lowest over some
// seconds, is held near the target. That one number tells apart what mean fill mixes up, the size of messages and the
// lateness of the network, and it is where the difference of the two clocks shows. Corrections take out or repeat a few
// milliseconds where it is quiet, or where the sound is like itself. The target grows with every gap, by its length, and
// shrinks in calm.
//
// It is not safe for concurrent use, and allocates nothing after newJitter.
type jitter struct {
	cfg   jitterConfig
	stats jitterStats

	buf        []float32 // what is queued is buf[head:tail]
	head, tail int

	changed int // from this sample of the queue on the server has something else

	playing bool    // the queue has not run out
	last    float32 // the last sample that was played
	fadeOut int     // samples of fade still to come after a gap
	gap     int     // samples since the gap began
	ended   bool    // no more will come: running out is no underrun

	target  int // now; at least cfg.target
	calm    int // samples played since the last gap
	window  int // samples played in this window
	low     int // lowest fill before a message in this window; more than cfg.max when none has come
	lows    [windowCount]int
	windows int // complete ones since the start or the last disturbance

	loudness float32 // mean square of the sound, over a second or so
	waited   int     // samples played while a correction waits for its place

	drift drift
}

func newJitter(cfg jitterConfig) *jitter {
	// Room for the longest queue twice, so that it moves to the front rarely, for a repetition, and for the fade after it.
	j := &jitter{cfg: cfg, buf: make([]float32, 2*cfg.max+cfg.samples(2*pieceTime+fadeTime)), target: cfg.target}
	j.disturbed()
	return j
}

// samples is a time in samples.
func (c jitterConfig) samples(d time.Duration) int {
	return int(int64(c.rate) * int64(d/time.Microsecond) / 1e6)
}

func (j *jitter) fill() int { return j.tail - j.head }

// end says that nothing will be pushed any more.
func (j *jitter) end() { j.ended = true }

// push queues what a peer sent.
func (j *jitter) push(in []float32) {
	if len(in) == 0 {
		return
	}
	j.stats.pushed += int64(len(in))
	if len(in) > j.cfg.max {
		j.stats.overflowed += int64(len(in) - j.cfg.max)
		in = in[len(in)-j.cfg.max:]
	}
	if j.playing {
		j.low = min(j.low, j.fill())
	} else {
		j.prime(len(in))
	}
	if j.fill()+len(in) > j.cfg.max {
		j.overflow(len(in))
	}
	start := j.append(in)
	if !j.playing {
		j.playing = true
		fadeIn(j.buf[start:j.tail], j.cfg.samples(fadeTime))
	}
	j.listen(in)
	j.correct()
}

// unsent is what the server does not have yet: samples that belong at this place of the queue, counted from what is
// taken next. A fade to nothing follows the end, where the next message will replace it, or be missed. They are valid
// until the next push.
func (j *jitter) unsent() (at int, samples []float32) {
	fill, fade := j.fill(), j.cfg.samples(fadeTime)
	at = j.changed
	if at >= fill {
		return fill, nil
	}
	last := j.buf[j.tail-1]
	for i := range fade {
		j.buf[j.tail+i] = last * float32(fade-i-1) / float32(fade)
	}
	j.changed = fill
	return at, j.buf[j.head+at : j.tail+fade]
}

// change notes that the queue is another from this sample on.
func (j *jitter) change(at int) { j.changed = min(j.changed, at) }

// prime starts to play after nothing: with a margin of silence in front, so that the next message may be late.
func (j *jitter) prime(coming int) {
	if j.stats.underruns > 0 && j.gap < j.cfg.samples(pauseTime) { // else this is the first sound
		j.target = min(j.target+j.gap, j.maxTarget())
	}
	fadeOut := j.fadeOut
	j.gap, j.fadeOut = 0, 0
	j.head, j.tail, j.changed = 0, 0, 0
	n := max(min(j.target, j.cfg.max-coming), 0)
	clear(j.buf[:n])
	j.tail = n
	// The last sound may not have faded wholly.
	ramp := min(n, fadeOut)
	for i := range ramp {
		j.buf[i] = j.last * float32(fadeOut-i-1) / float32(j.cfg.samples(fadeTime))
	}
	j.disturbed()
}

// maxTarget leaves room for messages above the margin.
func (j *jitter) maxTarget() int { return max(j.cfg.target, j.cfg.max/2) }

// overflow makes room for n more samples by dropping the oldest, down to the target: the newest count, and one cut is
// better than one at every message.
func (j *jitter) overflow(n int) {
	fade := j.cfg.samples(fadeTime)
	keep := max(min(j.target, j.cfg.max-n), 0)
	drop := j.fill() - keep
	j.stats.overflowed += int64(drop)
	fade = min(fade, keep, drop)
	j.cut(min(j.cfg.samples(nearTime), keep-fade), drop, fade)
	j.disturbed()
}

// drop counts n samples that never come into the queue.
func (j *jitter) drop(n int) {
	j.stats.pushed += int64(n)
	j.stats.overflowed += int64(n)
}

// forget drops what is queued, since the server will never play it, or has another time now.
func (j *jitter) forget() {
	j.head, j.tail, j.changed = 0, 0, 0
	j.playing, j.fadeOut, j.last = false, 0, 0
	j.gap = j.cfg.samples(pauseTime)
	j.disturbed()
}

// append copies in to the end and returns where it begins.
func (j *jitter) append(in []float32) int {
	j.room(len(in))
	j.change(j.fill())
	start := j.tail
	j.tail += copy(j.buf[start:], in)
	return start
}

// room moves the queue to the front when n more samples, and the fade after them, have no room behind it.
func (j *jitter) room(n int) {
	if j.tail+n+j.cfg.samples(fadeTime) > len(j.buf) {
		j.tail = copy(j.buf, j.buf[j.head:j.tail])
		j.head = 0
	}
}

// play lets the server take n samples of the queue, and silence when there is nothing.
func (j *jitter) play(n int) {
	j.stats.played += int64(n)
	k := min(n, j.fill())
	if k > 0 {
		j.last = j.buf[j.head+k-1]
	}
	j.head += k
	j.changed = max(j.changed-k, 0)
	if j.playing && k < n {
		j.playing = false
		j.fadeOut = j.cfg.samples(fadeTime)
		j.gap, j.calm = 0, 0
		if !j.ended {
			j.stats.underruns++
		}
	}
	if !j.playing {
		j.gap += n - k
		j.fadeOut = max(j.fadeOut-(n-k), 0)
	}
	j.tick(n)
}

// tick lets n samples of time pass.
func (j *jitter) tick(n int) {
	if !j.playing {
		return
	}
	j.calm += n
	j.waited += n
	j.window += n
	if j.window < j.cfg.samples(windowTime) || j.low > j.cfg.max {
		return // nothing came yet in this window
	}
	j.lows[j.windows%windowCount] = j.low
	j.windows++
	j.window, j.low = 0, j.cfg.max+1
	if j.windows%windowCount == 0 {
		j.adapt()
		j.measureDrift()
	}
}

// adapt lets the target shrink in calm. It grows in prime.
func (j *jitter) adapt() {
	if j.calm > j.cfg.samples(calmTime) {
		j.target = max(j.cfg.target, j.target-j.cfg.samples(shrinkTime))
	}
}

// disturbed forgets the level, since it does not hold any more. How it has moved until now does.
func (j *jitter) disturbed() {
	j.window, j.windows, j.waited = 0, 0, 0
	j.low = j.cfg.max + 1
	j.drift.restart()
}

// measureDrift leaves out the first windows after a disturbance, in which what was late still comes. Corrections do not
// count.
func (j *jitter) measureDrift() {
	if j.windows < 2*windowCount {
		return
	}
	j.drift.measure(int64(j.lowest())+j.stats.dropped-j.stats.repeated, j.stats.played)
	if ppm, ok := j.drift.ppm(int64(j.cfg.samples(driftTime))); ok {
		j.stats.ppm = ppm
	}
}

// lowest is the lowest fill before a message over the last windows.
func (j *jitter) lowest() int {
	low := j.low
	for i := range min(j.windows, windowCount) {
		low = min(low, j.lows[i])
	}
	return low
}

// listen follows the loudness of the sound.
func (j *jitter) listen(in []float32) {
	weight := min(float32(len(in))/float32(j.cfg.rate), 1)
	j.loudness += (meanSquare(in) - j.loudness) * weight
}

// correct brings the level back to the target when it is off, at a good place in what is queued.
func (j *jitter) correct() {
	if j.windows == 0 {
		return
	}
	last := j.lows[(j.windows-1)%windowCount]
	excess := min(last, j.low) - j.target
	switch off := j.lowest() - j.target; {
	case excess > j.cfg.samples(urgentTime):
		j.splice(excess, true)
	case j.windows >= windowCount && (off > j.cfg.samples(slackTime) || off < -min(j.cfg.samples(slackTime), j.target/2)):
		piece := j.cfg.samples(pieceTime)
		j.splice(min(max(off, -piece), piece), j.waited > j.cfg.samples(patience))
	case excess > j.cfg.samples(earlyTime): // piled up while the stream was being opened
		j.splice(excess, false)
	default:
		j.waited = 0
	}
}

// spliced accounts for n samples taken out (n > 0) or put in.
func (j *jitter) spliced(n int, heard bool) {
	j.stats.corrections++
	if heard {
		j.stats.audible++
	}
	if n > 0 {
		j.stats.dropped += int64(n)
	} else {
		j.stats.repeated -= int64(n)
	}
	j.waited = 0
	if j.low <= j.cfg.max {
		j.low -= n
	}
	for i := range j.lows {
		j.lows[i] -= n
	}
}
