package integration

import (
	"bytes"
	"flag"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"golang.org/x/sys/unix"

	"ghostaux/pkg/testkit"
)

var screenshots = flag.String("screenshots", "", "directory that TestConsoleLook leaves its pictures in")

// fakePad is a gamepad in the page's hand: pad.buttons[i].value, pad.axes[i].
const fakePad = `globalThis.pad = {
	id: "Xbox 360 Controller (STANDARD GAMEPAD Vendor: 045e Product: 028e)", index: 0, connected: true, mapping: "standard",
	axes: [0, 0, 0, 0], buttons: Array.from({ length: 17 }, () => ({ value: 0, pressed: false })),
	vibrationActuator: { effects: [], async playEffect(type, effect) { this.effects.push(effect); return "complete"; } },
};
globalThis.pads = [null, null, null, null];
navigator.getGamepads = () => pads;
globalThis.plug = (plugged) => {
	pads[0] = plugged ? pad : null;
	const event = new Event(plugged ? "gamepadconnected" : "gamepaddisconnected");
	event.gamepad = pad;
	dispatchEvent(event);
};`

// fakeDesktop stands for the desktop's end of the gamepads, where a machine has no uinput: it keeps what it is told.
const fakeDesktop = `globalThis.sent = [];
globalThis.WebSocket = class extends WebSocket {
	constructor(url) {
		super(url);
		if (!String(url).endsWith("/gamepad/")) return;
		this.close();
		return globalThis.desktop = Object.assign(new EventTarget(), { readyState: 0, close() {}, send(data) { sent.push(JSON.parse(data)); } });
	}
};`

