package audioin

import (
	"testing"

	"ghostaux/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.LeakGate(m) }
