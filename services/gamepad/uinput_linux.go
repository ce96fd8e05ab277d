package gamepad

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Requests of linux/uinput.h, for kernels with 64-bit pointers (amd64 and arm64 agree).
const (
	uiDevCreate      = 0x5501
	uiDevDestroy     = 0x5502
	uiDevSetup       = 0x405c5503 // struct uinput_setup, 92 bytes
	uiAbsSetup       = 0x401c5504 // struct uinput_abs_setup, 28 bytes
	uiSetEvBit       = 0x40045564
	uiSetKeyBit      = 0x40045565
	uiSetAbsBit      = 0x40045567
	uiSetFFBit       = 0x4004556b
	uiSetPhys        = 0x4008556c
	uiGetSysname     = 0x8040552c // for an answer of 64 bytes
	uinputNameLength = 80
	absCount         = 64
	eventLength      = 24 // struct input_event: time 16, type 2, code 2, value 4
	physPrefix       = "ghostaux/"
)

// node is an open device node. The kernel's own is a nodeFile; tests record what is done to theirs.
type node interface {
	io.ReadWriteCloser
	// set is an ioctl whose argument is a number, or none.
	set(request uint, value int) error
	// exchange is an ioctl whose argument points to arg.
	exchange(request uint, arg []byte) error
}

// uinputMaker makes pads of its own.
type uinputMaker struct {
	path  string // /dev/uinput
	input string // /dev/input
	model *profile
	node  func(path string) (node, error)
}

func (m *uinputMaker) name() string    { return DeviceUinput }
func (m *uinputMaker) profile() string { return m.model.name }

func (m *uinputMaker) probe() error {
	n, err := m.node(m.path)
	if err != nil {
		return err
	}
	return n.Close()
}

// open makes the pad of a slot. Its node appears under /dev/input when open returns, or a little later where udev
// makes the nodes.
func (m *uinputMaker) open(slot int, tell func(feedback)) (device, error) {
	n, err := m.node(m.path)
	if err != nil {
		return nil, err
	}
	if err := m.create(n, slot); err != nil {
		_ = n.Close()
		return nil, err
	}
	d := &uinputPad{nodePad: nodePad{node: n, outputs: &m.model.layout}, slot: slot, input: m.input, tell: tell, done: make(chan struct{})}
	go d.listen()
	return d, nil
}

func (m *uinputMaker) create(n node, slot int) error {
	for _, bit := range []int{evKey, evAbs, evFF} {
		if err := n.set(uiSetEvBit, bit); err != nil {
			return fmt.Errorf("UI_SET_EVBIT %#x: %w", bit, err)
		}
	}
	for _, bit := range []int{ffRumble, ffGain} {
		if err := n.set(uiSetFFBit, bit); err != nil {
			return fmt.Errorf("UI_SET_FFBIT %#x: %w", bit, err)
		}
	}
	for _, o := range m.model.layout.outputs {
		request, name := uint(uiSetKeyBit), "UI_SET_KEYBIT"
		if o.typ == evAbs {
			request, name = uiSetAbsBit, "UI_SET_ABSBIT"
		}
		if err := n.set(request, int(o.code)); err != nil {
			return fmt.Errorf("%s %#x: %w", name, o.code, err)
		}
	}
	// The place in the hardware, by which ghostaux knows its own pads. Nothing depends on a kernel that refuses it.
	_ = n.exchange(uiSetPhys, fmt.Appendf(nil, "%sslot%d\x00", physPrefix, slot))
	if err := m.describe(n); err != nil {
		return err
	}
	if err := n.set(uiDevCreate, 0); err != nil {
		return fmt.Errorf("UI_DEV_CREATE: %w", err)
	}
	return nil
}

