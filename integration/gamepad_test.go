package integration

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"ghostaux/pkg/testkit"
)

// kasmConfig is the SDL_GAMECONTROLLERCONFIG of Kasm's desktop images.
const kasmConfig = "030000005e040000be02000014010000,XInput Controller,platform:Linux,a:b0,b:b1,x:b2,y:b3,back:b8,guide:b16,start:b9," +
	"leftstick:b10,rightstick:b11,leftshoulder:b4,rightshoulder:b5,dpup:b12,dpdown:b13,dpleft:b14,dpright:b15," +
	"leftx:a0,lefty:a1,rightx:a2,righty:a3,lefttrigger:b6,righttrigger:b7"

// TestGamepad runs everything about gamepads in one boot of the guest.
func TestGamepad(t *testing.T) {
	files := map[string]string{"/bin/ghostaux": testkit.Binary(t)}
	buildSDLProbe(t, files)
	m := &machine{Guest: testkit.StartGuest(t, testkit.GuestSpec{Files: files, Ports: []int{padPort, doorPort}})}
	t.Run("xbox360", m.testXbox360)
	t.Run("kasm", m.testKasm)
	t.Run("four pads", m.testFour)
	t.Run("goodbyes", m.testGoodbyes)
	t.Run("removed", m.testRemoved)
	t.Run("rumble", m.testRumble)
	t.Run("attach", m.testAttach)
	t.Run("not a pad", m.testNotAPad)
	t.Run("no permission", m.testNoPermission)
	t.Run("browser", m.testBrowser)
	t.Run("console", m.testConsole)
}

// padInputs are all buttons and both ends of all axes: the cell of the row and its value.
func padInputs() (list []map[int]string) {
	for i := range 17 {
		list = append(list, map[int]string{4 + i: "1"})
	}
	for i := range 4 {
		list = append(list, map[int]string{i: "32767"}, map[int]string{i: "-32767"})
	}
	return list
}

// testGolden sends every input alone and compares what two programs read of it: the event node's frames, and the
// joystick node's events as "type/number=value".
func (m *machine) testGolden(t *testing.T, frames, joystick []string) {
	c := m.connect(t)
	c.send(t, padRow(0, nil))
	pad := m.waitPad(t, 0)
	if pad.JS == "" {
		t.Fatal("no joystick node")
	}
	event, js := m.read(t, pad.Node), m.read(t, pad.JS)
	var gotFrames, gotJoystick []string
	for _, cells := range padInputs() {
		c.send(t, padRow(0, cells))
		gotFrames = append(gotFrames, event.frame(t))
		e := js.next(t)
		gotJoystick = append(gotJoystick, e.String())
		c.send(t, padRow(0, nil))
		pressed := strings.Split(gotFrames[len(gotFrames)-1], "=")[0]
		if back := event.frame(t); back != pressed+"=0" {
			t.Errorf("release of %s: %s", pressed, back)
		}
		_ = js.next(t)
	}
	if diff := cmp.Diff(frames, gotFrames); diff != "" {
		t.Errorf("event node (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(joystick, gotJoystick); diff != "" {
		t.Errorf("joystick node (-want +got):\n%s", diff)
	}
}

func (m *machine) testXbox360(t *testing.T) {
	m.startService(t, nil)
	frames := []string{
		"1/0x130=1", "1/0x131=1", "1/0x133=1", "1/0x134=1", "1/0x136=1", "1/0x137=1", "3/0x2=255", "3/0x5=255", "1/0x13a=1",
		"1/0x13b=1", "1/0x13d=1", "1/0x13e=1", "3/0x11=-1", "3/0x11=1", "3/0x10=-1", "3/0x10=1", "1/0x13c=1",
		"3/0x0=32767", "3/0x0=-32767", "3/0x1=32767", "3/0x1=-32767", "3/0x3=32767", "3/0x3=-32767", "3/0x4=32767", "3/0x4=-32767",
	}
	joystick := []string{ // buttons in the order of their codes; axes X Y Z RX RY RZ HAT0X HAT0Y
		"1/0x0=1", "1/0x1=1", "1/0x2=1", "1/0x3=1", "1/0x4=1", "1/0x5=1", "2/0x2=32767", "2/0x5=32767", "1/0x6=1",
		"1/0x7=1", "1/0x9=1", "1/0xa=1", "2/0x7=-32767", "2/0x7=32767", "2/0x6=-32767", "2/0x6=32767", "1/0x8=1",
		"2/0x0=32767", "2/0x0=-32767", "2/0x1=32767", "2/0x1=-32767", "2/0x3=32767", "2/0x3=-32767", "2/0x4=32767", "2/0x4=-32767",
	}
	m.testGolden(t, frames, joystick)
	stick, trigger, hat := [6]int32{0, -32768, 32767, 0, 128, 0}, [6]int32{0, 0, 255}, [6]int32{0, -1, 1}
	want := inputDevice{
		Name: "Microsoft X-Box 360 pad", Phys: "ghostaux/slot0", ID: [4]uint16{3, 0x045e, 0x028e, 0x0110},
		Keys: []int{0x130, 0x131, 0x133, 0x134, 0x136, 0x137, 0x13a, 0x13b, 0x13c, 0x13d, 0x13e}, FF: []int{0x50, 0x60}, Pressed: []int{},
		Abs: map[int][6]int32{0: stick, 1: stick, 2: trigger, 3: stick, 4: stick, 5: trigger, 0x10: hat, 0x11: hat},
	}
	m.compare(t, m.pads(t)[0], want)
	c := m.connect(t)
	event := m.read(t, m.pads(t)[0].Node)
	c.send(t, padRow(0, map[int]string{10: "0.5"}))
	if got := event.frame(t); got != "3/0x2=128" {
		t.Errorf("half a trigger: %s", got)
	}
	m.testStatus(t)
}

// compare ignores the names of the nodes.
func (m *machine) compare(t *testing.T, got, want inputDevice) {
	t.Helper()
	got.Node, got.JS = "", ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("device (-want +got):\n%s", diff)
	}
}

