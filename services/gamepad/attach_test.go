package gamepad

import (
	"errors"
	"strings"
	"testing"
)

// fakeInput is a node that describes an input device.
func fakeInput(d inputDevice) *fakeNode {
	n := newFakeNode()
	n.answers[eviocgID] = func(arg []byte) error { copy(arg, appendID(nil, d.id)); return nil }
	text := func(s string) func([]byte) error {
		return func(arg []byte) error { copy(arg, s+"\x00"); return nil }
	}
	n.answers[withLength(eviocgName, 256)], n.answers[withLength(eviocgPhys, 256)] = text(d.name), text(d.phys)
	mask := func(codes []uint16) func([]byte) error {
		return func(arg []byte) error {
			for _, c := range codes {
				arg[c/8] |= 1 << (c % 8)
			}
			return nil
		}
	}
	n.answers[withLength(eviocgBit+evKey, keyMax/8+1)] = mask(d.keys)
	n.answers[withLength(eviocgBit+evAbs, absMax/8+1)] = mask(d.abs)
	return n
}

func TestAttachOnlyToVirtualPads(t *testing.T) {
	codesOf := func(p *profile, typ uint16) (list []uint16) {
		for _, o := range p.layout.outputs {
			if o.typ == typ {
				list = append(list, o.code)
			}
		}
		return list
	}
	pad := func(p *profile, change func(d *inputDevice)) inputDevice {
		d := inputDevice{id: p.id, name: p.product, keys: codesOf(p, evKey), abs: codesOf(p, evAbs)}
		change(&d)
		return d
	}
	same := func(*inputDevice) {}
	for name, tt := range map[string]struct {
		device inputDevice
		refuse string // "": taken
	}{
		"kasm":             {pad(kasmProfile(), same), ""},
		"xbox360":          {pad(xbox360Profile(), same), ""},
		"python's uinput":  {pad(kasmProfile(), func(d *inputDevice) { d.phys = "py-evdev-uinput" }), ""},
		"volume keys, too": {pad(kasmProfile(), func(d *inputDevice) { d.keys = append([]uint16{114, 115}, d.keys...) }), ""},
		"real":             {pad(xbox360Profile(), func(d *inputDevice) { d.phys = "usb-0000:00:14.0-2/input0" }), "usb-"},
		"our own":          {pad(xbox360Profile(), func(d *inputDevice) { d.phys = "ghostaux/slot1" }), "ghostaux/"},
		"keyboard":         {inputDevice{id: inputID{3, 0x046d, 0xc31c, 0x110}, name: "Keyboard pad", keys: []uint16{30, 31}}, "ids"},
		"with letters":     {pad(kasmProfile(), func(d *inputDevice) { d.keys = append([]uint16{30}, d.keys...) }), "keyboard's keys"},
		"other vendor":     {pad(kasmProfile(), func(d *inputDevice) { d.id.vendor = 0x054c }), "ids"},
		"a mouse":          {pad(kasmProfile(), func(d *inputDevice) { d.name = "Microsoft Mouse" }), "name"},
		"no name":          {pad(kasmProfile(), func(d *inputDevice) { d.name = "" }), "name"},
		"too few buttons":  {pad(kasmProfile(), func(d *inputDevice) { d.keys = d.keys[:16] }), "16 keys"},
		"too few axes":     {pad(kasmProfile(), func(d *inputDevice) { d.abs = d.abs[:3] }), "3 axes"},
	} {
		t.Run(name, func(t *testing.T) {
			n := fakeInput(tt.device)
			d, err := (&attachMaker{dir: "/dev/input", node: n.open}).open(1, nil)
			if tt.refuse == "" {
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				if !d.layout().foreign {
					t.Error("its state is taken for known")
				}
				return
			}
			if !errors.Is(err, errNotAPad) || !strings.Contains(err.Error(), tt.refuse) {
				t.Errorf("error %v, want one about %q", err, tt.refuse)
			}
			if len(n.writes) > 0 || !n.closed {
				t.Error("written to, or left open")
			}
		})
	}
}