// describe sets name, ids and ranges: with UI_DEV_SETUP, and on kernels before 4.5, which do not know it, by writing
// the older structure.
func (m *uinputMaker) describe(n node) error {
	err := n.exchange(uiDevSetup, m.setup())
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) {
		if _, err := n.Write(m.legacySetup()); err != nil {
			return fmt.Errorf("write uinput_user_dev: %w", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("UI_DEV_SETUP: %w", err)
	}
	for _, o := range m.model.layout.outputs {
		if o.typ != evAbs {
			continue
		}
		if err := n.exchange(uiAbsSetup, absSetup(o)); err != nil {
			return fmt.Errorf("UI_ABS_SETUP %#x: %w", o.code, err)
		}
	}
	return nil
}

// setup is struct uinput_setup: input_id, name[80], ff_effects_max.
func (m *uinputMaker) setup() []byte {
	b := appendID(make([]byte, 0, 92), m.model.id)
	b = appendName(b, m.model.product)
	return binary.NativeEndian.AppendUint32(b, maxEffects)
}

func appendID(b []byte, id inputID) []byte {
	for _, v := range []uint16{id.bus, id.vendor, id.product, id.version} {
		b = binary.NativeEndian.AppendUint16(b, v)
	}
	return b
}

func appendName(b []byte, name string) []byte {
	var field [uinputNameLength]byte
	copy(field[:uinputNameLength-1], name)
	return append(b, field[:]...)
}

// absSetup is struct uinput_abs_setup: code, 2 bytes of padding, input_absinfo {value, min, max, fuzz, flat, resolution}.
func absSetup(o output) []byte {
	b := binary.NativeEndian.AppendUint16(make([]byte, 0, 28), o.code)
	b = append(b, 0, 0)
	for _, v := range []int32{0, o.min, o.max, 0, o.flat, 0} {
		b = binary.NativeEndian.AppendUint32(b, uint32(v))
	}
	return b
}

// legacySetup is struct uinput_user_dev: name[80], input_id, ff_effects_max, absmax[64], absmin[64], absfuzz[64], absflat[64].
func (m *uinputMaker) legacySetup() []byte {
	b := appendName(make([]byte, 0, 1116), m.model.product)
	b = appendID(b, m.model.id)
	b = binary.NativeEndian.AppendUint32(b, maxEffects)
	var fields [4][absCount]int32
	for _, o := range m.model.layout.outputs {
		if o.typ == evAbs {
			fields[0][o.code], fields[1][o.code], fields[3][o.code] = o.max, o.min, o.flat
		}
	}
	for _, field := range fields {
		for _, v := range field {
			b = binary.NativeEndian.AppendUint32(b, uint32(v))
		}
	}
	return b
}

// nodePad writes frames to a node, one at a time.
type nodePad struct {
	node    node
	outputs *layout
	buf     [(maxOutputs + 1) * eventLength]byte
}

func (p *nodePad) layout() *layout { return p.outputs }

func (p *nodePad) writeFrame(events []event) error {
	b := p.buf[:0]
	for _, e := range events {
		b = appendEvent(b, e)
	}
	b = appendEvent(b, event{typ: evSyn})
	if _, err := p.node.Write(b); err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return nil
}

func appendEvent(b []byte, e event) []byte {
	var record [eventLength]byte
	binary.NativeEndian.PutUint16(record[16:], e.typ)
	binary.NativeEndian.PutUint16(record[18:], e.code)
	binary.NativeEndian.PutUint32(record[20:], uint32(e.value))
	return append(b, record[:]...)
}

// uinputPad is a pad that ghostaux made. One goroutine reads what games send to its motors.
type uinputPad struct {
	nodePad
	slot  int
	input string
	tell  func(feedback)
	done  chan struct{} // closed when the reading goroutine has ended
	gone  atomic.Bool   // Close was called: the end of reading is no loss
}

// report finds the event node of the pad below sysfs, and whether it exists in this container's /dev.
func (p *uinputPad) report() PadReport {
	var r PadReport
	var name [64]byte
	if p.node.exchange(uiGetSysname, name[:]) != nil {
		return r
	}
	found, _ := filepath.Glob(filepath.Join("/sys/devices/virtual/input", cString(name[:]), "event*"))
	if len(found) == 0 {
		return r
	}
	r.Node = filepath.Join(p.input, filepath.Base(found[0]))
	_, err := os.Stat(r.Node)
	r.Visible = err == nil
	return r
}

// Close removes the pad; programs that have it open read ENODEV.
func (p *uinputPad) Close() error {
	p.gone.Store(true)
	err := p.node.set(uiDevDestroy, 0)
	if cerr := p.node.Close(); err == nil {
		err = cerr
	}
	<-p.done
	return err
}
