package integration

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"ghostaux/pkg/testkit"
)

// A large upload comes whole through a connection that is cut twice; the file is listed, renamed and deleted.
func TestConsoleUpload(t *testing.T) {
	g := testkit.StartGhostaux(t, "--only", "upload")
	g.WaitState(t, "upload", "ready")
	cut := cuttingProxy(t, g.Addr(t, "frontdoor"))
	p := newPage(t, 5*time.Minute, nil)
	p.open("https://" + cut.addr + "/login?token=kasm_user%3Ap%3Aw%40+%25%2B%2F%C3%BC")
	p.until(20*time.Second, "the page knows the services", `globalThis.ghostaux?.events.link === "open"`)

	content := make([]byte, 200<<20)
	_, _ = rand.Read(content)
	path := filepath.Join(t.TempDir(), "large.bin")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	p.run(`globalThis.told = []; // of the progress; the first piece is paused under way
		ghostaux.uploads.addEventListener("progress", () => {
			if (told.push(document.getElementById("upload-total").textContent) === 1) document.querySelector('[aria-label="Pause: large.bin"]').click();
		});`)
	if _, err := chromedp.Run(p.ctx, chromedp.SetUploadFiles(chromedp.CSS(".drop input[type=file]"), []string{path})); err != nil {
		t.Fatal(err)
	}
	p.until(10*time.Second, "it is paused", `ghostaux.uploads.list[0].state === "paused" && document.querySelector(".transfers [data-state=paused] .small").textContent === "Paused"`)
	p.click(`[aria-label="Resume: large.bin"]`)
	for _, share := range []string{"0.2", "0.6"} {
		p.until(2*time.Minute, "it is under way", `ghostaux.uploads.list[0]?.sent / ghostaux.uploads.list[0]?.size > `+share)
		cut.all()
	}
	p.until(2*time.Minute, "it is done", `ghostaux.uploads.list[0].state === "done"`)
	if !ask[bool](p, `told.some((words) => / left$/.test(words))`) {
		t.Errorf("the remaining time was not told: %v", ask[[]string](p, "told"))
	}
	got, err := os.ReadFile(filepath.Join(g.Home, "Uploads", "large.bin"))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file is not what was sent: %v, %d bytes", err, len(got))
	}
	p.until(20*time.Second, "it is listed", `document.querySelector(".files li .name")?.textContent === "large.bin"`)

	p.managesFiles(filepath.Join(g.Home, "Uploads"))
	p.faultless()
}

// managesFiles tries again what had failed, and fetches, renames and deletes what was uploaded.
func (p *consolePage) managesFiles(uploads string) {
	p.t.Helper()
	p.run(`ghostaux.uploads.add([{ file: new File(["x"], "large.bin"), path: "large.bin" }])`)
	p.until(20*time.Second, "a taken name is told in words", `document.querySelector("[data-state=failed] .small")?.textContent === "File already exists"`)
	p.dropsFolder(uploads)
	p.click(`.files [aria-label="Rename: large.bin"]`)
	p.run(`document.querySelector(".files input").value = "grün & large.bin"; document.querySelector(".files form").requestSubmit();`)
	p.until(20*time.Second, "it has the new name", `[...document.querySelectorAll(".files a.name")].some((a) => a.textContent === "grün & large.bin")`)
	if length := ask[float64](p, `fetch(document.querySelector(".files a.name").href, { headers: { Range: "bytes=100-199" } }).then((r) => r.arrayBuffer()).then((b) => b.byteLength)`); length != 100 {
		p.t.Errorf("a range of the file has %.0f bytes", length)
	}
	p.click(`.files [aria-label="Delete: grün & large.bin"]`)
	p.click(`.files .danger`)
	p.until(20*time.Second, "it is gone", `![...document.querySelectorAll(".files .name")].some((a) => a.textContent.includes("large.bin"))`)
	if _, err := os.Stat(filepath.Join(uploads, "grün & large.bin")); !os.IsNotExist(err) {
		p.t.Errorf("the file: %v", err)
	}
	p.click(`[data-state=failed] [aria-label="Try again: large.bin"]`)
	p.until(20*time.Second, "what had failed is done at the second try", `document.querySelectorAll("[data-state=failed]").length === 0 && ghostaux.uploads.list[1].state === "done"`)
	p.dropsUnreadable()
	if status := ask[int](p, `fetch("uploads/folder/..%2f..%2fetc%2fpasswd").then((r) => r.status)`); status < 400 {
		p.t.Errorf("a file outside of the directory: %d", status)
	}
}

