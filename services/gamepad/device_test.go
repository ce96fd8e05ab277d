package gamepad

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/service"
)

// fakeNode is a device node that remembers what was asked of it.
type fakeNode struct {
	answers  map[uint]func(arg []byte) error // by request; nil: success
	incoming chan []byte                     // for Read; closed by Close

	mu       sync.Mutex // guards the following fields
	requests []uint
	writes   [][]byte
	closed   bool
}

func newFakeNode() *fakeNode {
	return &fakeNode{answers: map[uint]func([]byte) error{}, incoming: make(chan []byte, 8)}
}

func (n *fakeNode) open(string) (node, error) { return n, nil }

func (n *fakeNode) note(request uint) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.requests = append(n.requests, request)
}

func (n *fakeNode) set(request uint, _ int) error { return n.exchange(request, nil) }

func (n *fakeNode) exchange(request uint, arg []byte) error {
	n.note(request)
	if f := n.answers[request]; f != nil {
		return f(arg)
	}
	return nil
}

func (n *fakeNode) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.writes = append(n.writes, append([]byte(nil), b...))
	return len(b), nil
}

func (n *fakeNode) Read(b []byte) (int, error) {
	msg, ok := <-n.incoming
	if !ok {
		return 0, os.ErrClosed
	}
	return copy(b, msg), nil
}

func (n *fakeNode) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.closed = true
		close(n.incoming)
	}
	return nil
}

func (n *fakeNode) count(request uint) (times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.requests {
		if r == request {
			times++
		}
	}
	return times
}

