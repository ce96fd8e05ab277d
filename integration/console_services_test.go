package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// micHears880 are the flags of a browser that lets every page use a microphone, which hears 880 Hz.
func micHears880(t *testing.T) map[string]any {
	t.Helper()
	tone := filepath.Join(t.TempDir(), "tone.wav")
	if out, err := exec.Command("sox", "-n", "-r", "48000", "-c", "1", "-b", "16", tone, "synth", "20", "sine", "880", "vol", "0.5").CombinedOutput(); err != nil {
		t.Fatalf("sox: %v: %s", err, out)
	}
	return map[string]any{"use-fake-device-for-media-stream": true, "use-fake-ui-for-media-stream": true, "use-file-for-fake-audio-capture": tone}
}

// A microphone's tone reaches the desktop, and a click ends it.
func TestConsoleMicrophone(t *testing.T) {
	pulse := testkit.StartPulse(t)
	playTone(t, pulse)
	g := startWithPulse(t, pulse, "--only", "audioin,audioout")
	p := newPage(t, 90*time.Second, micHears880(t))
	openConsole(t, g, p)
	p.until(20*time.Second, "the microphone is ready", `document.querySelector(".audioin .badge").textContent === "Ready"`)
	p.run(`for (const box of document.querySelectorAll(".audioin input[type=checkbox]")) if (box.checked) box.click();`) // they would eat a tone
	p.click("#microphone")
	p.until(20*time.Second, "it is live", `ghostaux.microphone.state === "live" && ghostaux.microphone.level() > 0.1`)
	testkit.Eventually(t, 30*time.Second, "parec hears 880 Hz", func() bool {
		return frequencyOf(t, pulse, "ghostaux_mic") == 880
	})
	p.click("#microphone")
	p.until(5*time.Second, "the track is stopped", `ghostaux.microphone.state === "off" && !ghostaux.microphone.stream`)

	const talk = `document.querySelector(".audioin button[aria-pressed]")`
	p.run(talk + `.dispatchEvent(new KeyboardEvent("keydown", { key: " " }))`)
	p.until(20*time.Second, "it is live while the space bar is held", `ghostaux.microphone.state === "live"`)
	p.run(talk + `.dispatchEvent(new KeyboardEvent("keyup", { key: " " }))`)
	p.until(5*time.Second, "it waits for a hand", `ghostaux.microphone.state === "ready" && ghostaux.microphone.stream`)
	p.choosesSpeaker()
	p.run(`ghostaux.microphone.talk(true)`)
	p.until(5*time.Second, "it is live again", `ghostaux.microphone.state === "live"`)
	pulse.Kill()
	p.until(30*time.Second, "the track is stopped when the desktop has no sound", `ghostaux.microphone.state === "waiting" && !ghostaux.microphone.stream`)
	pulse.Start(t)
	p.until(30*time.Second, "it comes back by itself", `ghostaux.microphone.state === "live"`)
	p.faultless()
}

// choosesSpeaker has the sound come out of another speaker, which the page remembers.
func (p *consolePage) choosesSpeaker() {
	p.t.Helper()
	const list = `document.querySelector(".audioout select")`
	p.click("#play")
	p.until(20*time.Second, "there are speakers to choose from", `ghostaux.sound.state === "playing" && `+list+`.options.length > 1`)
	p.run(`const list = ` + list + `; list.selectedIndex = list.options.length - 1; list.dispatchEvent(new Event("change"));`)
	p.until(10*time.Second, "the sound comes out of it", `ghostaux.sound.context.sinkId && ghostaux.sound.context.sinkId === `+list+`.value`)
	p.hears440(20 * time.Second)
	if ask[string](p, `localStorage.getItem("ghostaux.sound.speaker")`) != ask[string](p, `JSON.stringify(ghostaux.sound.context.sinkId)`) {
		p.t.Error("the speaker is not remembered")
	}
	p.click("#play")
}

// frequencyOf is what sox counts in half a second of a source, to the nearest 10 Hz.
func frequencyOf(t testing.TB, pulse *testkit.Pulse, source string) int {
	t.Helper()
	raw := filepath.Join(t.TempDir(), "heard.raw")
	record := pulse.Command("sh", "-c", `timeout 1 parec -d "$0" --format=s16le --rate=44100 --channels=1 --latency-msec=20 > "$1"; true`, source, raw)
	if err := record.Run(); err != nil {
		t.Fatalf("parec: %v", err)
	}
	out, _ := exec.Command("sox", "-t", "raw", "-r", "44100", "-e", "signed", "-b", "16", "-c", "1", raw, "-n", "stat").CombinedOutput()
	for line := range strings.Lines(string(out)) {
		var hz int
		if n, _ := fmt.Sscanf(line, "Rough frequency: %d", &hz); n == 1 {
			return (hz + 5) / 10 * 10
		}
	}
	return 0
}

