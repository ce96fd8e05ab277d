package integration

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// consoleCalls are the calls of docs/CONSOLE.md in an order in which each one's effect is seen: what is asked, and what is so
// then of the state. They are made in two ways; turn is 1, then 2.
var consoleCalls = []struct{ name, arguments, then string }{
	{"state", ``, `state.role === "owner" && state.link === "open"`},
	{"sound.volume", `1 / (turn + 1)`, `state.sound.volume === 1 / (turn + 1)`},
	{"sound.start", ``, `state.sound.state === "playing"`},
	{"sound.mute", `true`, `state.sound.muted === true`},
	{"sound.mute", `false`, `state.sound.muted === false`},
	{"sound.stop", ``, `state.sound.state === "off"`},
	{"microphone.start", `{ open: false }`, `state.microphone.state === "ready"`},
	{"microphone.talk", `true`, `state.microphone.state === "live"`},
	{"microphone.talk", `false`, `state.microphone.state === "ready"`},
	{"microphone.start", ``, `state.microphone.state === "live"`},
	{"microphone.stop", ``, `state.microphone.state === "off" && state.microphone.problem === ""`},
	{"upload", `chosen()`, `state.upload.active === false && state.upload.sent === 3 && state.upload.size === 3`},
}

// apiPage is what the page around the panel has of its own: request is a call, current the last state, told the events.
const apiPage = `globalThis.turn = 1;
	globalThis.told = [];
	globalThis.input = Object.assign(document.createElement("input"), { type: "file", multiple: true });
	globalThis.chosen = () => { // as a person chooses two files
		const data = new DataTransfer();
		for (const [name, content] of [["one", "1"], ["two", "22"]]) data.items.add(new File([content], name + " " + turn + ".txt"));
		input.files = data.files;
		return input.files;
	};
	globalThis.box = document.body.appendChild(document.createElement("div"));`

// byScript has the calls made with what panel.js defines.
const byScript = `globalThis.desk = ghostaux.connect({ url: console_, container: box });
	desk.addEventListener("state", ({ detail }) => told.push(["state", detail]));
	desk.addEventListener("document", ({ detail }) => told.push(["document", detail]));
	globalThis.current = () => desk.state;
	globalThis.request = (name, ...parameters) => {
		if (name === "state") return desk.state;
		const answer = name.split(".").reduce((at, step) => at[step], desk)(...parameters);
		if (!(answer instanceof Promise)) throw new Error(name + " returns no promise");
		return answer;
	};
	await desk.ready;`

// byMessages has them made with messages to a frame of the page's own.
const byMessages = `turn = 2;
	told.length = 0;
	const frame = Object.assign(document.createElement("iframe"), { src: console_, allow: "microphone; autoplay; gamepad", width: 400, height: 500 });
	const waiting = new Map();
	addEventListener("message", ({ source, data: { ghostaux, id, result, error, event, detail } }) => {
		if (source !== frame.contentWindow || ghostaux !== 1) return;
		if (event) return told.push([event, detail]);
		waiting.get(id)(error === undefined ? result : Promise.reject(new Error(error)));
		waiting.delete(id);
	});
	globalThis.current = () => told.findLast(([event]) => event === "state")?.[1];
	globalThis.request = (call, ...parameters) => new Promise((answer) => {
		const id = "call " + waiting.size + call;
		waiting.set(id, answer);
		frame.contentWindow.postMessage({ ghostaux: 1, id, call, arguments: parameters }, "*");
	});
	globalThis.frame = box.appendChild(frame);`

// apiDesk is a page of another origin with the panel in it, and what that reaches.
type apiDesk struct {
	*consolePage
	*testkit.Ghostaux
	pulse *testkit.Pulse
	spool string
	start testkit.Start
}

// startAPI has a desktop with sound, and a page whose computer has a microphone that hears 880 Hz, and a pad.
func startAPI(t *testing.T) *apiDesk {
	t.Helper()
	a := &apiDesk{pulse: testkit.StartPulse(t), spool: testkit.ShortDir(t)}
	playTone(t, a.pulse)
	a.start = testkit.Start{Args: []string{"--printer-dir", a.spool}, Env: []string{"PULSE_SERVER=" + a.pulse.Server}}
	a.Ghostaux = testkit.StartGhostauxWith(t, a.start)
	a.consolePage = newPage(t, 2*time.Minute, micHears880(t), fakePad, `if (parent !== window) addEventListener("load", () => plug(true))`)
	console := a.URL(t, "frontdoor", "/")
	a.open(console + "login?token=" + url.QueryEscape(testkit.Token))
	a.open(pageWith(t, `<script src="`+console+`panel.js" data-panel="off"></script>`).URL)
	a.run(fmt.Sprintf(`globalThis.console_ = %q; %s`, console, apiPage))
	return a
}

