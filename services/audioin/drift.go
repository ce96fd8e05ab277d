package audioin

// drift is how far the level of a queue moves by itself, and in what time: since the last disturbance, and before. Both are
// in samples.
type drift struct {
	anchor, anchorAt        int64 // level, and when; 0: none yet since the disturbance
	moved, span             int64 // since the anchor
	movedBefore, spanBefore int64
}

// measure notes the level at a time after the start.
func (d *drift) measure(level, at int64) {
	if d.anchorAt == 0 {
		d.anchor, d.anchorAt = level, at
		return
	}
	d.moved, d.span = level-d.anchor, at-d.anchorAt
}

// restart forgets the level, since it does not hold any more, and keeps how it has moved until now.
func (d *drift) restart() {
	*d = drift{movedBefore: d.movedBefore + d.moved, spanBefore: d.spanBefore + d.span}
}

// ppm is the drift in millionths. Ok is false while it was not measured over the least time.
func (d *drift) ppm(least int64) (ppm float64, ok bool) {
	span := d.spanBefore + d.span
	return float64(d.movedBefore+d.moved) / float64(max(span, 1)) * 1e6, span >= least
}
