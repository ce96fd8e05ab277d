package audioin

import "math"

const (
	quietSquare = 1e-5 // mean square, -50 dB: a splice is not heard
	quietShare  = 0.05 // of the loudness, -13 dB: a pause between words
	seamless    = 0.95 // correlation: the sound goes on as if nothing had happened
	searchSteps = 64   // places that are compared for the quietest, and lengths for the most alike
)

// splice takes n samples out of the queue, or puts -n in, give or take a half, at the quietest place and with the length
// that fits the sound best. When that would be heard it does so only if it must.
func (j *jitter) splice(n int, must bool) {
	near := min(j.cfg.samples(nearTime), j.fill())
	queue := j.buf[j.head+near : j.tail]
	fade := j.cfg.samples(fadeTime)
	want := min(max(n, -n), len(queue)-2*fade)
	if want < fade {
		return // too little is queued: another time
	}
	at := quietest(queue, want, fade)
	length, alike := mostAlike(queue[at:], want, fade)
	// What goes or comes twice counts as a whole: a click between two silences is no silence.
	seam, whole := meanSquare(queue[at:at+fade]), meanSquare(queue[at:at+length+fade])
	quiet := whole <= quietSquare || whole <= quietShare*j.loudness
	unheard := quiet || alike >= seamless && whole <= 2*seam
	if !unheard && !must {
		return
	}
	if n > 0 {
		j.cut(near+at, length, fade)
		j.spliced(length, !unheard)
		return
	}
	if j.repeat(near+at, length, fade) {
		j.spliced(-length, !unheard)
	}
}

// cut takes length samples out at the place.
func (j *jitter) cut(at, length, fade int) {
	j.change(at)
	from := j.buf[j.head+at : j.tail]
	crossfade(from[length:], from, fade)
	copy(from, from[length:])
	j.tail -= length
}

// repeat plays length samples twice. It reports whether there was room.
func (j *jitter) repeat(at, length, fade int) bool {
	if j.fill()+length > j.cfg.max {
		return false
	}
	j.room(length)
	j.change(at + length)
	j.tail += length
	from := j.buf[j.head+at : j.tail]
	// What follows the seam moves back; the seam itself goes from what came next to what came length before.
	copy(from[length+fade:], from[fade:len(from)-length])
	for i := range fade {
		w := float32(i+1) / float32(fade+1)
		from[length+i] += (from[i] - from[length+i]) * w
	}
	return true
}

// quietest finds where a splice of about length samples meets the least sound.
func quietest(queue []float32, length, fade int) int {
	longest := longestSplice(len(queue), length, fade)
	last := len(queue) - longest - fade
	step := max(last/searchSteps, 1)
	best, at := float32(math.MaxFloat32), 0
	for p := 0; p <= last; p += step {
		if s := meanSquare(queue[p : p+length+fade]); s < best {
			best, at = s, p
		}
	}
	return at
}

// longestSplice is half as much again, if the queue is long enough.
func longestSplice(queued, length, fade int) int {
	return min(length+length/2, queued-fade)
}

// mostAlike finds the length, from half to one and a half of the wanted, after which the sound is most like itself at
// the beginning of from, and how much alike: 1 is the same.
func mostAlike(from []float32, want, fade int) (length int, alike float32) {
	shortest, longest := max(want/2, fade), longestSplice(len(from), want, fade)
	length, alike = want, -1
	for pass, step := 0, max((longest-shortest)/searchSteps, 1); pass < 2; pass++ {
		lo, hi := shortest, longest
		if pass == 1 { // once more, closely, around the best
			lo, hi = max(length-step, shortest), min(length+step, longest)
			step = 1
		}
		for d := lo; d <= hi; d += step {
			if c := correlation(from[:fade], from[d:d+fade]); c > alike {
				length, alike = d, c
			}
		}
	}
	return length, alike
}

// crossfade mixes the first n samples of to: from at the beginning, to at the end.
func crossfade(to, from []float32, n int) {
	for i := range n {
		w := float32(i+1) / float32(n+1)
		to[i] = from[i] + (to[i]-from[i])*w
	}
}

func fadeIn(s []float32, n int) {
	n = min(n, len(s))
	for i := range n {
		s[i] *= float32(i+1) / float32(n+1)
	}
}

func meanSquare(s []float32) float32 {
	var sum float32
	for _, v := range s {
		sum += v * v
	}
	return sum / float32(max(len(s), 1))
}

// correlation is 1 for the same sound, also at another loudness, and 0 for unrelated ones.
func correlation(a, b []float32) float32 {
	var ab, aa, bb float32
	for i, v := range a {
		ab += v * b[i]
		aa += v * v
		bb += b[i] * b[i]
	}
	if aa == 0 && bb == 0 {
		return 1
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / float32(math.Sqrt(float64(aa)*float64(bb)))
}
