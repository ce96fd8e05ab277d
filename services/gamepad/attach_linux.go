package gamepad

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Requests of linux/input.h; the length of the answer is added to them.
const (
	eviocgID   = 0x80084502
	eviocgName = 0x80004506
	eviocgPhys = 0x80004507
	eviocgBit  = 0x80004520 // + event type
	eviocgAbs  = 0x80184540 // + axis; struct input_absinfo, 24 bytes
)

func withLength(request uint, n int) uint { return request | uint(n)<<16 }

// errNotAPad is why an input device was left alone. It is written to only when it is surely a virtual pad.
var errNotAPad = errors.New("not a virtual gamepad")

// attachMaker writes to pads that somebody made for this container on its host: Kasm's agent maps them in as
// /dev/input/event0 to event3, one for each slot.
type attachMaker struct {
	dir  string // /dev/input
	node func(path string) (node, error)
}

func (m *attachMaker) name() string { return DeviceAttach }

func (m *attachMaker) profile() string { return "" } // the device's own

func (m *attachMaker) path(slot int) string {
	return filepath.Join(m.dir, fmt.Sprintf("event%d", slot))
}

// present lists the nodes of the slots that have a pad.
func (m *attachMaker) present() []string {
	var found []string
	for slot := range Slots {
		if d, err := m.open(slot, nil); err == nil {
			found = append(found, m.path(slot))
			_ = d.Close()
		}
	}
	return found
}

func (m *attachMaker) probe() error {
	if len(m.present()) == 0 {
		return errNotAPad
	}
	return nil
}

func (m *attachMaker) open(slot int, _ func(feedback)) (device, error) {
	n, err := m.node(m.path(slot))
	if err != nil {
		return nil, err
	}
	found, err := inspect(n)
	if err == nil {
		var l *layout
		if l, err = found.layout(n); err == nil {
			return &attachedPad{nodePad: nodePad{node: n, outputs: l}, path: m.path(slot)}, nil
		}
	}
	_ = n.Close()
	return nil, fmt.Errorf("%s: %w", m.path(slot), err)
}

// attachedPad is a pad that is not ours: Close lets go of it.
type attachedPad struct {
	nodePad
	path string
}

func (p *attachedPad) report() PadReport { return PadReport{Node: p.path, Visible: true} }

func (p *attachedPad) Close() error { return p.node.Close() }

// inputDevice is what a device says about itself.
type inputDevice struct {
	id         inputID
	name, phys string
	keys, abs  []uint16 // codes, ascending
}

func inspect(n node) (*inputDevice, error) {
	var id [8]byte
	if err := n.exchange(eviocgID, id[:]); err != nil {
		return nil, fmt.Errorf("EVIOCGID: %w", err)
	}
	u16 := func(at int) uint16 { return binary.NativeEndian.Uint16(id[at:]) }
	d := &inputDevice{id: inputID{bus: u16(0), vendor: u16(2), product: u16(4), version: u16(6)}}
	var text [256]byte
	if err := n.exchange(withLength(eviocgName, len(text)), text[:]); err != nil {
		return nil, fmt.Errorf("EVIOCGNAME: %w", err)
	}
	d.name = cString(text[:])
	clear(text[:])
	if n.exchange(withLength(eviocgPhys, len(text)), text[:]) == nil { // ENOENT: it has none
		d.phys = cString(text[:])
	}
	var err error
	if d.keys, err = codes(n, evKey, keyMax); err != nil {
		return nil, err
	}
	if d.abs, err = codes(n, evAbs, absMax); err != nil {
		return nil, err
	}
	return d, nil
}

func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// codes lists the codes of an event type that the device has.
func codes(n node, typ, highest int) ([]uint16, error) {
	mask := make([]byte, highest/8+1)
	if err := n.exchange(withLength(eviocgBit+uint(typ), len(mask)), mask); err != nil {
		return nil, fmt.Errorf("EVIOCGBIT %#x: %w", typ, err)
	}
	var found []uint16
	for code := range highest + 1 {
		if mask[code/8]>>(code%8)&1 != 0 {
			found = append(found, uint16(code))
		}
	}
	return found, nil
}

