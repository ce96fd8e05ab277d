package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

func (m *machine) testAttach(t *testing.T) {
	made := map[string]any{
		"name": "Kasm virtual controller", "id": []int{3, 0x045e, 0x02be, 0x0114},
		"keys": []int{0x130, 0x131, 0x132, 0x133, 0x134, 0x135, 0x136, 0x137, 0x138, 0x139, 0x13a, 0x13b, 0x13c, 0x13d, 0x13e, 0x2c0, 0x2c1},
		"abs":  map[string][]int{"0": {-32767, 32767}, "1": {0, 255}, "2": {-32767, 32767}, "5": {-32767, 32767}},
	}
	var node string
	m.Call(t, "/make", made, &node)
	defer m.Call(t, "/remove", map[string]any{"node": node}, nil)
	m.Call(t, "/mknod", map[string]any{"of": "/dev/input/" + node, "path": "/tmp/attach/event2"}, nil)
	keyboard := m.keyboard(t)
	m.Call(t, "/mknod", map[string]any{"of": "/dev/input/" + keyboard, "path": "/tmp/attach/event0"}, nil)

	m.startService(t, nil, "--gamepad-input", "/tmp/attach") // --gamepad-device auto finds it
	event, keys := m.read(t, node), m.read(t, keyboard)
	c := m.connect(t)
	c.send(t, allPressed(0))
	c.send(t, allPressed(2))
	// Slot 2 has the pad: the first and seventh of its buttons, its first and second axis, whose range is 0..255.
	if got, want := event.frame(t), "1/0x130=1 1/0x136=1 3/0x0=32767 3/0x1=0"; got != want {
		t.Errorf("pressed: %s, want %s", got, want)
	}
	c.send(t, padRow(2, map[int]string{1: "32767"}))
	if got, want := event.frame(t), "1/0x130=0 1/0x136=0 3/0x0=0 3/0x1=255"; got != want {
		t.Errorf("moved: %s, want %s", got, want)
	}
	_ = c.conn.CloseNow()
	if got, want := event.frame(t), "3/0x1=127"; got != want {
		t.Errorf("released: %s, want %s", got, want)
	}
	if got := keys.take(); len(got) > 0 {
		t.Errorf("the keyboard was written to: %v", got)
	}
	if made := m.pads(t); len(made) > 0 {
		t.Errorf("pads were made beside the attached one: %v", made)
	}
}

func (m *machine) keyboard(t *testing.T) string {
	for _, d := range m.devices(t) {
		if strings.Contains(d.Name, "keyboard") {
			return d.Node
		}
	}
	t.Fatal("the guest has no keyboard")
	return ""
}

// testNotAPad: devices that are no virtual pads are left alone, and the service says why it has none.
func (m *machine) testNotAPad(t *testing.T) {
	pad := []int{0x130, 0x131, 0x132, 0x133, 0x134, 0x135, 0x136, 0x137, 0x138, 0x139, 0x13a, 0x13b, 0x13c, 0x13d, 0x13e, 0x2c0, 0x2c1}
	abs := map[string][]int{"0": {-32767, 32767}, "1": {-32767, 32767}, "3": {-32767, 32767}, "4": {-32767, 32767}}
	readings := map[string]*reading{}
	for i, made := range []map[string]any{
		{"name": "X-Box pad with letters", "id": []int{3, 0x045e, 0x02be, 0x0114}, "keys": append([]int{30, 48}, pad...), "abs": abs},
		{"name": "Real X-Box pad", "phys": "usb-0000:00:14.0-1/input0", "id": []int{3, 0x045e, 0x028e, 0x0110}, "keys": pad, "abs": abs},
		{"name": "Another pad", "id": []int{3, 0x054c, 0x0ce6, 0x0100}, "keys": pad, "abs": abs},
		{"name": "Microsoft Mouse", "id": []int{3, 0x045e, 0x02be, 0x0114}, "keys": pad, "abs": abs},
	} {
		var node string
		m.Call(t, "/make", made, &node)
		defer m.Call(t, "/remove", map[string]any{"node": node}, nil)
		m.Call(t, "/mknod", map[string]any{"of": "/dev/input/" + node, "path": fmt.Sprintf("/tmp/real/event%d", i)}, nil)
		readings[made["name"].(string)] = m.read(t, node)
	}
	m.launch(t, nil, "--gamepad-input", "/tmp/real", "--gamepad-device", "attach")
	c := m.connect(t)
	if got := c.text(t); !strings.Contains(got, "045e:02be") {
		t.Errorf("advice: %s", got)
	}
	if err := c.end(t); websocket.CloseStatus(err) != websocket.StatusTryAgainLater || !strings.Contains(err.Error(), "/tmp/real/event0 to event3") {
		t.Errorf("closed with %v", err)
	}
	for name, r := range readings {
		if got := r.take(); len(got) > 0 {
			t.Errorf("%s was written to: %v", name, got)
		}
	}
}

// testNoPermission: who may not open /dev/uinput, or has none, is told what to do, and only this service is degraded.
func (m *machine) testNoPermission(t *testing.T) {
	const user = 1000
	for node, want := range map[string]struct{ advice, reason string }{
		"/dev/uinput": {"User 1000 may not write /dev/uinput", "no permission for /dev/uinput"},
		"/tmp/uinput": {"docker run --device /tmp/uinput", "no /tmp/uinput"},
	} {
		t.Run(node, func(t *testing.T) {
			pid := m.launchAs(t, user, nil, "--gamepad-uinput", node)
			for range 3 {
				c := m.connect(t)
				if got := c.text(t); !strings.Contains(got, want.advice) {
					t.Errorf("advice: %s", got)
				}
				if err := c.end(t); websocket.CloseStatus(err) != websocket.StatusTryAgainLater || !strings.Contains(err.Error(), want.reason) {
					t.Errorf("closed with %v", err)
				}
			}
			if log := m.output(t, pid); strings.Count(log, "service degraded") != 1 {
				t.Errorf("the log does not have one line about it:\n%s", log)
			}
			if node == "/dev/uinput" {
				return
			}
			m.Call(t, "/mknod", map[string]any{"of": "/dev/uinput", "path": node}, nil)
			c := m.connect(t)
			c.send(t, allPressed(0))
			m.waitPad(t, 0)
		})
	}
}