func TestUinputCreates(t *testing.T) {
	for _, model := range []*profile{kasmProfile(), xbox360Profile()} {
		n := newFakeNode()
		n.answers[uiDevSetup] = func(arg []byte) error {
			if name := cString(arg[8:88]); len(arg) != 92 || name != model.product || arg[88] != maxEffects {
				t.Errorf("setup of %d bytes, %q", len(arg), name)
			}
			return nil
		}
		d, err := (&uinputMaker{model: model, node: n.open}).open(0, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		keys, abs := 0, 0
		for _, o := range model.layout.outputs {
			if o.typ == evKey {
				keys++
			} else {
				abs++
			}
		}
		for request, want := range map[uint]int{uiSetKeyBit: keys, uiSetAbsBit: abs, uiAbsSetup: abs, uiSetFFBit: 2, uiDevCreate: 1, uiDevDestroy: 1} {
			if got := n.count(request); got != want {
				t.Errorf("%s: request %#x %d times, want %d", model.name, request, got, want)
			}
		}
		if len(n.writes) > 0 || !n.closed {
			t.Errorf("%s: %d writes, closed %v", model.name, len(n.writes), n.closed)
		}
	}
}

// TestUinputOldKernel: one that does not know UI_DEV_SETUP is written the older structure.
func TestUinputOldKernel(t *testing.T) {
	n := newFakeNode()
	n.answers[uiDevSetup] = func([]byte) error { return unix.EINVAL }
	d, err := (&uinputMaker{model: xbox360Profile(), node: n.open}).open(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if len(n.writes) != 1 || len(n.writes[0]) != 1116 || n.count(uiAbsSetup) != 0 || n.count(uiDevCreate) != 1 {
		t.Fatalf("%d writes, %d ranges, %d creations", len(n.writes), n.count(uiAbsSetup), n.count(uiDevCreate))
	}
	b := n.writes[0]
	field := func(which, code int) int32 { return int32(binary.NativeEndian.Uint32(b[92+4*(which*absCount+code):])) }
	if cString(b[:80]) != "Microsoft X-Box 360 pad" || binary.NativeEndian.Uint16(b[84:]) != 0x028e {
		t.Error("wrong name or ids")
	}
	if field(0, absX) != 32767 || field(1, absX) != -32768 || field(3, absX) != 128 || field(0, absZ) != 255 || field(1, absHat0Y) != -1 {
		t.Error("wrong ranges")
	}
}

func TestUinputFails(t *testing.T) {
	for _, request := range []uint{uiSetEvBit, uiSetKeyBit, uiSetAbsBit, uiSetFFBit, uiDevSetup, uiAbsSetup, uiDevCreate} {
		n := newFakeNode()
		n.answers[request] = func([]byte) error { return unix.EPERM }
		if _, err := (&uinputMaker{model: kasmProfile(), node: n.open}).open(0, nil); !errors.Is(err, unix.EPERM) || !n.closed {
			t.Errorf("request %#x fails: %v, closed %v", request, err, n.closed)
		}
	}
}

func TestFrameIsOneWrite(t *testing.T) {
	n := newFakeNode()
	p := nodePad{node: n}
	if err := p.writeFrame([]event{{evKey, btnA, 1}, {evAbs, absX, -5}}); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 3*eventLength)
	copy(want[16:], []byte{1, 0, 0x30, 1, 1, 0, 0, 0})
	copy(want[40:], []byte{3, 0, 0, 0, 0xfb, 0xff, 0xff, 0xff})
	if len(n.writes) != 1 || string(n.writes[0]) != string(want) {
		t.Errorf("wrote %x", n.writes)
	}
}

func TestFeedback(t *testing.T) {
	n := newFakeNode()
	kind, id := uint16(ffRumble), uint16(3)
	var retval int32
	n.answers[uiBeginFFUpload] = func(arg []byte) error {
		binary.NativeEndian.PutUint16(arg[8:], kind)
		binary.NativeEndian.PutUint16(arg[10:], id)
		binary.NativeEndian.PutUint16(arg[18:], 250)
		binary.NativeEndian.PutUint16(arg[24:], 1000)
		binary.NativeEndian.PutUint16(arg[26:], 2000)
		return nil
	}
	n.answers[uiEndFFUpload] = func(arg []byte) error {
		retval = int32(binary.NativeEndian.Uint32(arg[4:]))
		return nil
	}
	n.answers[uiBeginFFErase] = func(arg []byte) error { arg[8] = 3; return nil }
	told := make(chan feedback, 8)
	d, err := (&uinputMaker{model: kasmProfile(), node: n.open}).open(2, func(f feedback) { told <- f })
	if err != nil {
		t.Fatal(err)
	}
	incoming := func(e event) { n.incoming <- appendEvent(nil, e) }
	expect := func(want feedback) {
		t.Helper()
		want.slot = 2
		if got := <-told; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	incoming(event{evUinput, uinputFFUpload, 77})
	expect(feedback{kind: upload, id: 3, effect: effect{id: 3, strong: 1000, weak: 2000, length: 250 * time.Millisecond}})
	incoming(event{evFF, 3, 1})
	expect(feedback{kind: play, id: 3, count: 1})
	incoming(event{evFF, ffGain, 0x8000})
	expect(feedback{kind: gain, count: 0x8000})
	incoming(event{evUinput, uinputFFErase, 78})
	expect(feedback{kind: erase, id: 3})
	kind = 0x51 // FF_PERIODIC
	incoming(event{evUinput, uinputFFUpload, 79})
	incoming(event{evFF, 3, 0})
	expect(feedback{kind: play, id: 3})
	if retval != -int32(unix.EINVAL) || n.count(uiEndFFErase) != 1 {
		t.Errorf("an effect that is no rumble was answered %d", retval)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if len(told) > 0 {
		t.Errorf("after Close: %+v", <-told)
	}
}

func TestFaultsSayWhatToDo(t *testing.T) {
	s := &Service{config: config()}
	for name, tt := range map[string]struct {
		err    error
		absent bool
		advice string
	}{
		"no node":    {errAbsent, true, "docker run --device /dev/uinput; Kubernetes"},
		"no driver":  {&os.PathError{Op: "open", Path: "/dev/uinput", Err: unix.ENODEV}, true, "modprobe uinput"},
		"permission": {&os.PathError{Op: "open", Path: "/dev/uinput", Err: unix.EACCES}, false, "--group-add"},
		"cgroup":     {&os.PathError{Op: "open", Path: "/dev/uinput", Err: unix.EPERM}, false, "--device-cgroup-rule 'c 10:223 rmw'"},
		"other":      {unix.EIO, false, "kernel's log"},
	} {
		f := s.fault(&uinputMaker{model: kasmProfile()}, tt.err)
		if (f.Kind == service.Absent) != tt.absent || !strings.Contains(f.Advice, tt.advice) {
			t.Errorf("%s: kind %d, advice %q", name, f.Kind, f.Advice)
		}
		if reason := s.closeReason(f); reason == "" || len(reason) > 123 {
			t.Errorf("%s: a reason of %d bytes", name, len(reason))
		}
	}
}
