package gamepad

import (
	"testing"
	"time"
)

func TestMotors(t *testing.T) {
	type at struct {
		ms   int        // since the start
		do   *feedback  // nil: only time has passed
		want *vibration // nil: nothing is told
		next int        // ms until the next look, 0 for none
	}
	put := func(id int16, strong, weak uint16, ms, delay int) *feedback {
		return &feedback{kind: upload, id: id, effect: effect{
			id: id, strong: strong, weak: weak, length: time.Duration(ms) * time.Millisecond, delay: time.Duration(delay) * time.Millisecond,
		}}
	}
	start := func(id int16, count int32) *feedback { return &feedback{kind: play, id: id, count: count} }
	v := func(strong, weak uint16, ms int) *vibration {
		return &vibration{strong: strong, weak: weak, length: time.Duration(ms) * time.Millisecond}
	}
	tests := map[string][]at{
		"a short one": {
			{0, put(0, 40000, 20000, 300, 0), nil, 0},
			{10, start(0, 1), v(40000, 20000, 300), 300},
			{310, nil, v(0, 0, 0), 0},
			{400, nil, nil, 0},
		},
		"stopped early":          {{0, put(0, 1, 2, 300, 0), nil, 0}, {0, start(0, 1), v(1, 2, 300), 300}, {100, start(0, 0), v(0, 0, 0), 0}},
		"erased while it plays":  {{0, put(0, 1, 2, 300, 0), nil, 0}, {0, start(0, 1), v(1, 2, 300), 300}, {100, &feedback{kind: erase}, v(0, 0, 0), 0}},
		"endless":                {{0, put(0, 9, 9, 0, 0), nil, 0}, {0, start(0, 1), v(9, 9, 5000), 4000}, {4000, nil, v(9, 9, 5000), 4000}},
		"longer than browsers":   {{0, put(0, 9, 9, 6000, 0), nil, 0}, {0, start(0, 1), v(9, 9, 5000), 4000}, {4000, nil, v(9, 9, 2000), 2000}, {6000, nil, v(0, 0, 0), 0}},
		"repeated":               {{0, put(0, 9, 9, 100, 0), nil, 0}, {0, start(0, 3), v(9, 9, 300), 300}},
		"delayed":                {{0, put(0, 9, 9, 100, 50), nil, 0}, {0, start(0, 1), nil, 50}, {50, nil, v(9, 9, 100), 100}},
		"never uploaded":         {{0, start(3, 1), nil, 0}},
		"changed while it plays": {{0, put(0, 9, 9, 100, 0), nil, 0}, {0, start(0, 1), v(9, 9, 100), 100}, {20, put(0, 5, 4, 100, 0), v(5, 4, 80), 80}},
		"two add up": {
			{0, put(0, 40000, 100, 200, 0), nil, 0},
			{0, put(1, 40000, 100, 100, 0), nil, 0},
			{0, start(0, 1), v(40000, 100, 200), 200},
			{0, start(1, 1), v(65535, 200, 100), 100},
			{100, nil, v(40000, 100, 100), 100},
		},
		"gain":           {{0, &feedback{kind: gain, count: 0x7fff}, nil, 0}, {0, put(0, 65535, 2, 100, 0), nil, 0}, {0, start(0, 1), v(32767, 0, 100), 100}},
		"gain to nought": {{0, put(0, 9, 9, 100, 0), nil, 0}, {0, start(0, 1), v(9, 9, 100), 100}, {10, &feedback{kind: gain}, v(0, 0, 0), 90}},
		"no such id":     {{0, &feedback{kind: play, id: -1, count: 1}, nil, 0}, {0, &feedback{kind: upload, id: maxEffects}, nil, 0}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMotors()
			begin := time.Unix(1000, 0)
			for i, step := range steps {
				now := begin.Add(time.Duration(step.ms) * time.Millisecond)
				if step.do != nil {
					m.take(step.do, now)
				}
				got, tell := m.update(now)
				if tell != (step.want != nil) || tell && got != *step.want {
					t.Fatalf("step %d: %+v %v, want %+v", i, got, tell, step.want)
				}
				next := 0
				if !m.next.IsZero() {
					next = int(m.next.Sub(now).Milliseconds())
				}
				if next != step.next {
					t.Fatalf("step %d: next in %d ms, want %d", i, next, step.next)
				}
			}
		})
	}
}