// testStatus looks at the pad in /status.
func (m *machine) testStatus(t *testing.T) {
	node := m.pads(t)[0].Node
	status := curlPage(t, "https://"+m.Addr(doorPort)+"/status")
	if want := fmt.Sprintf(`"pads":[{"slot":0,"node":"/dev/input/%s","held":true,"visible":true}]`, node); !strings.Contains(strings.Join(strings.Fields(status), ""), want) {
		t.Errorf("status has no %s:\n%s", want, status)
	}
}

func curlPage(t testing.TB, url string) string {
	t.Helper()
	out, err := exec.Command("curl", "-ksS", "-m", "30", "-u", testkit.Token, url).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", url, err, out)
	}
	return string(out)
}

func (m *machine) testKasm(t *testing.T) {
	m.startService(t, []string{"SDL_GAMECONTROLLERCONFIG=" + kasmConfig})
	var frames, joystick []string
	for i := range 17 {
		frames, joystick = append(frames, fmt.Sprintf("1/%#x=1", 0x120+i)), append(joystick, fmt.Sprintf("1/%#x=1", i))
	}
	for i, code := range []int{0, 1, 3, 4} {
		for _, v := range []int{32767, -32767} {
			frames, joystick = append(frames, fmt.Sprintf("3/%#x=%d", code, v)), append(joystick, fmt.Sprintf("2/%#x=%d", i, v))
		}
	}
	m.testGolden(t, frames, joystick)
	want := inputDevice{
		Name: "XInput Controller", Phys: "ghostaux/slot0", ID: [4]uint16{3, 0x045e, 0x02be, 0x0114}, FF: []int{0x50, 0x60}, Pressed: []int{},
		Abs: map[int][6]int32{},
	}
	for i := range 17 {
		want.Keys = append(want.Keys, 0x120+i)
	}
	for _, code := range []int{0, 1, 3, 4} {
		want.Abs[code] = [6]int32{0, -32767, 32767}
	}
	m.compare(t, m.pads(t)[0], want)
	m.testSDL(t)
}

func (m *machine) testFour(t *testing.T) {
	m.startService(t, nil, "--gamepad-count", "4")
	before := m.pads(t)
	if len(before) != 4 {
		t.Fatalf("%d pads at start, want 4", len(before))
	}
	a, b := m.connect(t), m.connect(t)
	var events [4]*reading
	for slot, pad := range before {
		events[slot] = m.read(t, pad.Node)
	}
	for slot, c := range []*padSocket{a, a, b, b} {
		c.send(t, padRow(slot, map[int]string{4 + slot: "1"}))
	}
	for slot, want := range []string{"1/0x130=1", "1/0x131=1", "1/0x133=1", "1/0x134=1"} {
		if got := events[slot].frame(t); got != want {
			t.Errorf("slot %d: %s, want %s", slot, got, want)
		}
	}
	_ = a.conn.CloseNow()
	for slot, want := range []string{"1/0x130=0", "1/0x131=0"} {
		if got := events[slot].frame(t); got != want {
			t.Errorf("slot %d: %s, want %s", slot, got, want)
		}
	}
	for slot := 2; slot < 4; slot++ {
		if got := events[slot].take(); len(got) > 0 {
			t.Errorf("slot %d of another peer: %v", slot, got)
		}
	}
	if diff := cmp.Diff(before, m.pads(t), cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Pressed" }, cmp.Ignore())); diff != "" {
		t.Errorf("pads have come or gone:\n%s", diff)
	}
}

