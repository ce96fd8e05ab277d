package gamepad

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
)

// rowText is a state row with the given cells instead of zeros, by their place in the row.
func rowText(cells map[int]string) string {
	parts := make([]string, rowLen)
	for i := range parts {
		parts[i] = "0"
		if c, ok := cells[i]; ok {
			parts[i] = c
		}
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func TestDecodeRows(t *testing.T) {
	full := State{Axes: [axes]int16{32767, -32767, -1, 16384}}
	full.Buttons[0], full.Buttons[6], full.Buttons[7], full.Buttons[16] = 255, 128, 0, 255
	tests := map[string]struct {
		in   string
		want []row
	}{
		"none":     {"[]", nil},
		"space":    {" [ ] \n", nil},
		"neutral":  {"[" + rowText(nil) + "]", []row{{}}},
		"all four": {"[" + rowText(nil) + "," + rowText(map[int]string{0: "1"}) + "," + rowText(map[int]string{0: "2"}) + "," + rowText(map[int]string{0: "3"}) + "]", []row{{slot: 0}, {slot: 1}, {slot: 2}, {slot: 3}}},
		"values": {
			"[" + rowText(map[int]string{0: "2", 1: "32767", 2: "-32767", 3: "-1", 4: "16384", 5: "1", 11: "0.5", 12: "0.0009765625", 21: "1"}) + "]",
			[]row{{slot: 2, state: full}},
		},
		"null slot":  {"[" + rowText(map[int]string{0: "null"}) + "]", []row{{slot: noSlot}}},
		"null value": {"[" + rowText(map[int]string{1: "null", 5: "null"}) + "]", []row{{}}},
		"clamped": {
			"[" + rowText(map[int]string{1: "99999", 2: "-1e9", 5: "2.0", 6: "-1"}) + "]",
			[]row{{state: State{Axes: [axes]int16{32767, -32767}, Buttons: [buttons]uint8{255}}}},
		},
		"exponent": {"[" + rowText(map[int]string{5: "1e-7", 6: "1E0"}) + "]", []row{{state: State{Buttons: [buttons]uint8{0, 255}}}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var m message
			if err := decode([]byte(tt.in), &m); err != nil {
				t.Fatal(err)
			}
			if m.kind != states || m.count != len(tt.want) {
				t.Fatalf("kind %d, %d rows, want %d", m.kind, m.count, len(tt.want))
			}
			for i, want := range tt.want {
				if m.rows[i] != want {
					t.Errorf("row %d: %+v, want %+v", i, m.rows[i], want)
				}
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	short := strings.TrimSuffix(rowText(nil), ",0]") + "]"
	tests := map[string]struct {
		in   string
		want error
	}{
		"empty":         {"", errShape},
		"word":          {"hello", errShape},
		"number":        {"7", errShape},
		"null":          {"null", errShape},
		"open":          {"[", errRow},
		"not rows":      {"[1,2]", errRow},
		"short row":     {"[" + short + "]", errRow},
		"long row":      {"[" + strings.TrimSuffix(rowText(nil), "]") + ",0]]", errRow},
		"string cell":   {"[" + rowText(map[int]string{3: `"x"`}) + "]", errRow},
		"string slot":   {"[" + rowText(map[int]string{0: `"x"`}) + "]", errRow},
		"slot 4":        {"[" + rowText(map[int]string{0: "4"}) + "]", errSlot},
		"slot -1":       {"[" + rowText(map[int]string{0: "-1"}) + "]", errSlot},
		"slot 0.5":      {"[" + rowText(map[int]string{0: "0.5"}) + "]", errSlot},
		"trailing":      {"[" + rowText(nil) + "]x", errShape},
		"trailing nul":  {"[]\x00", errShape},
		"comma":         {"[" + rowText(nil) + ",]", errRow},
		"no comma":      {"[" + rowText(nil) + rowText(nil) + "]", errShape},
		"hexadecimal":   {"[" + rowText(map[int]string{1: "0x10"}) + "]", errRow},
		"leading zero":  {"[" + rowText(map[int]string{1: "01"}) + "]", errRow},
		"NaN":           {"[" + rowText(map[int]string{1: "NaN"}) + "]", errRow},
		"overflow":      {"[" + rowText(map[int]string{1: "1e999"}) + "]", errRow},
		"endless digit": {"[" + rowText(map[int]string{1: strings.Repeat("1", 60000)}) + "]", errRow},
		"17 rows":       {"[" + strings.Repeat(rowText(nil)+",", 16) + rowText(nil) + "]", errTooMany},
		"object":        {"{}", errShape},
		"bad object":    {`{"message_type":1}`, errShape},
		"half object":   {`{"message_type":"device_connected"`, errShape},
		"word index":    {`{"message_type":"device_connected","id":"a","index":"x"}`, errShape},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var m message
			if err := decode([]byte(tt.in), &m); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestDecodeObjects(t *testing.T) {
	tests := map[string]message{
		`{"message_type":"device_connected","id":"Pad (Vendor: 045e)","index":2}`: {kind: connected, id: "Pad (Vendor: 045e)", index: 2},
		`{"message_type":"device_disconnected","id":"p","index":0}`:               {kind: disconnected, id: "p"},
		`{"message_type":"device_connected","id":"p","index":7}`:                  {kind: connected, id: "p", index: noSlot},
		`{"message_type":"device_connected","id":"p","index":null}`:               {kind: connected, id: "p", index: noSlot},
		`{"message_type":"device_connected"}`:                                     {kind: connected, index: noSlot},
		`{"message_type":"hello"}`:                                                {kind: unknown, index: noSlot},
		`{"message_type":"device_connected","id":"` + strings.Repeat("ü", 200) + `","index":1}`: {
			kind: connected, id: strings.Repeat("ü", 128), index: 1,
		},
	}
	for in, want := range tests {
		var m message
		if err := decode([]byte(in), &m); err != nil {
			t.Errorf("%s: %v", in, err)
		} else if m.kind != want.kind || m.id != want.id || m.index != want.index {
			t.Errorf("%s: %d %q %d, want %d %q %d", in, m.kind, m.id, m.index, want.kind, want.id, want.index)
		}
	}
}

// reference decodes an array of rows the slow way.
func reference(msg []byte) ([]row, bool) {
	var cells [][]*float64
	if json.Unmarshal(msg, &cells) != nil || cells == nil || len(cells) > maxRows {
		return nil, false
	}
	out := make([]row, len(cells))
	for i, c := range cells {
		if len(c) != rowLen {
			return nil, false
		}
		for j, v := range c {
			switch {
			case j == 0 && v == nil:
				out[i].slot = noSlot
			case j == 0 && (*v < 0 || *v > 3 || *v != math.Floor(*v)):
				return nil, false
			case j == 0:
				out[i].slot = int8(*v)
			case v == nil:
			case j <= axes:
				out[i].state.Axes[j-1] = int16(math.Round(math.Max(-32767, math.Min(32767, *v))))
			default:
				out[i].state.Buttons[j-1-axes] = uint8(math.Round(255 * math.Max(0, math.Min(1, *v))))
			}
		}
	}
	return out, true
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("[" + rowText(map[int]string{0: "null", 3: "-1", 9: "0.25"}) + "," + rowText(nil) + "]"))
	f.Add([]byte(`{"message_type":"device_connected","id":"p","index":3}`))
	f.Add([]byte(`[[1.0e0,-0,1E+2,-1.5e-3]]`))
	f.Fuzz(func(t *testing.T, msg []byte) {
		var m message
		err := decode(msg, &m)
		if err == nil && m.kind != states {
			if !json.Valid(msg) {
				t.Fatalf("accepted %q, which is not JSON", msg)
			}
			return
		}
		want, ok := reference(msg)
		if err != nil {
			if ok && !hasLongNumber(msg) {
				t.Fatalf("refused %q: %v", msg, err)
			}
			return
		}
		if !ok || len(want) != m.count {
			t.Fatalf("accepted %q, which encoding/json does not", msg)
		}
		for i := range want {
			if m.rows[i] != want[i] {
				t.Fatalf("%q: row %d is %+v, want %+v", msg, i, m.rows[i], want[i])
			}
		}
	})
}

// hasLongNumber: decode has a limit that encoding/json has not.
func hasLongNumber(msg []byte) bool {
	run := 0
	for _, b := range msg {
		if strings.IndexByte("0123456789+-.eE", b) < 0 {
			run = 0
		} else if run++; run > maxNumber {
			return true
		}
	}
	return false
}

func TestAppendRumble(t *testing.T) {
	got := string(appendRumble(nil, 3, vibration{strong: 0xffff, weak: 0x4000, length: 1500e6}))
	if want := `{"message_type":"rumble","index":3,"strong":1.000,"weak":0.250,"duration":1500}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !json.Valid([]byte(got)) {
		t.Error("not JSON")
	}
}
