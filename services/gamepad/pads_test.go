package gamepad

import "testing"

// script drives pads with two peers, a and b, and looks at the slots.
type script struct {
	pads pads
	a, b holder
}

func pressing(slot int8, button int) *message {
	m := &message{kind: states, count: 1}
	m.rows[0].slot = slot
	m.rows[0].state.Buttons[button] = 255
	return m
}

func (s *script) down(slot, button int) bool {
	state, _ := s.pads.wanted(slot)
	return state.Buttons[button] == 255
}

func TestPads(t *testing.T) {
	connect := func(id string, index int) *message { return &message{kind: connected, id: id, index: index} }
	disconnect := func(index int) *message { return &message{kind: disconnected, index: index} }
	tests := map[string]struct {
		do   func(s *script)
		want map[[2]int]bool // slot, button: pressed
	}{
		"a press": {
			func(s *script) { s.pads.apply(&s.a, pressing(1, 3)) },
			map[[2]int]bool{{1, 3}: true, {0, 3}: false},
		},
		"the newest wins": {
			func(s *script) { s.pads.apply(&s.a, pressing(0, 1)); s.pads.apply(&s.b, pressing(0, 2)) },
			map[[2]int]bool{{0, 1}: false, {0, 2}: true},
		},
		"the holder goes": {
			func(s *script) { s.pads.apply(&s.a, pressing(0, 1)); s.pads.leave(&s.a) },
			map[[2]int]bool{{0, 1}: false},
		},
		"who does not hold goes": {
			func(s *script) {
				s.pads.apply(&s.a, pressing(0, 1))
				s.pads.apply(&s.b, pressing(0, 2))
				s.pads.leave(&s.a)
			},
			map[[2]int]bool{{0, 2}: true},
		},
		"an older peer's press does not come back": {
			func(s *script) {
				s.pads.apply(&s.a, pressing(0, 1))
				s.pads.apply(&s.b, pressing(0, 2))
				s.pads.leave(&s.b)
			},
			map[[2]int]bool{{0, 1}: false, {0, 2}: false},
		},
		"other slots stay": {
			func(s *script) {
				s.pads.apply(&s.a, pressing(0, 1))
				s.pads.apply(&s.b, pressing(1, 2))
				s.pads.leave(&s.a)
			},
			map[[2]int]bool{{0, 1}: false, {1, 2}: true},
		},
		"moved to another slot": {
			func(s *script) {
				s.pads.apply(&s.a, connect("pad", 0))
				s.pads.apply(&s.a, pressing(0, 1))
				s.pads.apply(&s.a, connect("pad", 2))
			},
			map[[2]int]bool{{0, 1}: false},
		},
		"moved, having been named by the browser's own index": {
			func(s *script) {
				s.pads.apply(&s.a, connect("pad", 3))
				s.pads.apply(&s.a, pressing(0, 1))
				s.pads.apply(&s.a, connect("pad", 1))
			},
			map[[2]int]bool{{0, 1}: false},
		},
		"a second pad leaves the first alone": {
			func(s *script) {
				s.pads.apply(&s.a, connect("one", 0))
				s.pads.apply(&s.a, pressing(0, 1))
				s.pads.apply(&s.a, connect("two", 1))
			},
			map[[2]int]bool{{0, 1}: true},
		},
		"named again in the same slot": {
			func(s *script) {
				s.pads.apply(&s.a, connect("pad", 0))
				s.pads.apply(&s.a, pressing(0, 1))
				s.pads.apply(&s.a, connect("pad", 0))
			},
			map[[2]int]bool{{0, 1}: true},
		},
		"another peer's pad of that name": {
			func(s *script) {
				s.pads.apply(&s.a, connect("pad", 0))
				s.pads.apply(&s.a, pressing(0, 1))
				s.pads.apply(&s.b, connect("pad", 1))
			},
			map[[2]int]bool{{0, 1}: true},
		},
		"disconnected": {
			func(s *script) { s.pads.apply(&s.a, pressing(0, 1)); s.pads.apply(&s.a, disconnect(0)) },
			map[[2]int]bool{{0, 1}: false},
		},
		"another peer's pad disconnected": {
			func(s *script) { s.pads.apply(&s.a, pressing(0, 1)); s.pads.apply(&s.b, disconnect(0)) },
			map[[2]int]bool{{0, 1}: true},
		},
		"disconnected without a slot": {
			func(s *script) { s.pads.apply(&s.a, pressing(0, 1)); s.pads.apply(&s.a, disconnect(noSlot)) },
			map[[2]int]bool{{0, 1}: true},
		},
		"missing": {
			func(s *script) { s.pads.apply(&s.a, pressing(0, 1)); s.pads.miss(&s.a) },
			map[[2]int]bool{{0, 1}: false},
		},
		"found again": {
			func(s *script) { s.pads.apply(&s.a, pressing(0, 1)); s.pads.miss(&s.a); s.pads.find(&s.a) },
			map[[2]int]bool{{0, 1}: true},
		},
		"found when another holds the slot": {
			func(s *script) {
				s.pads.apply(&s.a, pressing(0, 1))
				s.pads.miss(&s.a)
				s.pads.apply(&s.b, pressing(0, 2))
				s.pads.find(&s.a)
			},
			map[[2]int]bool{{0, 1}: false, {0, 2}: true},
		},
		"without a slot": {
			func(s *script) { s.pads.apply(&s.a, pressing(noSlot, 1)) },
			map[[2]int]bool{{0, 1}: false},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var s script
			tt.do(&s)
			for at, want := range tt.want {
				if got := s.down(at[0], at[1]); got != want {
					t.Errorf("slot %d button %d pressed: %v, want %v", at[0], at[1], got, want)
				}
			}
		})
	}
}

// TestPadsDirty: a change that is not marked would never reach the device.
func TestPadsDirty(t *testing.T) {
	var s script
	clean := func() uint8 { d := s.pads.dirty; s.pads.dirty = 0; return d }
	steps := []struct {
		name string
		do   func()
		want uint8
	}{
		{"press", func() { s.pads.apply(&s.a, pressing(1, 0)) }, 1 << 1},
		{"miss", func() { s.pads.miss(&s.a) }, 1 << 1},
		{"miss again", func() { s.pads.miss(&s.a) }, 0},
		{"find", func() { s.pads.find(&s.a) }, 1 << 1},
		{"leave of another", func() { s.pads.leave(&s.b) }, 0},
		{"leave", func() { s.pads.leave(&s.a) }, 1 << 1},
		{"leave again", func() { s.pads.leave(&s.a) }, 0},
	}
	for _, step := range steps {
		step.do()
		if got := clean(); got != step.want {
			t.Errorf("%s: dirty %04b, want %04b", step.name, got, step.want)
		}
	}
}

func TestHolds(t *testing.T) {
	var s script
	s.pads.apply(&s.a, pressing(2, 0))
	if !s.pads.holds(&s.a) || s.pads.holds(&s.b) {
		t.Error("only a holds something")
	}
	s.pads.apply(&s.a, &message{kind: states, count: 1, rows: [maxRows]row{{slot: 2}}})
	if s.pads.holds(&s.a) {
		t.Error("a has let go")
	}
}
