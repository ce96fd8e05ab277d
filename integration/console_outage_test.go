package integration

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"golang.org/x/sys/unix"

	"ghostaux/pkg/testkit"
)

// outage is a page whose services lose what they need.
type outage struct {
	*consolePage
	dir string // of all that they need
}

// ends breaks something, waits until the card of the service says so, mends it, and waits until the service is there again.
func (o *outage) ends(name string, fault, mend func()) {
	o.t.Helper()
	badge := fmt.Sprintf(`document.querySelector(".%s .badge").textContent`, name)
	o.until(30*time.Second, name+" is ready", badge+` === "Ready"`)
	fault()
	begin := time.Now()
	o.until(20*time.Second, name+" says what is wrong", fmt.Sprintf(`%s !== "Ready" && document.querySelector(".%s .trouble strong").textContent.length > 10`, badge, name))
	said := time.Since(begin)
	mend()
	begin = time.Now()
	o.until(40*time.Second, name+" is ready again", badge+` === "Ready"`)
	o.t.Logf("%-9s  the card said so after %4d ms, and that it is well again after %4d ms", name, said.Milliseconds(), time.Since(begin).Milliseconds())
}

func (o *outage) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *outage) path(name string) string { return filepath.Join(o.dir, name) }

// uinput makes a node that can be opened, which is all that the service looks at before a pad is used.
func (o *outage) uinput() {
	o.t.Helper()
	o.must(unix.Mknod(o.path("uinput"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3)))) // as /dev/null
	o.must(os.Chmod(o.path("uinput"), 0o666))
}

// uploads sends a file and waits until it is there.
func (o *outage) uploads(name string) {
	o.t.Helper()
	o.run(fmt.Sprintf(`ghostaux.uploads.add([{ file: new File(["%s"], "%[1]s"), path: "%[1]s" }])`, name))
	o.until(20*time.Second, "it is uploaded", `ghostaux.uploads.list.at(-1).state === "done"`)
	if content, err := os.ReadFile(filepath.Join(o.path("Uploads"), name)); err != nil || string(content) != name {
		o.t.Errorf("%s: %q, %v", name, content, err)
	}
}

// What each service needs goes away and comes back under the page, and so does ghostaux: the card says so, and all works
// again without a reload. Of PulseAudio, TestConsoleSound and TestConsoleMicrophone know.
func TestConsoleOutages(t *testing.T) {
	o := &outage{dir: testkit.ShortDir(t)}
	const nobody = 65534 // root may write anywhere
	for _, name := range []string{"", "Uploads", "PDF"} {
		if err := os.MkdirAll(o.path(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(o.path(name), nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	pcscd := testkit.StartPcscd(t)
	start := testkit.Start{UID: nobody, Args: []string{
		"--only", "upload,gamepad,printer,smartcard", "--upload-dir", o.path("Uploads"), "--printer-dir", o.path("PDF"),
		"--gamepad-uinput", o.path("uinput"), "--gamepad-device", "uinput", "--smartcard-vpcd-addr", pcscd.Addr,
	}}
	o.consolePage = newPage(t, 3*time.Minute, nil, fakePad)
	o.uinput()
	g := testkit.StartGhostauxWith(t, start)
	openConsole(t, g, o.consolePage)
	o.run(`globalThis.same = true`)

	o.ends("upload", func() { o.must(os.Chmod(o.path("Uploads"), 0o555)) }, func() { o.must(os.Chmod(o.path("Uploads"), 0o755)) })
	o.uploads("one.txt")
	o.ends("printer", func() { o.must(os.Rename(o.path("PDF"), o.path("away"))) }, func() { o.must(os.Rename(o.path("away"), o.path("PDF"))) })
	o.must(os.WriteFile(o.path("PDF/letter.pdf"), colouredPDF("1 0 0"), 0o644))
	o.until(20*time.Second, "a document is listed", `document.querySelector(".printer li .name")?.textContent === "letter.pdf"`)
	o.ends("smartcard", pcscd.Kill, func() { pcscd.Start(t) })
	o.ends("gamepad", func() {
		o.must(os.Remove(o.path("uinput")))
		o.run(`plug(true); pad.buttons[0].value = 1`) // a pad of the desktop is made when it is first used
	}, func() {
		o.run(`pad.buttons[0].value = 0; plug(false)`)
		o.uinput()
	})

	o.losesGhostaux(g, start)
	o.until(30*time.Second, "all is well", `document.querySelectorAll(".card[data-state=ready]").length === 4 && globalThis.same`)
	o.faultless()
}

// losesGhostaux has ghostaux itself go, and come back without the folder of uploads first.
func (o *outage) losesGhostaux(g *testkit.Ghostaux, start testkit.Start) {
	o.t.Helper()
	addr := g.Addr(o.t, "frontdoor")
	o.ends("upload", func() {
		g.Kill()
		o.until(20*time.Second, "the page says that it is alone", `document.getElementById("link").textContent !== ""`)
		start.Args = append(start.Args, "--addr", addr, "--upload-dir", "/proc/nothing")
		g = testkit.StartGhostauxWith(o.t, start)
	}, func() {
		g.Kill()
		start.Args = append(start.Args, "--upload-dir", o.path("Uploads"))
		testkit.StartGhostauxWith(o.t, start)
	})
	o.uploads("two.txt")
}

// A console behind a path prefix is right again after ghostaux was gone; the session goes on.
func TestConsoleComesBack(t *testing.T) {
	g := testkit.StartGhostaux(t, "--only", "upload", "--prefix", "/desk/7")
	addr := g.Addr(t, "frontdoor")
	p := newPage(t, time.Minute, nil)
	p.open("https://" + addr + "/desk/7/login?token=" + url.QueryEscape(testkit.Token))
	p.until(20*time.Second, "upload is ready", `document.querySelector(".upload .badge")?.textContent === "Ready"`)
	p.run(`globalThis.same = true`)
	g.Kill()
	p.until(10*time.Second, "the page says that it is alone", `document.getElementById("link").textContent !== "" && document.querySelector(".upload .badge").textContent === "No connection"`)
	g = testkit.StartGhostaux(t, "--only", "upload", "--prefix", "/desk/7", "--addr", addr)
	p.until(20*time.Second, "it works again", `document.querySelector(".upload .badge").textContent === "Ready" && globalThis.same`)
	p.run(`ghostaux.uploads.add([{ file: new File(["x"], "x.txt"), path: "x.txt" }])`)
	p.until(20*time.Second, "an upload works", `ghostaux.uploads.list[0].state === "done"`)

	p.losesSession(func() {
		g.Kill()
		testkit.StartGhostaux(t, "--only", "upload", "--prefix", "/desk/7", "--addr", addr)
	})
	p.until(30*time.Second, "the page offers the login", `/signed out/.test(document.getElementById("link").textContent)`)
	p.click("#link a")
	p.until(20*time.Second, "the login asks", `document.getElementById("password") && location.pathname === "/desk/7/login"`)
}

// losesSession has the browser forget it, and ghostaux begin anew.
func (p *consolePage) losesSession(anew func()) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, network.ClearBrowserCookies, cdp.Empty{}); err != nil {
		p.t.Fatal(err)
	}
	anew()
}
