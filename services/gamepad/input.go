package gamepad

// Event types and codes of linux/input-event-codes.h, as far as pads have them.
const (
	evSyn    = 0x00
	evKey    = 0x01
	evAbs    = 0x03
	evFF     = 0x15
	evUinput = 0x0101 // read from uinput only

	btnJoystick = 0x120
	btnA        = 0x130
	btnB        = 0x131
	btnX        = 0x133
	btnY        = 0x134
	btnTL       = 0x136
	btnTR       = 0x137
	btnSelect   = 0x13a
	btnStart    = 0x13b
	btnMode     = 0x13c
	btnThumbL   = 0x13d
	btnThumbR   = 0x13e
	keyMax      = 0x2ff

	absX     = 0x00
	absY     = 0x01
	absZ     = 0x02
	absRX    = 0x03
	absRY    = 0x04
	absRZ    = 0x05
	absHat0X = 0x10
	absHat0Y = 0x11
	absMax   = 0x3f

	ffRumble = 0x50
	ffGain   = 0x60
)

// inputID is struct input_id.
type inputID struct{ bus, vendor, product, version uint16 }

// event is an input event without its time, which the kernel sets.
type event struct {
	typ, code uint16
	value     int32
}

// device is one pad as programs in the desktop see it.
type device interface {
	// writeFrame hands the events to the kernel in one write, with a SYN_REPORT at the end.
	writeFrame(events []event) error
	// layout says which events the device takes.
	layout() *layout
	// report says where programs find the device.
	report() PadReport
	// Close removes the device, or lets go of it when it is not ours. Its maker's feedback ends.
	Close() error
}

// maker opens the device of a slot. What games tell its motors is passed to tell, which must not block, from a
// goroutine that ends with Close of the device.
type maker interface {
	open(slot int, tell func(feedback)) (device, error)
	// probe says whether open has a chance, without making anything.
	probe() error
	// name is "uinput" or "attach".
	name() string
	// profile is the pad model that it makes, "" when each device has its own.
	profile() string
}

// feedback is what a game tells a pad's motors.
type feedback struct {
	slot   int
	kind   feedbackKind
	id     int16  // of the effect
	count  int32  // of play: repetitions, 0 stops; of gain: 0..0xffff
	effect effect // of upload
	err    error  // of lost: why the device is gone
}

type feedbackKind uint8

const (
	upload feedbackKind = iota
	erase
	play
	gain
	lost // the device cannot be read any more
)
