package integration

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// buildSDLProbe adds the probe to the guest's files, with the libraries that it needs.
func buildSDLProbe(t testing.TB, files map[string]string) {
	t.Helper()
	probe := filepath.Join(t.TempDir(), "sdlprobe")
	if out, err := exec.Command("gcc", "-o", probe, "testdata/sdlprobe.c", "-l:libSDL2-2.0.so.0").CombinedOutput(); err != nil {
		t.Fatalf("build sdlprobe (packages gcc, libc6-dev, libsdl2-2.0-0): %v: %s", err, out)
	}
	out, err := exec.Command("ldd", probe).Output()
	if err != nil {
		t.Fatal(err)
	}
	files["/bin/sdlprobe"] = probe
	for _, field := range strings.Fields(string(out)) {
		if strings.HasPrefix(field, "/") {
			files[field] = field
		}
	}
}

// testSDL: a game that uses SDL and the images' configuration sees the button that the user pressed.
func (m *machine) testSDL(t *testing.T) {
	c := m.connect(t)
	c.send(t, padRow(0, nil))
	pid := m.Start(t, []string{
		"SDL_GAMECONTROLLERCONFIG=" + kasmConfig, "SDL_JOYSTICK_DISABLE_UDEV=1", "SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS=1",
	}, "/bin/sdlprobe")
	defer func() {
		m.Signal(t, pid, syscall.SIGKILL)
		m.Wait(t, pid)
	}()
	m.waitOutput(t, pid, "found 03")
	want := []string{
		"button a 1", "button b 1", "button x 1", "button y 1", "button leftshoulder 1", "button rightshoulder 1",
		"axis lefttrigger 32767", "axis righttrigger 32767", "button back 1", "button start 1", "button leftstick 1", "button rightstick 1",
		"button dpup 1", "button dpdown 1", "button dpleft 1", "button dpright 1", "button guide 1",
		"axis leftx 32767", "axis leftx -32768", "axis lefty 32767", "axis lefty -32768", // SDL stretches the lower end
		"axis rightx 32767", "axis rightx -32768", "axis righty 32767", "axis righty -32768",
	}
	for i, cells := range padInputs() {
		before := len(m.output(t, pid))
		c.send(t, padRow(0, cells))
		patiently(t, "SDL sees "+want[i], func() bool {
			return onlyChange(m.output(t, pid)[before:]) == want[i]
		})
		c.send(t, padRow(0, nil))
		what, _, _ := strings.Cut(want[i][strings.Index(want[i], " ")+1:], " ")
		patiently(t, "SDL sees the release of "+what, func() bool {
			return strings.HasSuffix(m.output(t, pid), what+" 0\n")
		})
	}
	if out := m.output(t, pid); !strings.Contains(out, "000014010000 XInput Controller") {
		t.Errorf("SDL has found another pad: %s", out)
	}
}

// onlyChange is the one line that is not about something at rest, which SDL tells once of each axis before it moves.
func onlyChange(out string) string {
	var changes []string
	for line := range strings.Lines(out) {
		if !strings.HasSuffix(line, " 0\n") {
			changes = append(changes, strings.TrimSpace(line))
		}
	}
	return strings.Join(changes, ", ")
}
