package testkit

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// StartBrowser starts headless Chromium and returns the context of its first tab, for chromedp.Run, which ends with
// the test and after the limit at the latest. Flags are name, value pairs beside the ones that every test wants: any
// certificate, sound without a click.
func StartBrowser(t testing.TB, limit time.Duration, flags map[string]any) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.IgnoreCertErrors,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
	)
	for name, value := range flags {
		opts = append(opts, chromedp.Flag(name, value))
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	ctx, cancelAllocator := chromedp.NewExecAllocator(ctx, opts...)
	ctx, cancelTab := chromedp.NewContext(ctx, chromedp.WithErrorf(t.Logf))
	t.Cleanup(func() {
		cancelTab()
		cancelAllocator()
		cancel()
	})
	return ctx
}
