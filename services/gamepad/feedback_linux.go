package gamepad

import (
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/service"
)

// Requests of linux/uinput.h about force feedback, and the codes of EV_UINPUT that ask for them.
const (
	uiBeginFFUpload = 0xc06855c8 // struct uinput_ff_upload, 104 bytes
	uiEndFFUpload   = 0x406855c9
	uiBeginFFErase  = 0xc00c55ca // struct uinput_ff_erase, 12 bytes
	uiEndFFErase    = 0x400c55cb
	uinputFFUpload  = 1
	uinputFFErase   = 2
)

// listen reads until Close; any other end is the loss of the device.
func (p *uinputPad) listen() {
	defer close(p.done)
	if err := service.Protect(p.read); !p.gone.Load() {
		p.tell(feedback{slot: p.slot, kind: lost, err: fmt.Errorf("read feedback: %w", err)})
	}
}

// read answers the kernel, which keeps a game waiting in its ioctl while an upload or erasure is not answered.
func (p *uinputPad) read() error {
	var buf [16 * eventLength]byte
	for {
		n, err := p.node.Read(buf[:])
		if err != nil {
			return err
		}
		for b := buf[:n]; len(b) >= eventLength; b = b[eventLength:] {
			p.handle(event{
				typ:   binary.NativeEndian.Uint16(b[16:]),
				code:  binary.NativeEndian.Uint16(b[18:]),
				value: int32(binary.NativeEndian.Uint32(b[20:])),
			})
		}
	}
}

func (p *uinputPad) handle(e event) {
	switch {
	case e.typ == evUinput && e.code == uinputFFUpload:
		p.upload(uint32(e.value))
	case e.typ == evUinput && e.code == uinputFFErase:
		p.erase(uint32(e.value))
	case e.typ == evFF && e.code == ffGain:
		p.tell(feedback{slot: p.slot, kind: gain, count: e.value})
	case e.typ == evFF && e.code < maxEffects:
		p.tell(feedback{slot: p.slot, kind: play, id: int16(e.code), count: e.value})
	}
}

// upload takes struct uinput_ff_upload: request_id, retval, ff_effect effect, ff_effect old, each of 48 bytes.
func (p *uinputPad) upload(request uint32) {
	var arg [104]byte
	binary.NativeEndian.PutUint32(arg[0:], request)
	if p.node.exchange(uiBeginFFUpload, arg[:]) != nil {
		return // the game has given up
	}
	e, ok := decodeEffect(arg[8:56])
	if ok {
		p.tell(feedback{slot: p.slot, kind: upload, id: e.id, effect: e})
	} else {
		retval := -int32(unix.EINVAL)
		binary.NativeEndian.PutUint32(arg[4:], uint32(retval))
	}
	_ = p.node.exchange(uiEndFFUpload, arg[:])
}

func (p *uinputPad) erase(request uint32) {
	var arg [12]byte // struct uinput_ff_erase: request_id, retval, effect_id
	binary.NativeEndian.PutUint32(arg[0:], request)
	if p.node.exchange(uiBeginFFErase, arg[:]) != nil {
		return
	}
	if id := binary.NativeEndian.Uint32(arg[8:]); id < maxEffects {
		p.tell(feedback{slot: p.slot, kind: erase, id: int16(id)})
	}
	_ = p.node.exchange(uiEndFFErase, arg[:])
}

// decodeEffect reads struct ff_effect: type 2, id 2, direction 2, trigger 4, replay {length, delay in ms} 4, 2 bytes
// of padding, and for FF_RUMBLE strong_magnitude 2, weak_magnitude 2.
func decodeEffect(b []byte) (effect, bool) {
	u16 := func(at int) uint16 { return binary.NativeEndian.Uint16(b[at:]) }
	e := effect{
		id: int16(u16(2)), strong: u16(16), weak: u16(18),
		length: time.Duration(u16(10)) * time.Millisecond, delay: time.Duration(u16(12)) * time.Millisecond,
	}
	return e, u16(0) == ffRumble && e.id >= 0 && e.id < maxEffects
}
