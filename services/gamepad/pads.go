package gamepad

// pads maps what several peers say to the state that each slot's device shall have. It is levels, not a queue: the
// newest state of a slot replaces the older one, and a release cannot be lost, because a slot that nobody holds is
// neutral. It knows no clock, no socket and no device.
//
// The last peer that sent a state for a slot holds it. When that peer goes, or moves the pad, the slot is neutral
// until somebody sends a state for it again; an older peer's last state does not come back by itself, which would
// press buttons that nobody is pressing.
type pads struct {
	slots [Slots]slotState
	dirty uint8 // bit per slot whose wanted state may have changed
}

type slotState struct {
	holder *holder // nil: nobody
	state  State   // what the holder said last
}

// holder is a peer as pads sees it.
type holder struct {
	ids     [Slots]string // Gamepad.id of the pad in each slot, "" while it was not named
	missing bool          // not heard from: what it holds counts as released until it is heard again
}

// apply takes one message of a peer and returns how many of its rows name a slot.
func (p *pads) apply(h *holder, m *message) int {
	switch m.kind {
	case connected:
		p.connect(h, m)
	case disconnected:
		if m.index != noSlot {
			p.release(h, m.index)
			h.ids[m.index] = ""
		}
	case states:
		return p.update(h, m)
	}
	return 0
}

// connect names the pad in a slot. The client tells only the new slot of a pad that the user moved to another one,
// so a pad of that name in any other slot of this peer is released, and so is one that was never named: at open the
// client names the browser's own index, which need not be the slot. Two pads of one model have the same name; what
// is released wrongly comes back with that pad's next state.
func (p *pads) connect(h *holder, m *message) {
	for i := range Slots {
		if i != m.index && (h.ids[i] == m.id || h.ids[i] == "") {
			p.release(h, i)
			h.ids[i] = ""
		}
	}
	if m.index != noSlot {
		h.ids[m.index] = m.id
	}
}

func (p *pads) update(h *holder, m *message) (named int) {
	for i := range m.rows[:m.count] {
		r := &m.rows[i]
		if r.slot == noSlot {
			continue
		}
		named++
		s := &p.slots[r.slot]
		s.holder, s.state = h, r.state
		p.dirty |= 1 << r.slot
	}
	return named
}

func (p *pads) release(h *holder, slot int) {
	s := &p.slots[slot]
	if s.holder == h {
		*s = slotState{}
		p.dirty |= 1 << slot
	}
}

// leave releases all that a peer holds.
func (p *pads) leave(h *holder) {
	for i := range Slots {
		p.release(h, i)
	}
}

// miss releases what a peer holds until find; its states are kept.
func (p *pads) miss(h *holder) { p.setMissing(h, true) }

// find gives back what the peer holds.
func (p *pads) find(h *holder) { p.setMissing(h, false) }

func (p *pads) setMissing(h *holder, missing bool) {
	if h.missing == missing {
		return
	}
	h.missing = missing
	for i := range p.slots {
		if p.slots[i].holder == h {
			p.dirty |= 1 << i
		}
	}
}

// holds reports whether anything is pressed or deflected by the peer.
func (p *pads) holds(h *holder) bool {
	for i := range p.slots {
		if p.slots[i].holder == h && p.slots[i].state != (State{}) {
			return true
		}
	}
	return false
}

// wanted is the state that the slot's device shall have, and whether somebody holds the slot.
func (p *pads) wanted(slot int) (State, bool) {
	s := &p.slots[slot]
	if s.holder == nil || s.holder.missing {
		return State{}, s.holder != nil
	}
	return s.state, true
}