// testGoodbyes: however the peer or ghostaux ends, nothing stays pressed.
func (m *machine) testGoodbyes(t *testing.T) {
	pid := m.startService(t, nil)
	pressed, released := "1/0x130=1 3/0x0=32767 3/0x1=-32767 3/0x2=255", "1/0x130=0 3/0x0=0 3/0x1=0 3/0x2=0"
	c := m.connect(t)
	c.send(t, padRow(0, nil))
	pad := m.waitPad(t, 0)
	event := m.read(t, pad.Node)
	for name, leave := range map[string]func(){
		"reset":        func() { _ = c.conn.CloseNow() },
		"close":        func() { _ = c.conn.Close(websocket.StatusNormalClosure, "") },
		"disconnected": func() { c.send(t, `{"message_type":"device_disconnected","id":"pad","index":0}`) },
		"malformed":    func() { c.send(t, "[[0,") },
	} {
		c = m.connect(t)
		c.send(t, allPressed(0))
		if got := event.frame(t); got != pressed {
			t.Errorf("pressed: %s", got)
		}
		leave()
		if got := event.frame(t); got != released {
			t.Errorf("%s: %s", name, got)
		}
	}
	c = m.connect(t)
	c.send(t, allPressed(0))
	if got := event.frame(t); got != pressed {
		t.Errorf("pressed: %s", got)
	}
	m.stop(t, pid)
	if got := event.last(t); got != "" && got != released {
		t.Errorf("SIGTERM: %s", got)
	}
	if left := m.pads(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// testRemoved: a pad that goes with its peer, and comes with the next.
func (m *machine) testRemoved(t *testing.T) {
	pid := m.startService(t, nil, "--gamepad-remove", "disconnect")
	for range 3 {
		c := m.connect(t)
		c.send(t, allPressed(0))
		event := m.read(t, m.waitPad(t, 0).Node)
		_ = c.conn.CloseNow()
		if got, want := event.last(t), "1/0x130=0 3/0x0=0 3/0x1=0 3/0x2=0"; got != "" && got != want {
			t.Errorf("released: %s, want %s", got, want)
		}
	}
	if log := m.output(t, pid); strings.Contains(log, "degraded") {
		t.Errorf("the removal was taken for a loss:\n%s", log)
	}
}

func (m *machine) testRumble(t *testing.T) {
	m.startService(t, nil)
	c := m.connect(t)
	c.send(t, padRow(1, nil))
	node := m.waitPad(t, 1).Node
	force := func(do string, more map[string]any) (id int) {
		t.Helper()
		in := map[string]any{"node": node, "do": do}
		for k, v := range more {
			in[k] = v
		}
		m.Call(t, "/force", in, &id)
		return id
	}
	expect := func(strong, weak string, duration int) {
		t.Helper()
		want := fmt.Sprintf(`{"message_type":"rumble","index":1,"strong":%s,"weak":%s,"duration":%d}`, strong, weak, duration)
		if got := c.text(t); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	id := force("upload", map[string]any{"id": -1, "strong": 0xffff, "weak": 0x8000, "length": 60000})
	force("play", map[string]any{"id": id, "value": 1})
	expect("1.000", "0.500", 5000)
	force("upload", map[string]any{"id": id, "strong": 0x4000, "weak": 0, "length": 0})
	expect("0.250", "0.000", 5000)
	force("gain", map[string]any{"value": 0x8000})
	expect("0.125", "0.000", 5000)
	force("stop", map[string]any{"id": id})
	expect("0.000", "0.000", 0)
	force("gain", map[string]any{"value": 0xffff})
	force("play", map[string]any{"id": id, "value": 1})
	expect("0.250", "0.000", 5000)
	force("erase", map[string]any{"id": id})
	expect("0.000", "0.000", 0)
	id = force("upload", map[string]any{"id": -1, "strong": 0xffff, "weak": 0xffff, "length": 30})
	force("play", map[string]any{"id": id, "value": 1})
	if got := c.text(t); !regexp.MustCompile(`"strong":1.000,"weak":1.000,"duration":[12]?[0-9]}|"duration":30}`).MatchString(got) {
		t.Errorf("an effect of 30 ms: %s", got)
	}
	expect("0.000", "0.000", 0)
	force("play", map[string]any{"id": id, "value": 1000})
	expect("1.000", "1.000", 5000)
	force("close", nil) // the kernel erases what a game leaves behind
	expect("0.000", "0.000", 0)
}