// dropsFolder drops a folder on the page, as a person does, and wants it with its shape.
func (p *consolePage) dropsFolder(uploads string) {
	p.t.Helper()
	trip := filepath.Join(p.t.TempDir(), "trip")
	if err := errors.Join(os.MkdirAll(filepath.Join(trip, "day 1"), 0o755), os.MkdirAll(filepath.Join(trip, "plans", "day 2 of ü"), 0o755), os.Symlink("/nowhere", filepath.Join(trip, "dangling")), os.WriteFile(filepath.Join(trip, "day 1", "one.txt"), []byte("one"), 0o644),
		os.WriteFile(filepath.Join(trip, "two.txt"), []byte("two"), 0o644)); err != nil {
		p.t.Fatal(err)
	}
	at := ask[[2]float64](p, `(() => { const drop = document.querySelector(".drop"); drop.scrollIntoView(); const { left, top } = drop.getBoundingClientRect(); return [left + 20, top + 20]; })()`)
	for _, kind := range []input.DispatchDragEventType{input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver, input.DispatchDragEventTypeDrop} {
		params := input.DispatchDragEventParams{Type: kind, X: at[0], Y: at[1], Data: &input.DragData{Items: []*input.DragDataItem{}, Files: []string{trip}, DragOperationsMask: 1}}
		if _, err := chromedp.Call(p.ctx, input.DispatchDragEvent, params); err != nil {
			p.t.Fatalf("%s: %v", kind, err)
		}
	}
	p.until(20*time.Second, "the folder is listed", `[...document.querySelectorAll(".files li .name")].some((n) => n.textContent === "trip") && ghostaux.uploads.list.every((t) => t.finished)`)
	for name, want := range map[string]string{"day 1/one.txt": "one", "two.txt": "two"} {
		if got, err := os.ReadFile(filepath.Join(uploads, "trip", name)); err != nil || string(got) != want {
			p.t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(uploads, "trip", "plans", "day 2 of ü")); err != nil || len(entries) > 0 {
		p.t.Errorf("the empty folder has %v, %v", entries, err)
	}
}

// dropsUnreadable drops a folder that the browser may not look into, and a file beside it: the one is told, the other is taken.
func (p *consolePage) dropsUnreadable() {
	p.t.Helper()
	p.run(`const refused = { name: "secret", createReader: () => ({ readEntries: (_, fail) => fail(new DOMException("no", "NotReadableError")) }) };
		const items = [refused, { name: "beside.txt", isFile: true, file: (take) => take(new File(["beside"], "beside.txt")) }].map((entry) => ({ kind: "file", webkitGetAsEntry: () => entry }));
		document.querySelector(".drop").dispatchEvent(Object.assign(new Event("drop", { bubbles: true, cancelable: true }), { dataTransfer: { items } }));`)
	const row = `[...document.querySelectorAll(".transfers [data-state=failed]")].find((row) => row.querySelector(".name").textContent === "secret")`
	p.until(20*time.Second, "what cannot be read is told", `ghostaux.uploads.list.at(-1).path === "beside.txt" && ghostaux.uploads.list.at(-1).state === "done" && /cannot be read/.test(`+row+`?.querySelector(".small").textContent)`)
	if ask[bool](p, row+`.querySelector('[aria-label="Try again: secret"]').checkVisibility()`) {
		p.t.Error("what cannot be read can be tried again")
	}
}
