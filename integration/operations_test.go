package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ghostaux/pkg/testkit"
)

// What operators read names every metric, and no metric that is not there.
func TestMetricsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs/OPERATIONS.md"))
	if err != nil {
		t.Fatal(err)
	}
	g := testkit.StartGhostaux(t)
	g.Get(t, "/status") // so that a request has been counted
	there := map[string]bool{"ghostaux_http_panics_total": true}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (ghostaux_\w+)`).FindAllStringSubmatch(string(g.Get(t, "/metrics")), -1) {
		there[m[1]] = true
		if !strings.Contains(string(doc), "| `"+m[1]+"` |") {
			t.Errorf("%s is not in docs/OPERATIONS.md", m[1])
		}
	}
	if len(there) < 50 {
		t.Errorf("only %d metrics", len(there))
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(ghostaux_\\w+)` \\|").FindAllStringSubmatch(string(doc), -1) {
		if !there[m[1]] {
			t.Errorf("docs/OPERATIONS.md has %s, which is not there", m[1])
		}
	}
}

// Every flag that operators read of is one of ghostaux, or of the programs that the document speaks of.
func TestDocumentedFlagsExist(t *testing.T) {
	known := map[string]bool{}
	for _, flag := range strings.Fields("debug directory relay ssl upload_dir device device-cgroup-rule group-add install patch-file") {
		known[flag] = true // of the old programs, docker, helm and kubectl
	}
	for _, command := range []string{"", "serve", "install", "install-panel", "card-agent", "check"} {
		out, err := exec.Command(testkit.Binary(t), append(strings.Fields(command), "--help")...).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`--(?:\[no-\])?([a-z][a-z0-9-]+)`).FindAllStringSubmatch(string(out), -1) {
			known[m[1]] = true
		}
	}
	text, err := os.ReadFile(filepath.Join(testkit.Root(t), "docs/OPERATIONS.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("[ `(]--([a-z][a-z0-9_-]+)").FindAllStringSubmatch(string(text), -1) {
		if !known[m[1]] {
			t.Errorf("docs/OPERATIONS.md names --%s, which is not there", m[1])
		}
	}
}
