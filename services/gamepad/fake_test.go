package gamepad

import (
	"io/fs"
	"sync"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// fakeMaker makes pads that remember what was written to them.
type fakeMaker struct {
	kind string

	mu     sync.Mutex // guards the following fields
	err    error      // of the next probe
	pads   [Slots]*fakePad
	opened int
}

func newFakeMaker() *fakeMaker { return &fakeMaker{kind: DeviceUinput} }

func (m *fakeMaker) name() string    { return m.kind }
func (m *fakeMaker) profile() string { return ProfileXbox360 }

func (m *fakeMaker) probe() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

func (m *fakeMaker) setError(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *fakeMaker) open(slot int, tell func(feedback)) (device, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	m.opened++
	m.pads[slot] = &fakePad{slot: slot, tell: tell, outputs: &xbox360Profile().layout, now: map[event]int32{}}
	return m.pads[slot], nil
}

// pad returns the device of a slot, nil before it was opened.
func (m *fakeMaker) pad(slot int) *fakePad {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pads[slot]
}

func (m *fakeMaker) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.opened
}

type fakePad struct {
	slot    int
	tell    func(feedback)
	outputs *layout

	mu     sync.Mutex // guards the following fields
	now    map[event]int32
	frames int
	closed bool
	broken error
}

func (p *fakePad) layout() *layout   { return p.outputs }
func (p *fakePad) report() PadReport { return PadReport{Node: "/dev/input/event7", Visible: true} }

func (p *fakePad) writeFrame(events []event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return p.broken
	}
	for _, e := range events {
		p.now[event{typ: e.typ, code: e.code}] = e.value
	}
	p.frames++
	return nil
}

func (p *fakePad) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}

func (p *fakePad) breakWith(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = err
}

// value is what a program would read of a key or axis; 0 while there is no pad.
func (p *fakePad) value(typ, code uint16) int32 {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now[event{typ: typ, code: code}]
}

func (p *fakePad) key(code uint16) bool  { return p.value(evKey, code) == 1 }
func (p *fakePad) abs(code uint16) int32 { return p.value(evAbs, code) }

// neutral reports whether everything is released.
func (p *fakePad) neutral() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range p.now {
		if v != 0 {
			return false
		}
	}
	return true
}

func (p *fakePad) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	testkit.Eventually(t, 20*time.Second, what, condition)
}

var errAbsent = &fs.PathError{Op: "open", Path: "/dev/uinput", Err: fs.ErrNotExist}
