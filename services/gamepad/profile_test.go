package gamepad

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// golden is what every single input of the W3C standard mapping becomes, in both profiles: "type code value".
func TestGolden(t *testing.T) {
	var kasm, xbox [buttons + 2*axes]string
	for i := range buttons {
		kasm[i] = fmt.Sprintf("key %#x 1", 0x120+i)
	}
	for i, code := range []int{0, 1, 3, 4} {
		kasm[buttons+2*i], kasm[buttons+2*i+1] = fmt.Sprintf("abs %#x 32767", code), fmt.Sprintf("abs %#x -32767", code)
	}
	copy(xbox[buttons:], kasm[buttons:]) // the sticks are the same
	copy(xbox[:buttons], []string{
		"key 0x130 1", "key 0x131 1", "key 0x133 1", "key 0x134 1", "key 0x136 1", "key 0x137 1",
		"abs 0x2 255", "abs 0x5 255", "key 0x13a 1", "key 0x13b 1", "key 0x13d 1", "key 0x13e 1",
		"abs 0x11 -1", "abs 0x11 1", "abs 0x10 -1", "abs 0x10 1", "key 0x13c 1",
	})
	for _, tt := range []struct {
		p    *profile
		want [buttons + 2*axes]string
	}{{kasmProfile(), kasm}, {xbox360Profile(), xbox}} {
		var got [buttons + 2*axes]string
		for i := range got {
			var f frame
			s := only(i)
			for _, e := range f.diff(&tt.p.layout, &s) {
				got[i] += describe(e)
			}
			if back := f.diff(&tt.p.layout, &State{}); len(back) != 1 || back[0].value != 0 {
				t.Errorf("%s: release of %d gives %v", tt.p.name, i, back)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.p.name, diff)
		}
		if len(tt.p.layout.outputs) > maxOutputs {
			t.Errorf("%s has more than %d outputs", tt.p.name, maxOutputs)
		}
	}
}

// only is the state with one input at its end: the buttons, then both ends of each axis.
func only(i int) (s State) {
	switch {
	case i < buttons:
		s.Buttons[i] = 255
	case (i-buttons)%2 == 0:
		s.Axes[(i-buttons)/2] = axisLimit
	default:
		s.Axes[(i-buttons)/2] = -axisLimit
	}
	return s
}

func describe(e event) string {
	kind := "key"
	if e.typ == evAbs {
		kind = "abs"
	}
	return fmt.Sprintf("%s %#x %d", kind, e.code, e.value)
}

func TestAnalogue(t *testing.T) {
	l := xbox360Profile().layout
	var f frame
	for _, tt := range []struct {
		value uint8
		want  []event
	}{
		{1, []event{{evAbs, absZ, 1}}},
		{128, []event{{evAbs, absZ, 128}}},
		{128, []event{}},
		{255, []event{{evAbs, absZ, 255}}},
		{0, []event{{evAbs, absZ, 0}}},
	} {
		s := State{}
		s.Buttons[w3cLT] = tt.value
		if got := f.diff(&l, &s); !cmp.Equal(got, tt.want, cmp.AllowUnexported(event{})) {
			t.Errorf("trigger %d: %v, want %v", tt.value, got, tt.want)
		}
	}
	// A button of the kasm profile is pressed from half way on.
	k := kasmProfile().layout
	for value, want := range map[uint8]int{0: 0, 127: 0, 128: 1, 255: 1} {
		s := State{}
		s.Buttons[w3cLT] = value
		var f frame
		if got := f.diff(&k, &s); len(got) != want {
			t.Errorf("value %d: %v", value, got)
		}
	}
}

func TestOnlyChanges(t *testing.T) {
	l := xbox360Profile().layout
	var f frame
	s := State{Axes: [axes]int16{100, 200}}
	s.Buttons[w3cA] = 255
	if n := len(f.diff(&l, &s)); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
	s.Axes[0] = 101
	if got := f.diff(&l, &s); len(got) != 1 || got[0] != (event{evAbs, absX, 101}) {
		t.Errorf("got %v", got)
	}
	f.forget()
	if n := len(f.diff(&l, &State{})); n != len(l.outputs) {
		t.Errorf("%d events after forget, want all %d", n, len(l.outputs))
	}
}

func TestOppositeDirections(t *testing.T) {
	l := xbox360Profile().layout
	var f frame
	s := State{}
	s.Buttons[w3cUp], s.Buttons[w3cDown] = 255, 255
	if got := f.diff(&l, &s); len(got) != 0 {
		t.Errorf("up and down together: %v, want nothing", got)
	}
}

func TestScale(t *testing.T) {
	for _, tt := range []struct {
		min, max int32
		in       int64
		want     int32
	}{
		{-32767, 32767, -1, -1},
		{-32768, 32767, -32767, -32767},
		{0, 255, 0, 127},
		{0, 255, 32767, 255},
		{0, 255, -32767, 0},
		{-128, 127, 32767, 127},
		{-128, 127, -32767, -128},
		{-2147483648, 2147483647, 32767, 2147483647},
	} {
		o := output{min: tt.min, max: tt.max}
		if got := o.scale(tt.in); got != tt.want {
			t.Errorf("%d in %d..%d: %d, want %d", tt.in, tt.min, tt.max, got, tt.want)
		}
	}
}

func TestChooseProfile(t *testing.T) {
	guid := "030000005E040000BE02000014010000,XInput Controller,a:b0"
	for _, tt := range []struct{ flag, env, want string }{
		{ProfileAuto, "", ProfileXbox360},
		{ProfileAuto, guid, ProfileKasm},
		{ProfileAuto, "030000005e0400008e02000010010000,Other,a:b0\n" + guid, ProfileKasm},
		{ProfileXbox360, guid, ProfileXbox360},
		{ProfileKasm, "", ProfileKasm},
	} {
		if got := chooseProfile(tt.flag, tt.env).name; got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}
