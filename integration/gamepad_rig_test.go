package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// Port of the gamepad service in the guest, and of its front door.
const (
	padPort  = 4904
	doorPort = 4900
)

// machine is the guest with the real binary in it.
type machine struct {
	*testkit.Guest
	stopping int // the PID of the last one that was told to end
}

// startService runs ghostaux in the guest and returns when it is ready. SIGTERM, and exit code 0, end it with the test.
func (m *machine) startService(t testing.TB, env []string, args ...string) (pid int) {
	t.Helper()
	pid = m.launch(t, env, args...)
	m.waitOutput(t, pid, `"msg":"service ready"`)
	return pid
}

func (m *machine) launch(t testing.TB, env []string, args ...string) (pid int) {
	t.Helper()
	return m.launchAs(t, 0, env, args...)
}

// launchAs runs ghostaux as a user and returns when it listens.
func (m *machine) launchAs(t testing.TB, uid int, env []string, args ...string) (pid int) {
	t.Helper()
	args = append([]string{
		"/bin/ghostaux", "--only", "gamepad", "--log-format", "json", "--addr", fmt.Sprintf(":%d", doorPort),
		"--gamepad-addr", fmt.Sprintf(":%d", padPort),
	}, args...)
	env = append([]string{"GHOSTAUX_AUTH_TOKEN=" + testkit.Token}, env...)
	m.Call(t, "/start", map[string]any{"args": args, "env": env, "uid": uid}, &pid)
	t.Cleanup(func() {
		m.stop(t, pid)
		if code := m.Wait(t, pid); code != 0 {
			t.Errorf("ghostaux ended with %d", code)
		}
	})
	m.waitOutput(t, pid, `"endpoint":"","addr":"[::]:4904"`)
	return pid
}

// stop sends SIGTERM once: a second one ends ghostaux in the middle of its stopping, with exit code 1.
func (m *machine) stop(t testing.TB, pid int) {
	t.Helper()
	if m.stopping != pid {
		m.stopping = pid
		m.Signal(t, pid, syscall.SIGTERM)
	}
}

func (m *machine) output(t testing.TB, pid int) (text string) {
	t.Helper()
	m.Call(t, "/output", map[string]any{"pid": pid}, &text)
	return text
}

func (m *machine) waitOutput(t testing.TB, pid int, want string) {
	t.Helper()
	patiently(t, fmt.Sprintf("process %d prints %q", pid, want), func() bool {
		return strings.Contains(m.output(t, pid), want)
	})
}

// patiently is Eventually for the slow guest on a loaded machine.
func patiently(t testing.TB, what string, condition func() bool) {
	t.Helper()
	testkit.Eventually(t, time.Minute, what, condition)
}

// inputDevice is what guestinit says of a device.
type inputDevice struct {
	Node, Name, Phys, JS string
	ID                   [4]uint16
	Keys, FF, Pressed    []int
	Abs                  map[int][6]int32
}

func (m *machine) devices(t testing.TB) (list []inputDevice) {
	t.Helper()
	m.Call(t, "/devices", nil, &list)
	return list
}

// pads are the devices that ghostaux made, by slot.
func (m *machine) pads(t testing.TB) map[int]inputDevice {
	t.Helper()
	found := map[int]inputDevice{}
	for _, d := range m.devices(t) {
		var slot int
		if n, _ := fmt.Sscanf(d.Phys, "ghostaux/slot%d", &slot); n == 1 {
			found[slot] = d
		}
	}
	return found
}

// waitPad waits for the pad of a slot.
func (m *machine) waitPad(t testing.TB, slot int) (d inputDevice) {
	t.Helper()
	patiently(t, fmt.Sprintf("a pad in slot %d", slot), func() bool {
		var ok bool
		d, ok = m.pads(t)[slot]
		return ok
	})
	return d
}

// inputEvent is an event as a program in the guest has read it.
type inputEvent struct {
	Micros, ReadMicros int64
	Type, Code         int
	Value              int32
}

func (e inputEvent) String() string { return fmt.Sprintf("%d/%#x=%d", e.Type, e.Code, e.Value) }

// reading collects the events of a node.
type reading struct {
	mu     sync.Mutex // guards the following fields
	events []inputEvent
	gone   bool // the device was removed
}

// read begins to read a node and returns when the program in the guest has it open.
func (m *machine) read(t testing.TB, node string) *reading {
	t.Helper()
	r := &reading{}
	open := make(chan struct{})
	m.Stream(t, "/read", map[string]any{"node": node}, func(msg json.RawMessage) {
		var e inputEvent
		if json.Unmarshal(msg, &e) != nil {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		switch e.Type {
		case -1:
			close(open)
		case -2:
			r.gone = true
		case 0x15: // what a game tells the motors comes back to all readers
		default:
			r.events = append(r.events, e)
		}
	})
	select {
	case <-open:
	case <-time.After(time.Minute):
		t.Fatalf("%s cannot be read", node)
	}
	return r
}

// take returns the events so far and forgets them.
func (r *reading) take() []inputEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

func (r *reading) isGone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone
}

// frame waits for a whole frame and returns its events without the SYN_REPORT at its end.
func (r *reading) frame(t testing.TB) string {
	t.Helper()
	var frame []string
	patiently(t, "a frame", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for i, e := range r.events {
			if e.Type == 0 {
				for _, e := range r.events[:i] {
					frame = append(frame, e.String())
				}
				r.events = r.events[i+1:]
				return true
			}
		}
		return false
	})
	return strings.Join(frame, " ")
}

// last waits until the device is gone and returns the frame that was read before, if any: a reader that has not come
// to it when the device goes gets ENODEV from the kernel instead, and knows by that.
func (r *reading) last(t testing.TB) string {
	t.Helper()
	patiently(t, "the pad is removed", r.isGone)
	var frame []string
	for _, e := range r.take() {
		if e.Type != 0 {
			frame = append(frame, e.String())
		}
	}
	return strings.Join(frame, " ")
}

// next waits for the next live event of a joystick node, whose initial ones have bit 7 set in their type.
func (r *reading) next(t testing.TB) (e inputEvent) {
	t.Helper()
	patiently(t, "a joystick event", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for i := range r.events {
			if e = r.events[i]; e.Type&0x80 == 0 {
				r.events = r.events[i+1:]
				return true
			}
		}
		return false
	})
	return e
}
