package testkit

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// StartBrowser starts headless Chromium and returns the context of its first tab, for chromedp.Run, which ends with
// the test and after the limit at the latest. Flags are name, value pairs beside the ones that every test wants: any
// certificate, sound without a click.
func StartBrowser(t testing.TB, limit time.Duration, flags map[string]any) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	ctx, cancelAllocator := chromedp.NewExecAllocator(ctx, browserOptions(t.TempDir(), flags)...)
	ctx, cancelTab := chromedp.NewContext(ctx, chromedp.WithErrorf(t.Logf))
	t.Cleanup(func() {
		cancelTab()
		cancelAllocator()
		cancel()
	})
	return ctx
}

// shared is the Chromium of SharedBrowser.
var shared struct {
	once  sync.Once
	ctx   context.Context
	close func()
	err   error
}

// SharedBrowser is StartBrowser without flags and with less work: the tests of this run share one Chromium, in which
// each has a tab with storage, cookies and permissions of its own.
func SharedBrowser(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	shared.once.Do(startShared)
	if shared.err != nil {
		t.Fatalf("start Chromium: %v", shared.err)
	}
	ctx, cancelTab := chromedp.NewContext(shared.ctx, chromedp.WithNewBrowserContext())
	ctx, cancel := context.WithTimeout(ctx, limit)
	t.Cleanup(func() {
		cancel()
		cancelTab()
	})
	return ctx
}

func startShared() {
	dir, err := os.MkdirTemp("", "ghostaux-browser")
	if err != nil {
		shared.err = err
		return
	}
	ctx, cancelAllocator := chromedp.NewExecAllocator(context.Background(), browserOptions(dir, nil)...)
	ctx, cancelTab := chromedp.NewContext(ctx)
	shared.ctx = ctx
	shared.close = func() {
		cancelTab()
		cancelAllocator()
		_ = os.RemoveAll(dir)
	}
	_, shared.err = chromedp.Run(ctx, chromedp.Navigate("about:blank"))
}

// CloseBrowser ends what SharedBrowser has started; for TestMain.
func CloseBrowser() {
	if shared.close != nil {
		shared.close()
	}
}

func browserOptions(dir string, flags map[string]any) []chromedp.ExecAllocatorOption {
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.UserDataDir(dir),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.IgnoreCertErrors,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
	)
	for name, value := range flags {
		opts = append(opts, chromedp.Flag(name, value))
	}
	return opts
}
