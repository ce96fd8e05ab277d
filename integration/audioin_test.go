package integration

import (
	"testing"

	"ghostaux/pkg/testkit"
)

// startAudioIn runs the binary with the microphone service alone, on the PulseAudio, and waits until it is ready.
func startAudioIn(t testing.TB, p *testkit.Pulse, args ...string) *testkit.Ghostaux {
	t.Helper()
	g := testkit.StartGhostauxWith(t, testkit.Start{
		Args: append([]string{"--only", "audioin"}, args...),
		Env:  []string{"PULSE_SERVER=" + p.Server},
	})
	g.WaitState(t, "audioin", "ready")
	return g
}
