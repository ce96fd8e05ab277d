package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ghostaux/pkg/testkit"
)

// dropzoneState is what testdata/upload.html knows.
type dropzoneState struct {
	Done     map[string]bool
	Errors   map[string]any
	Progress map[string]float64
	Drained  bool
}

// TestUploadDropzone: the real Dropzone in Chromium, set as the Workspaces interface sets it, through a proxy such as
// Kasm's: thirty files from 0 bytes to 300 MB, and one whose name is taken.
func TestUploadDropzone(t *testing.T) {
	u := startUploader(t, filepath.Join(t.TempDir(), "Uploads"), "--upload-page")
	u.g.WaitState(t, "upload", "ready")
	page := u.proxy()
	source := t.TempDir()
	sizes := []int64{0, 1, 2, 187, 4096, 65_535, 131_072, 999_999, 9_999_999, 10_000_000, 10_000_001, 20_000_000, 31_234_567, 300_000_000}
	var paths []string
	for i := range int64(30) {
		size := i * 7919
		if i < int64(len(sizes)) {
			size = sizes[i]
		}
		paths = append(paths, writeRandom(t, source, fmt.Sprintf("f%02d – 報告 (%d) 'é'.bin", i, size), size))
	}
	taken := writeRandom(t, source, "taken.txt", 11_000_000)
	if err := os.WriteFile(filepath.Join(u.dir, "taken.txt"), []byte("was here"), 0o600); err != nil {
		t.Fatal(err)
	}

	ctx := testkit.StartBrowser(t, 2*time.Minute, nil)
	if _, err := chromedp.Run(ctx, chromedp.Navigate(page.URL)); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(ctx, chromedp.SetUploadFiles("input.dz-hidden-input", append(paths, taken))); err != nil {
		t.Fatal(err)
	}
	state := waitDropzone(ctx, u)
	for _, path := range paths {
		name := filepath.Base(path)
		if !state.Done[name] || state.Progress[name] != 100 {
			t.Errorf("%s: done %v, progress %v, error %v", name, state.Done[name], state.Progress[name], state.Errors[name])
			continue
		}
		if sum(t, path) != sum(t, filepath.Join(u.dir, name)) {
			t.Errorf("%s: content differs", name)
		}
	}
	if got := state.Errors["taken.txt"]; got != "File already exists" || len(state.Errors) != 1 {
		t.Errorf("errors as the page shows them: %v", state.Errors)
	}
	if n := len(u.names()); n != 31 {
		t.Errorf("%d names in the directory: %q", n, u.names())
	}
	u.testPage(ctx, page.URL)
}

// waitDropzone waits until the page has sent all that it was given, or has given it up.
func waitDropzone(ctx context.Context, u *uploader) (state dropzoneState) {
	u.Helper()
	testkit.Eventually(u, 100*time.Second, "every file is sent", func() bool {
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("JSON.stringify(state)"))
		if err != nil || json.Unmarshal([]byte(text), &state) != nil {
			u.Fatalf("state: %v %s", err, text)
		}
		return state.Drained
	})
	return state
}

// testPage uses the small page of --upload-page, for those without the Workspaces interface.
func (u *uploader) testPage(ctx context.Context, base string) {
	u.Helper()
	path := writeRandom(u, u.TempDir(), "from the page.bin", 100_000)
	if _, err := chromedp.Run(ctx, chromedp.Navigate(base+"/desktop/1/uploads/")); err != nil {
		u.Fatalf("open the page: %v", err)
	}
	if _, err := chromedp.Run(ctx, chromedp.SetUploadFiles("input[type=file]", []string{path})); err != nil {
		u.Fatalf("choose the file: %v", err)
	}
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void]("document.querySelector('button').click()")); err != nil {
		u.Fatalf("press the button: %v", err)
	}
	testkit.Eventually(u, 20*time.Second, "the page says so", func() bool {
		text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.textContent"))
		return err == nil && strings.Contains(text, "uploaded Chunk")
	})
	if sum(u, path) != sum(u, filepath.Join(u.dir, "from the page.bin")) {
		u.Error("content differs")
	}
}
