package testkit

import (
	"strconv"
	"strings"
	"testing"

	"ghostaux/pkg/metrics"
)

// Metric is the sum of the registry's numbers of this name, whatever their labels. There must be one.
func Metric(t testing.TB, r *metrics.Registry, name string) (sum float64) {
	t.Helper()
	var page strings.Builder
	if err := r.Write(&page); err != nil {
		t.Fatal(err)
	}
	found := false
	for line := range strings.Lines(page.String()) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		found = true
		value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		sum += value
	}
	if !found {
		t.Fatalf("no metric %s", name)
	}
	return sum
}
