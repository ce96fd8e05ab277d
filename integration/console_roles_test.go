package integration

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// Viewers hear, see nothing else, and are refused the rest by the server too; what an administrator hides or locks is
// absent or locked, and refused.
func TestConsoleRoles(t *testing.T) {
	pulse := testkit.StartPulse(t)
	playTone(t, pulse)
	passwords := filepath.Join(t.TempDir(), "kasmpasswd")
	hash, err := exec.Command("openssl", "passwd", "-5", "-salt", "kasm", "listen").Output()
	if err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSpace(string(hash))
	if err := os.WriteFile(passwords, []byte("listener:"+line+":r\nowner:"+line+":wo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := testkit.StartGhostauxWith(t, testkit.Start{
		Args: []string{"--kasmpasswd", passwords, "--console-hide", "smartcard", "--console-lock", "upload"},
		Env:  []string{"PULSE_SERVER=" + pulse.Server, "GHOSTAUX_AUTH_TOKEN="},
	})
	p := newPage(t, 90*time.Second, nil, `delete BaseAudioContext.prototype.audioWorklet`) // as over plain http
	p.open(g.URL(t, "frontdoor", "/login?token=listener%3Alisten"))
	p.until(20*time.Second, "the viewer's page is there", `globalThis.ghostaux?.events.link === "open"`)
	p.onlyHears()
	p.faultless()

	p.click(".top form button") // signs out
	p.until(20*time.Second, "the login asks", `document.getElementById("password")`)
	p.run(`document.getElementById("user").value = "owner"; document.getElementById("password").value = "listen"`)
	p.click("form button")
	p.until(20*time.Second, "the owner's page is there", `globalThis.ghostaux?.events.link === "open"`)
	p.lacksFiles(filepath.Join(g.Home, "Uploads"))
	out, err := exec.Command("curl", "-ksS", "-m", "30", "-o", os.DevNull, "-w", "%{http_code}", "-u", "owner:listen", g.URL(t, "upload", "/folder/")).Output()
	if err != nil || string(out) != "403" {
		t.Errorf("what is locked answers %s at its own address (%v)", out, err)
	}
}

// titles are those of the cards.
func (p *consolePage) titles() string {
	p.t.Helper()
	return ask[string](p, `[...document.querySelectorAll(".card h2")].map((h) => h.textContent).join()`)
}

// wantsStatus has the page ask for a path.
func (p *consolePage) wantsStatus(method, path string, want int) {
	p.t.Helper()
	if status := ask[int](p, `fetch("`+path+`", { method: "`+method+`" }).then((r) => r.status)`); status != want {
		p.t.Errorf("%s %s: %d, want %d", method, path, status, want)
	}
}

// onlyHears has a viewer hear the desktop and nothing else.
func (p *consolePage) onlyHears() {
	p.t.Helper()
	if cards := p.titles(); cards != "Sound" {
		p.t.Errorf("a viewer sees %s", cards)
	}
	p.look("viewer", axeCore(p.t), 360, 1440)
	p.click("#play")
	p.hears440(30 * time.Second)
	for _, path := range []string{"uploads/folder/", "printer/documents", "uploads/files/"} {
		p.wantsStatus("GET", path, http.StatusForbidden)
	}
}

// lacksFiles has an owner for whom an administrator has hidden the card and locked the files.
func (p *consolePage) lacksFiles(uploads string) {
	p.t.Helper()
	if titles := p.titles(); strings.Contains(titles, "Smart card") || !strings.Contains(titles, "Files") {
		p.t.Errorf("an owner sees %s", titles)
	}
	if badge := ask[string](p, `document.querySelector(".upload .badge").textContent`); badge != "Locked" {
		p.t.Errorf("what is locked says %s", badge)
	}
	p.wantsStatus("GET", "uploads/folder/", http.StatusForbidden)
	p.wantsStatus("PUT", "uploads/folder/new", http.StatusForbidden)
	if _, err := os.Stat(filepath.Join(uploads, "new")); !os.IsNotExist(err) {
		p.t.Errorf("a folder was made in what is locked: %v", err)
	}
}