// pageWith is a page like KasmVNC's with a tag in it.
func pageWith(t *testing.T, tag string) *httptest.Server {
	t.Helper()
	dir, srv := webClient(t)
	index := filepath.Join(dir, "index.html")
	content := strings.Replace(contentOf(t, index), "</body>", tag+"</body>", 1)
	if err := os.WriteFile(index, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return srv
}

// Everything that docs/CONSOLE.md tells pages of other origins does what it says, through panel.js and with messages.
func TestConsoleAPI(t *testing.T) {
	a := startAPI(t)
	if ask[bool](a.consolePage, `Boolean(document.querySelector("ghostaux-panel"))`) {
		t.Error(`data-panel="off" has added a panel`)
	}
	a.run(byScript)
	a.opens()
	a.answers()
	a.run(`globalThis.late = desk.upload([]).then(() => "answered", (error) => error.message); desk.remove();`)
	a.until(10*time.Second, "the panel is gone, with what it had yet to answer", `!document.querySelector("ghostaux-panel") && await late === "the panel was removed"`)

	a.run(byMessages)
	a.answers()
	a.pointAt(`{ getBoundingClientRect() { const { left, top } = frame.getBoundingClientRect(); return { left: left + 60, top: top + 112, width: 0, height: 0 }; } }`)
	a.until(10*time.Second, "the page may take the keyboard back", `told.some(([event]) => event === "release")`)
	a.tellsLink()
	a.faultless()
}

// opens shows the panel in its element and hides it again.
func (a *apiDesk) opens() {
	a.t.Helper()
	const shown = `desk.frame.checkVisibility({ visibilityProperty: true }) && desk.frame.getBoundingClientRect().left < innerWidth`
	a.until(10*time.Second, "the panel is in its element, once, and closed", `box.querySelectorAll("ghostaux-panel").length === 1 && ghostaux.connect() === desk && desk.open === false && !(`+shown+`)`)
	a.run(`desk.open = true`)
	a.until(10*time.Second, "the panel is open", `desk.open === true && `+shown)
	a.run(`desk.open = false`)
	a.until(10*time.Second, "the panel is closed", `desk.open === false && !(`+shown+`)`)
}

// answers makes every call in the way that the page now has, and sees every event and every member of the state.
func (a *apiDesk) answers() {
	a.t.Helper()
	t, p := a.t, a.consolePage
	p.until(30*time.Second, "the state is told", `current()?.link === "open" && current().services.length === 6 && current().services.every(({ name, control, state }) => name && control === "on" && state)`)
	p.until(30*time.Second, "the pad is told", `JSON.stringify(current().gamepads) === JSON.stringify([{ id: pad.id, slot: 0 }])`)
	for _, c := range consoleCalls {
		answer := ask[any](p, fmt.Sprintf(`request(%q, %s)`, c.name, c.arguments))
		p.until(30*time.Second, c.name+" is done", `((state) => `+c.then+`)(current())`)
		switch {
		case c.name == "upload" && answer != 2.0:
			t.Errorf("%s answers %v", c.name, answer)
		case c.name == "microphone.talk" && c.arguments == "true":
			testkit.Eventually(t, 30*time.Second, "parec hears 880 Hz", func() bool { return frequencyOf(t, a.pulse, "ghostaux_mic") == 880 })
		}
	}
	turn := ask[int](p, `turn`)
	for name, content := range map[string]string{"one": "1", "two": "22"} {
		name = fmt.Sprintf("%s %d.txt", name, turn)
		if b, err := os.ReadFile(filepath.Join(a.Home, "Uploads", name)); err != nil || string(b) != content {
			t.Errorf("%s has %q, %v", name, b, err)
		}
	}
	if problem := ask[string](p, `Promise.resolve().then(() => turn === 1 ? desk.call("sound.steal") : request("sound.steal")).then(() => "", (error) => error.message)`); !strings.Contains(problem, "sound.steal") {
		t.Errorf("a call that does not exist is answered %q", problem)
	}
	a.prints(fmt.Sprintf("letter %d.pdf", turn))
}

// prints has a document arrive, which the page is told of once, and which is the newest in the state.
func (a *apiDesk) prints(name string) {
	a.t.Helper()
	testkit.Eventually(a.t, 20*time.Second, "the folder of documents is watched", func() bool {
		var detail struct{ Watching bool }
		return json.Unmarshal(a.Status(a.t, "printer").Detail, &detail) == nil && detail.Watching
	})
	pdf := colouredPDF("0 0 1")
	if err := os.WriteFile(filepath.Join(a.spool, name), pdf, 0o644); err != nil {
		a.t.Fatal(err)
	}
	documents := `JSON.stringify(told.filter(([event]) => event === "document").map(([, detail]) => detail))`
	a.until(20*time.Second, "the document is told", fmt.Sprintf(`%s === JSON.stringify([{ name: %q, size: %d }])`, documents, name, len(pdf)))
	a.until(20*time.Second, "the state has it first", fmt.Sprintf(`((state) => state.documents.length === turn && state.documents[0].name === %q && state.documents[0].size === %d && state.documents[0].id && state.documents[0].state)(current())`, name, len(pdf)))
}

// tellsLink loses the connection, and then the session.
func (a *apiDesk) tellsLink() {
	a.t.Helper()
	addr := a.Addr(a.t, "frontdoor")
	a.Kill()
	a.until(20*time.Second, "the connection is lost", `current().link === "lost"`)
	a.losesSession(func() {
		a.start.Args = append(a.start.Args, "--addr", addr)
		testkit.StartGhostauxWith(a.t, a.start)
	})
	a.until(30*time.Second, "nobody is signed in", `current().link === "signedOut"`)
}

// The calls that are tested are those that are documented.
func TestConsoleCallsAreDocumented(t *testing.T) {
	_, list, found := strings.Cut(contentOf(t, "../docs/CONSOLE.md"), "calls: ")
	list, _, ended := strings.Cut(list, " |")
	if !found || !ended {
		t.Fatal("docs/CONSOLE.md has no list of calls")
	}
	var documented, tested []string
	for _, m := range regexp.MustCompile("`([a-z.]+)`").FindAllStringSubmatch(list, -1) {
		documented = append(documented, m[1])
	}
	for _, c := range consoleCalls {
		tested = append(tested, c.name)
	}
	slices.Sort(documented)
	slices.Sort(tested)
	if tested = slices.Compact(tested); !slices.Equal(documented, tested) {
		t.Errorf("documented are %q, tested %q", documented, tested)
	}
}
