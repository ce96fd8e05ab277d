package audioin

import (
	"strings"
	"testing"
	"time"
)

func TestConfigValidate(t *testing.T) {
	if err := testConfig("").Validate(); err != nil {
		t.Errorf("the default: %v", err)
	}
	err := Config{Latency: time.Second, MaxQueue: time.Millisecond, MaxPeers: 0}.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"--audioin-latency 1s", "--audioin-max-queue 1ms", "--audioin-max-peers 0"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}
