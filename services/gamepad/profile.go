package gamepad

import "math"

// source says which part of a State an event's value is made of.
type source uint8

const (
	fromButton  source = iota // 0 or 1, pressed at half way
	fromTrigger               // minimum..maximum, analogue
	fromAxis                  // minimum..maximum around their middle
	fromHat                   // -1, 0 or 1 of two buttons
)

// output is one event code of a device and where its value comes from.
type output struct {
	typ, code      uint16
	from           source
	index, second  uint8 // of the axis or button; second is the positive button of a hat
	min, max, flat int32 // of an absolute axis: struct input_absinfo
}

// layout is the list of a device's events, at most maxOutputs.
type layout struct {
	outputs []output
	foreign bool // the device was there before us, and may have any state
}

const maxOutputs = 32

// profile is a pad model: what a program can learn about the device.
type profile struct {
	name    string // of the profile, for flags and status
	product string // of the device, as programs show it
	id      inputID
	layout  layout
}

// The order of the W3C standard mapping's buttons.
const (
	w3cA = iota
	w3cB
	w3cX
	w3cY
	w3cLB
	w3cRB
	w3cLT
	w3cRT
	w3cBack
	w3cStart
	w3cL3
	w3cR3
	w3cUp
	w3cDown
	w3cLeft
	w3cRight
	w3cGuide
)

// kasmProfile is the pad that the desktop images' SDL_GAMECONTROLLERCONFIG describes: 17 plain buttons in W3C order,
// which SDL numbers by ascending key code, and four axes. The codes are those of a joystick (0x120 to 0x130), since
// the ones that follow the last gamepad button are a drawing tablet's.
func kasmProfile() *profile {
	p := &profile{
		name: ProfileKasm, product: "XInput Controller",
		id: inputID{bus: 0x03, vendor: 0x045e, product: 0x02be, version: 0x0114},
	}
	for i := range uint8(buttons) {
		p.layout.outputs = append(p.layout.outputs, output{typ: evKey, code: btnJoystick + uint16(i), from: fromButton, index: i})
	}
	for i, code := range []uint16{absX, absY, absRX, absRY} {
		p.layout.outputs = append(p.layout.outputs, stick(code, uint8(i), -axisLimit, 0))
	}
	return p
}

// xbox360Profile is the pad that every game knows, laid out as the kernel's xpad driver does it. The sticks have no
// fuzz, which xpad gives them against the noise of real ones: the kernel would not let a released stick go all the
// way back to its centre.
func xbox360Profile() *profile {
	p := &profile{
		name: ProfileXbox360, product: "Microsoft X-Box 360 pad",
		id: inputID{bus: 0x03, vendor: 0x045e, product: 0x028e, version: 0x0110},
	}
	for _, b := range []struct {
		code  uint16
		index uint8
	}{
		{btnA, w3cA},
		{btnB, w3cB},
		{btnX, w3cX},
		{btnY, w3cY},
		{btnTL, w3cLB},
		{btnTR, w3cRB},
		{btnSelect, w3cBack},
		{btnStart, w3cStart},
		{btnMode, w3cGuide},
		{btnThumbL, w3cL3},
		{btnThumbR, w3cR3},
	} {
		p.layout.outputs = append(p.layout.outputs, output{typ: evKey, code: b.code, from: fromButton, index: b.index})
	}
	p.layout.outputs = append(p.layout.outputs,
		stick(absX, 0, -axisLimit-1, 128), stick(absY, 1, -axisLimit-1, 128),
		trigger(absZ, w3cLT),
		stick(absRX, 2, -axisLimit-1, 128), stick(absRY, 3, -axisLimit-1, 128),
		trigger(absRZ, w3cRT),
		hat(absHat0X, w3cLeft, w3cRight), hat(absHat0Y, w3cUp, w3cDown),
	)
	return p
}

func stick(code uint16, index uint8, lowest, flat int32) output {
	return output{typ: evAbs, code: code, from: fromAxis, index: index, min: lowest, max: axisLimit, flat: flat}
}

func trigger(code uint16, index uint8) output {
	return output{typ: evAbs, code: code, from: fromTrigger, index: index, max: 255}
}

func hat(code uint16, negative, positive uint8) output {
	return output{typ: evAbs, code: code, from: fromHat, index: negative, second: positive, min: -1, max: 1}
}

// value is what the event says for the state.
func (o *output) value(s *State) int32 {
	switch o.from {
	case fromButton:
		return digital(s.Buttons[o.index])
	case fromTrigger:
		return o.min + (o.max-o.min)*int32(s.Buttons[o.index])/255
	case fromHat:
		return digital(s.Buttons[o.second]) - digital(s.Buttons[o.index])
	}
	return o.scale(int64(s.Axes[o.index]))
}

// scale takes -32767..32767 to the axis's range; 0 is its middle. For the ranges of both profiles it changes nothing.
func (o *output) scale(v int64) int32 {
	low, high := int64(o.min), int64(o.max)
	if high == axisLimit && (low == -axisLimit || low == -axisLimit-1) {
		return int32(v)
	}
	middle := low + (high-low)/2
	if v < 0 {
		return int32(middle + v*(middle-low)/axisLimit)
	}
	return int32(middle + v*(high-middle)/axisLimit)
}

func digital(b uint8) int32 {
	if b >= pressed {
		return 1
	}
	return 0
}

// frame is the last values that a device was given, and the room for the next events.
type frame struct {
	last   [maxOutputs]int32
	events [maxOutputs]event
}

// unknownValue is no value of any event.
const unknownValue = math.MinInt32

// forget makes the next diff say everything, since nobody knows what the device has now. Without it, the device is
// taken for a new one, to whose keys and axes the kernel gives 0.
func (f *frame) forget() {
	for i := range f.last {
		f.last[i] = unknownValue
	}
}

// diff returns the events that take the device to the state: only what changed. They are valid until the next call.
func (f *frame) diff(l *layout, s *State) []event {
	n := 0
	for i := range l.outputs {
		o := &l.outputs[i]
		if v := o.value(s); v != f.last[i] {
			f.last[i] = v
			f.events[n] = event{typ: o.typ, code: o.code, value: v}
			n++
		}
	}
	return f.events[:n]
}