// A pad moves its picture, and what games want of its motors reaches it.
func TestConsoleGamepad(t *testing.T) {
	g := testkit.StartGhostaux(t, "--only", "gamepad")
	p := newPage(t, time.Minute, nil, fakePad, fakeDesktop)
	openConsole(t, g, p)
	p.run(`plug(true)`)
	p.until(10*time.Second, "the page speaks with the desktop", `globalThis.desktop`)
	p.run(`desktop.readyState = 1; desktop.onopen()`)
	p.until(10*time.Second, "the pad is shown", `document.querySelector(".gamepad figcaption strong")?.textContent === "Pad 1"`)
	p.run(`pad.buttons[0].value = 1; pad.axes[0] = 1;`)
	p.until(5*time.Second, "the button is lit", `document.querySelector("[data-button='0']").style.getPropertyValue("--on") === "1.00"`)
	p.until(5*time.Second, "the stick is to the right", `document.querySelector(".stick").getAttribute("cx") === "124.0"`)
	if first := ask[map[string]any](p, `sent[0]`); first["message_type"] != "device_connected" || first["index"] != 0.0 {
		t.Errorf("the desktop is told first %v", first)
	}
	row := `[0,32767,0,0,0,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]`
	p.until(5*time.Second, "the desktop has the button and the stick", `JSON.stringify(sent.at(-1)) === "[`+row+`]"`)
	if count := ask[int](p, `new Promise((done) => { const n = sent.length; requestAnimationFrame(() => requestAnimationFrame(() => done(sent.length - n))); })`); count != 0 {
		t.Errorf("%d messages while nothing changes", count)
	}
	p.run(`desktop.onmessage({ data: '{"message_type":"rumble","index":0,"strong":0.5,"weak":0.25,"duration":200}' })`)
	if effect := ask[string](p, `JSON.stringify(pad.vibrationActuator.effects.pop())`); effect != `{"duration":200,"strongMagnitude":0.5,"weakMagnitude":0.25}` {
		t.Errorf("the game's rumble is %s", effect)
	}
	p.run(`document.querySelector("figcaption button").click()`)
	p.until(5*time.Second, "the pad rumbles", `pad.vibrationActuator.effects.length === 1`)
	p.until(5*time.Second, "the card says how often it looks", `/^\d+ Hz$/.test(document.querySelector("figcaption .small:not(.name)").textContent)`)
	t.Logf("the pad is looked at with %s", ask[string](p, `document.querySelector("figcaption .small:not(.name)").textContent`))
	p.run(`plug(false)`)
	p.until(5*time.Second, "the pad is gone", `!document.querySelector(".gamepad figure")`)
	p.faultless()
}

// What was printed with cups-pdf appears in the page, opens, and opens the print dialogue.
func TestConsoleDocuments(t *testing.T) {
	spool := filepath.Join(testkit.ShortDir(t), "PDF")
	for dir, mode := range map[string]os.FileMode{filepath.Dir(spool): 0o755, spool: 0o777} { // cups-pdf writes as another user
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, mode)); err != nil {
			t.Fatal(err)
		}
	}
	cups := testkit.StartCups(t, spool)
	g := testkit.StartGhostaux(t, "--only", "printer", "--printer-dir", spool)
	p := newPage(t, time.Minute, nil, `Window.prototype.print = function () { top.printed = (top.printed ?? 0) + 1; };`)
	openConsole(t, g, p)
	p.until(20*time.Second, "the folder is watched", `ghostaux.events.service("printer")?.detail?.watching`)
	p.run(`document.querySelector(".printer input[type=checkbox]").click()`)
	letter := filepath.Join(t.TempDir(), "letter.txt")
	if err := os.WriteFile(letter, []byte("Dear printer\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cups.Print(t, letter)
	p.until(60*time.Second, "it is listed", `/letter.*\.pdf$/.test(document.querySelector(".printer li .name")?.textContent)`)
	p.until(20*time.Second, "the print dialogue opens", `document.querySelector("iframe.print")`)
	name := ask[string](p, `document.querySelector(".printer li .name").textContent`)
	content, err := os.ReadFile(filepath.Join(spool, name))
	if err != nil {
		t.Fatal(err)
	}
	got := ask[[]byte](p, `fetch(document.querySelector(".printer li a.name").href).then((r) => r.blob()).then((b) => new Promise((done) => {
		const reader = new FileReader();
		reader.onload = () => done(reader.result.split(",")[1]);
		reader.readAsDataURL(b);
	}))`)
	if !bytes.Equal(got, content) || !bytes.HasPrefix(got, []byte("%PDF")) {
		t.Errorf("the document has %d bytes, want %d", len(got), len(content))
	}
	p.faultless()
}