// check says why a device is not a pad that was made for us. Ids and name say what it is; a real device has a place
// in the hardware (phys) and a keyboard has letters, whatever else they say.
func (d *inputDevice) check() error {
	kasm, xbox := kasmProfile().id, xbox360Profile().id
	refuse := func(why string) error {
		return fmt.Errorf("%w: %q %04x:%04x: %s", errNotAPad, d.name, d.id.vendor, d.id.product, why)
	}
	if d.id.vendor != kasm.vendor || d.id.product != kasm.product && d.id.product != xbox.product {
		return refuse("other ids than a pad that Kasm makes")
	}
	name := strings.ToLower(d.name)
	if !slices.ContainsFunc([]string{"controller", "pad", "x-box", "xbox", "joystick"}, func(word string) bool {
		return strings.Contains(name, word)
	}) {
		return refuse("not a pad's name")
	}
	if strings.HasPrefix(d.phys, "usb-") || strings.HasPrefix(d.phys, physPrefix) {
		return refuse("it is at " + d.phys)
	}
	// Codes below BTN_MISC (0x100) are keyboard keys; a pad may have media keys, which are above the letters.
	const keyEsc, keySpace = 1, 57
	if i, _ := slices.BinarySearch(d.keys, keyEsc); i < len(d.keys) && d.keys[i] <= keySpace {
		return refuse("it has a keyboard's keys")
	}
	return nil
}

// layout is how the device wants to be written to: as an Xbox 360 pad when it has a hat, else its buttons and axes in
// the order in which SDL numbers them, which is W3C order when SDL_GAMECONTROLLERCONFIG of the images describes it.
func (d *inputDevice) layout(n node) (*layout, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	l := d.shape()
	if l == nil {
		return nil, fmt.Errorf("%w: %q has %d keys and %d axes", errNotAPad, d.name, len(d.keys), len(d.abs))
	}
	l.foreign = true
	for i := range l.outputs {
		o := &l.outputs[i]
		if o.typ != evAbs || o.from == fromHat {
			continue
		}
		var info [24]byte // struct input_absinfo: value, minimum, maximum, ...
		if err := n.exchange(eviocgAbs+uint(o.code), info[:]); err != nil {
			return nil, fmt.Errorf("EVIOCGABS %#x: %w", o.code, err)
		}
		o.min = int32(binary.NativeEndian.Uint32(info[4:]))
		o.max = int32(binary.NativeEndian.Uint32(info[8:]))
	}
	return l, nil
}

func (d *inputDevice) shape() *layout {
	if x := xbox360Profile(); d.has(&x.layout) {
		return &x.layout
	}
	buttonCodes := d.keys
	if i, _ := slices.BinarySearch(d.keys, btnJoystick); i > 0 { // SDL numbers from BTN_JOYSTICK up, then the rest
		buttonCodes = slices.Concat(d.keys[i:], d.keys[:i])
	}
	if len(buttonCodes) < buttons || len(d.abs) < axes {
		return nil
	}
	l := &layout{}
	for i, code := range buttonCodes[:buttons] {
		l.outputs = append(l.outputs, output{typ: evKey, code: code, from: fromButton, index: uint8(i)})
	}
	for i, code := range d.abs[:axes] {
		l.outputs = append(l.outputs, stick(code, uint8(i), -axisLimit, 0))
	}
	return l
}

// has reports whether the device has every event of the layout.
func (d *inputDevice) has(l *layout) bool {
	for _, o := range l.outputs {
		have := d.keys
		if o.typ == evAbs {
			have = d.abs
		}
		if _, ok := slices.BinarySearch(have, o.code); !ok {
			return false
		}
	}
	return true
}
