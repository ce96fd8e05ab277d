package testkit

import (
	"testing"

	"go.uber.org/goleak"
)

// LeakGate is the body of every package's TestMain: a goroutine that is left at the end fails the run.
func LeakGate(m *testing.M) {
	goleak.VerifyTestMain(m)
}
