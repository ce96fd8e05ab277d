package auth_test

import (
	"os"
	"testing"

	"ghostaux/pkg/testkit"
)

func TestMain(m *testing.M) {
	if os.Getenv("GHOSTAUX_TEST_HIDE") != "" {
		hideAndPrint()
		return
	}
	testkit.LeakGate(m)
}
