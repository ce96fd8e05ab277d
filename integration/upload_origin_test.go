package integration

import (
	"context"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"ghostaux/pkg/testkit"
)

// TestUploadFromAnotherOrigin: the real Dropzone on a page of another origin, which sends with credentials, as
// where no proxy puts page and container under one address. Its person has logged in to ghostaux or not; its origin
// is allowed or not.
func TestUploadFromAnotherOrigin(t *testing.T) {
	page, stranger := httptest.NewTLSServer(dropzonePage(t)), httptest.NewTLSServer(dropzonePage(t))
	defer page.Close()
	defer stranger.Close()
	u := startUploader(t, filepath.Join(t.TempDir(), "Uploads"), "--allow-origin", page.URL)
	u.g.WaitState(t, "upload", "ready")
	ctx := testkit.SharedBrowser(t, 2*time.Minute)

	u.wantFrom(ctx, page.URL, "before.bin", "Authorization Header missing or invalid")
	if _, err := chromedp.Run(ctx, chromedp.Navigate(u.g.URL(t, "frontdoor", "/login?token="+url.QueryEscape(testkit.Token)))); err != nil {
		t.Fatal(err)
	}
	u.wantFrom(ctx, stranger.URL, "foreign.bin", "Server responded with 0 code.") // Dropzone's word for what the browser withholds
	u.wantFrom(ctx, page.URL, "fine.bin", "")
	if got := u.names(); len(got) != 1 || got[0] != "fine.bin" {
		t.Errorf("%q", got)
	}
}

// wantFrom sends a file of two chunks from a page of the origin to the upload address; fault is the error that the page shows.
func (u *uploader) wantFrom(ctx context.Context, origin, name, fault string) {
	u.Helper()
	path := writeRandom(u, u.TempDir(), name, 11_000_000)
	address := origin + "/?to=" + url.QueryEscape(u.g.URL(u, "upload", "/upload"))
	if _, err := chromedp.Run(ctx, chromedp.Navigate(address)); err != nil {
		u.Fatalf("open %s: %v", address, err)
	}
	if _, err := chromedp.Run(ctx, chromedp.SetUploadFiles("input.dz-hidden-input", []string{path})); err != nil {
		u.Fatalf("choose %s: %v", name, err)
	}
	state := waitDropzone(ctx, u)
	if fault == "" {
		if !state.Done[name] || sum(u, path) != sum(u, filepath.Join(u.dir, name)) {
			u.Errorf("%s: done %v, error %v, or its content differs", name, state.Done[name], state.Errors[name])
		}
	} else if state.Errors[name] != fault {
		u.Errorf("%s: done %v, error %q, want %q", name, state.Done[name], state.Errors[name], fault)
	}
}
