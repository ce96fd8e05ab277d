// Package integration runs the real binary against the real peers: PulseAudio, ffmpeg, Chromium, cups-pdf, pcscd, and a
// kernel with uinput. A peer that is missing fails its tests; `make test` installs them all.
package integration

import (
	"os"
	"testing"

	"ghostaux/pkg/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.CloseBrowser()
	testkit.RemoveBinary()
	os.Exit(code)
}
