package gamepad

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// Shape of a state row: [slot, axis 0..3, button 0..16], always whole.
const (
	Slots     = 4  // pads that the desktop has
	axes      = 4  // left x, left y, right x, right y
	buttons   = 17 // in the order of the W3C standard mapping
	rowLen    = 1 + axes + buttons
	axisLimit = 32767
	noSlot    = -1
)

// Limits of what a peer may send in one message. A browser has four pads and the client's rows are short.
const (
	maxMessage = 64 << 10 // bytes
	maxRows    = 16
	maxNumber  = 32  // bytes of one number; JavaScript writes at most 25
	maxID      = 256 // bytes of a Gamepad.id that are kept; it is only compared
)

// State is one pad's whole state.
type State struct {
	Axes    [axes]int16    // -32767..32767, up and left negative
	Buttons [buttons]uint8 // 0..255, analogue
}

// pressed is the threshold at which an analogue button counts as a digital one: half way, which is where SDL puts it.
const pressed = 128

type row struct {
	slot  int8 // 0..3, or noSlot for a pad that the page gave no slot
	state State
}

type messageKind uint8

const (
	states       messageKind = iota
	connected                // {"message_type":"device_connected"}
	disconnected             // {"message_type":"device_disconnected"}
	unknown                  // an object of a type that this version does not know; ignored
)

// message is what one text message of a peer says. It is reused from one message to the next.
type message struct {
	kind  messageKind
	id    string // Gamepad.id; not unique: two pads of one model have the same
	index int    // of device_*: a slot, or at open the browser's own index; noSlot when null
	count int
	rows  [maxRows]row
}

// Errors of decode. Their texts go to the peer.
var (
	errShape   = errors.New("a message is a JSON array of state rows, or an object with message_type")
	errRow     = fmt.Errorf("a state row is [slot, %d axes, %d buttons]", axes, buttons)
	errSlot    = fmt.Errorf("a slot is 0 to %d, or null", Slots-1)
	errTooMany = fmt.Errorf("a message has at most %d state rows", maxRows)
)

// decode fills m with what the message says. The array of rows, which comes fifty times a second, has a parser of
// its own that does not allocate; the rare objects are left to encoding/json.
func decode(msg []byte, m *message) error {
	p := parser{rest: msg}
	switch p.peek() {
	case '[':
		m.kind, m.count = states, 0
		return p.rows(m)
	case '{':
		return decodeObject(msg, m)
	}
	return errShape
}

func decodeObject(msg []byte, m *message) error {
	var o struct {
		Type  string   `json:"message_type"`
		ID    string   `json:"id"`
		Index *float64 `json:"index"`
	}
	if err := json.Unmarshal(msg, &o); err != nil {
		return errShape
	}
	switch o.Type {
	case "device_connected":
		m.kind = connected
	case "device_disconnected":
		m.kind = disconnected
	case "":
		return errShape
	default:
		m.kind = unknown
	}
	m.id = cut(o.ID, maxID)
	m.index = noSlot
	if o.Index != nil && *o.Index >= 0 && *o.Index < Slots && *o.Index == math.Trunc(*o.Index) {
		m.index = int(*o.Index)
	}
	return nil
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// parser reads the array of state rows.
type parser struct{ rest []byte }

// peek skips white space and returns the next byte, or 0 at the end.
func (p *parser) peek() byte {
	for len(p.rest) > 0 {
		switch p.rest[0] {
		case ' ', '\t', '\r', '\n':
			p.rest = p.rest[1:]
		default:
			return p.rest[0]
		}
	}
	return 0
}

// accept takes the byte when it is the next one.
func (p *parser) accept(b byte) bool {
	if p.peek() != b || b == 0 {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// rows reads everything: [] or [row, row, ...].
func (p *parser) rows(m *message) error {
	p.accept('[')
	if !p.accept(']') {
		for {
			if m.count == maxRows {
				return errTooMany
			}
			if err := p.row(&m.rows[m.count]); err != nil {
				return err
			}
			m.count++
			if p.accept(']') {
				break
			}
			if !p.accept(',') {
				return errShape
			}
		}
	}
	if p.peek() != 0 || len(p.rest) > 0 {
		return errShape
	}
	return nil
}

func (p *parser) row(r *row) error {
	if !p.accept('[') {
		return errRow
	}
	for i := range rowLen {
		if i > 0 && !p.accept(',') {
			return errRow
		}
		v, null, ok := p.number()
		if !ok {
			return errRow
		}
		switch {
		case i > axes:
			r.state.Buttons[i-axes-1] = button(v)
		case i > 0:
			r.state.Axes[i-1] = axis(v)
		case null:
			r.slot = noSlot
		case v < 0 || v >= Slots || v != math.Trunc(v):
			return errSlot
		default:
			r.slot = int8(v)
		}
	}
	if !p.accept(']') {
		return errRow
	}
	return nil
}

// axis and button take what is out of range to its nearest end. JavaScript writes NaN as null, which is read as 0.
func axis(v float64) int16 {
	return int16(math.Round(max(-axisLimit, min(v, axisLimit))))
}

func button(v float64) uint8 {
	return uint8(math.Round(max(0, min(v, 1)) * 255))
}

var null = []byte("null")

// number reads a JSON number, or null.
func (p *parser) number() (v float64, isNull, ok bool) {
	p.peek()
	if bytes.HasPrefix(p.rest, null) {
		p.rest = p.rest[len(null):]
		return 0, true, true
	}
	n := numberLen(p.rest)
	if n == 0 || n > maxNumber {
		return 0, false, false
	}
	text := p.rest[:n]
	p.rest = p.rest[n:]
	if n == 1 {
		return float64(text[0] - '0'), false, true
	}
	v, err := strconv.ParseFloat(string(text), 64)
	return v, false, err == nil
}

// numberLen is the length of the JSON number that b begins with, 0 for none. JSON knows fewer forms than ParseFloat:
// no hexadecimal, no leading plus or zero, no Inf.
func numberLen(b []byte) int {
	n := 0
	if n < len(b) && b[n] == '-' {
		n++
	}
	whole := digits(b[n:])
	if whole == 0 || whole > 1 && b[n] == '0' {
		return 0
	}
	n += whole
	if n < len(b) && b[n] == '.' {
		d := digits(b[n+1:])
		if d == 0 {
			return 0
		}
		n += 1 + d
	}
	if n < len(b) && (b[n] == 'e' || b[n] == 'E') {
		e := n + 1
		if e < len(b) && (b[e] == '+' || b[e] == '-') {
			e++
		}
		d := digits(b[e:])
		if d == 0 {
			return 0
		}
		n = e + d
	}
	return n
}

func digits(b []byte) int {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}

func (m *message) rowCount() int {
	if m.kind == states {
		return m.count
	}
	return 1
}

// appendRumble appends the message that tells a page what a pad's motors shall do: magnitudes 0 to 1, duration in ms.
func appendRumble(b []byte, slot int, v vibration) []byte {
	b = append(b, `{"message_type":"rumble","index":`...)
	b = strconv.AppendInt(b, int64(slot), 10)
	b = append(b, `,"strong":`...)
	b = strconv.AppendFloat(b, float64(v.strong)/fullMagnitude, 'f', 3, 64)
	b = append(b, `,"weak":`...)
	b = strconv.AppendFloat(b, float64(v.weak)/fullMagnitude, 'f', 3, 64)
	b = append(b, `,"duration":`...)
	b = strconv.AppendInt(b, v.length.Milliseconds(), 10)
	return append(b, '}')
}