// furnish gives the page something in every card.
func furnish(t testing.TB, g *testkit.Ghostaux, p *consolePage, uploads string) {
	t.Helper()
	for name, size := range map[string]int{"minutes.pdf": 181_220, "photos/one.jpg": 4_200_113, "a rather long name of a spreadsheet that somebody exported.xlsx": 23_841} {
		path := filepath.Join(uploads, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pdf := filepath.Join(g.Home, "PDF")
	if err := os.MkdirAll(pdf, 0o755); err != nil {
		t.Fatal(err)
	}
	p.until(20*time.Second, "the folder of documents is watched", `ghostaux.events.service("printer")?.detail?.watching`)
	if err := os.WriteFile(filepath.Join(pdf, "invoice-job_7.pdf"), []byte("%PDF-1.4\n"+strings.Repeat("%\n", 40_000)+"%%EOF\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.until(20*time.Second, "the document is listed", `document.querySelectorAll(".printer .list li").length === 1`)
	p.run(`await 0; plug(true); Object.assign(pad.buttons[0], {value: 1}); pad.buttons[7].value = 0.6; pad.axes[0] = -0.7; pad.axes[1] = 0.4;
		ghostaux.uploads.add([{ file: new File([new Uint8Array(3e6)], "holiday.mp4"), path: "films/holiday.mp4" }]);`)
	p.until(20*time.Second, "the upload is done", `ghostaux.uploads.list[0].state === "done"`)
	p.until(20*time.Second, "the files are listed", `document.querySelectorAll(".files li").length === 4`)
	p.run(`desktop.readyState = 1; desktop.onopen()`)
	p.until(30*time.Second, "all is ready", `document.querySelectorAll(".card[data-state=ready]").length === 6`)
	p.click("#play")
	p.until(30*time.Second, "the sound plays", `ghostaux.sound.state === "playing" && ghostaux.sound.level() > 0.01`)
}

// axeCore is the script of the accessibility tests.
func axeCore(t testing.TB) string {
	t.Helper()
	script, err := os.ReadFile("../web/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core: %v; make console installs it", err)
	}
	return string(script)
}

// The page is fit for screens from 360 px on, in light and dark, and for people who do not see it; pictures of it are
// left where -screenshots says.
func TestConsoleLook(t *testing.T) {
	pulse := testkit.StartPulse(t)
	playTone(t, pulse)
	uinput := filepath.Join(t.TempDir(), "uinput") // can be opened; fakeDesktop takes what the page sends
	if err := unix.Mknod(uinput, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	g := startWithPulse(t, pulse, "--gamepad-device", "uinput", "--gamepad-uinput", uinput, "--smartcard-vpcd-addr", testkit.StartPcscd(t).Addr)
	p := newPage(t, 3*time.Minute, nil, fakePad, fakeDesktop)
	openConsole(t, g, p)
	furnish(t, g, p, filepath.Join(g.Home, "Uploads"))
	axe := axeCore(t)
	p.look("console", axe, 360, 820, 1440)
	crowd(p)
	p.look("busy", axe, 360, 1440)
	p.run(`document.documentElement.classList.add("panel")`)
	p.look("panel", axe, 360)
	p.faultless()

	bare := testkit.StartGhostaux(t, "--upload-dir", "/proc/no/Uploads")
	openConsole(t, bare, p)
	p.until(20*time.Second, "all is missing", `document.querySelectorAll(".trouble:not([hidden])").length === 6`)
	p.look("missing", axe, 360, 1440)
	p.faultless()

	p.run(`await fetch("logout", { method: "POST" })`)
	p.open(bare.URL(t, "frontdoor", "/"))
	p.run(`document.getElementById("password").value = "wrong"; document.querySelector("form").submit()`)
	p.until(20*time.Second, "the password is wrong", `document.querySelector("[role=alert]")`)
	p.look("login", axe, 360, 1440)
}

// crowd has transfers in every state, long names, many files, and questions that are open.
func crowd(p *consolePage) {
	p.t.Helper()
	p.run(`const long = "An exceedingly long name without any end ".repeat(5) + "x".repeat(60) + ".tar.gz";
		const file = (name, size) => ({ file: new File([new Uint8Array(size)], name), path: name });
		const [taken, paused, long_] = ghostaux.uploads.add([file("minutes.pdf", 10), file("disk image.iso", 5e6), file(long, 100)]);
		ghostaux.uploads.pause(paused);
		for (let i = 0; i < 40; i++) ghostaux.uploads.add([file("series " + i + ".txt", 1)]);
		const end = () => new Promise((done) => setTimeout(done, 20));
		while (ghostaux.uploads.list.some((t) => !t.finished && t !== paused)) await end();`)
	p.until(20*time.Second, "the files are listed", `document.querySelectorAll(".files li").length > 40`)
	p.run(`document.querySelector('.files [aria-label="Rename: minutes.pdf"]').click(); document.querySelector('.files [aria-label="Delete: photos"]').click();`)
}

// look sees whether the page fits the widths and is fit for everybody, in both themes.
func (p *consolePage) look(scene, axe string, widths ...int64) {
	p.t.Helper()
	if _, err := chromedp.Run(p.ctx, chromedp.Evaluate[chromedp.Void](axe+";undefined")); err != nil {
		p.t.Fatalf("axe-core: %v", err)
	}
	for _, theme := range []string{"light", "dark"} {
		for _, width := range widths {
			p.size(width, theme)
			if overflow := ask[float64](p, "document.documentElement.scrollWidth - innerWidth"); overflow > 0 {
				p.t.Errorf("%s, %d px, %s: %.0f px too wide", scene, width, theme, overflow)
			}
			p.picture(fmt.Sprintf("%s-%d-%s.png", scene, width, theme))
		}
		p.accessible(scene, theme)
	}
}

// size makes the window so wide and as high as the page, for somebody who wants the theme and no motion: a colour on its way
// to another is neither.
func (p *consolePage) size(width int64, theme string) {
	p.t.Helper()
	params := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, params); err != nil {
		p.t.Fatal(err)
	}
	if _, err := chromedp.Run(p.ctx, chromedp.EmulateViewport(width, 600)); err != nil {
		p.t.Fatal(err)
	}
	height := ask[int64](p, "document.documentElement.scrollHeight")
	if _, err := chromedp.Run(p.ctx, chromedp.EmulateViewport(width, max(height, 600))); err != nil {
		p.t.Fatal(err)
	}
	p.run("await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
}

// picture is the whole page, however long.
func (p *consolePage) picture(name string) {
	p.t.Helper()
	if *screenshots == "" {
		return
	}
	// A browser that paints without a graphics card starves the sound; it is as elsewhere after a new beginning.
	if ask[bool](p, `Boolean(globalThis.ghostaux?.sound?.wanted && ghostaux.events.works("audioout"))`) {
		p.run(`ghostaux.sound.stop(); ghostaux.sound.start(); ghostaux.sound.droppedMs = 0;`)
		p.until(time.Minute, "the sound plays again", `ghostaux.sound.level() > 0.1 && /^\d/.test(document.getElementById("sound-delay").textContent)`)
	}
	shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatalf("take a picture: %v", err)
	}
	if _, err := png.DecodeConfig(bytes.NewReader(shot)); err != nil {
		p.t.Errorf("%s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(*screenshots, name), shot, 0o644); err != nil {
		p.t.Error(err)
	}
}

// accessible asks axe-core for what it finds serious.
func (p *consolePage) accessible(scene, theme string) {
	p.t.Helper()
	type violation struct{ ID, Impact, Help, Nodes string }
	what := `{}`
	if theme == "dark" {
		what = `{ runOnly: ["color-contrast"] }` // the rest is the same as in light
	}
	for _, v := range ask[[]violation](p, `axe.run(`+what+`).then(({ violations }) => violations.map(({ id, impact, help, nodes }) =>
		({ id, impact, help, nodes: nodes.map((n) => n.html.slice(0, 150) + " " + (n.any[0]?.message ?? "")).join("; ") })))`) {
		switch v.Impact {
		case "serious", "critical":
			p.t.Errorf("axe, %s, %s: %s (%s): %s", scene, theme, v.Help, v.ID, v.Nodes)
		default:
			p.t.Logf("axe, %s, %s, %s: %s (%s): %s", scene, theme, v.Impact, v.Help, v.ID, v.Nodes)
		}
	}
}

// The parts of the console that need no browser.
func TestConsoleParts(t *testing.T) {
	cmd := exec.Command("node", "--test", "test/channel.test.mjs", "test/playout.test.mjs")
	cmd.Dir = "../web"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}
