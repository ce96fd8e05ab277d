package testkit

import (
	"testing"
	"time"
)

// Eventually fails the test unless the condition becomes true within the limit. It is for what happens in other
// processes; inside this one, testing/synctest needs no waiting.
func Eventually(t testing.TB, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
