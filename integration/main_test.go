// Package integration runs the real binary against the real peers: PulseAudio, ffmpeg, Chromium, cups-pdf, pcscd, and a
// kernel with uinput. A peer that is missing fails its tests; `make test` installs them all.
package integration

import (
	"fmt"
	"os"
	"testing"

	"ghostaux/pkg/testkit"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(bareSenderEnv); path != "" {
		if err := sendBare(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	testkit.CloseBrowser()
	testkit.RemoveBinary()
	os.Exit(code)
}
