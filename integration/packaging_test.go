package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ghostaux/pkg/testkit"
)

// The man page and the completions have the flags of the program and of its commands, and those who read them understand them: mandoc has
// nothing to complain of, and bash completes.
func TestManPageAndCompletions(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("go", "run", "./deploy/dist/reference", "-binary", testkit.Binary(t), "-version", "v1.2.3", "-date", "@1700000000", dir)
	cmd.Dir = testkit.Root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	page := filepath.Join(dir, "ghostaux.1")
	if out, err := exec.Command("mandoc", "-T", "lint", "-W", "warning", page).CombinedOutput(); err != nil {
		t.Errorf("mandoc: %v: %s", err, out)
	}
	for _, name := range []string{"ghostaux.1", "ghostaux.bash", "ghostaux.zsh", "ghostaux.fish"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(raw), `\-`, "-")
		for _, flag := range []string{"audioout-addr", "trusted-proxy", "fail-secure", "undo", "server-cert"} {
			if !strings.Contains(text, flag) {
				t.Errorf("%s lacks --%s", name, flag)
			}
		}
	}
	for typed, want := range map[string]string{
		"inst": "install install-panel", "--audioout-so": "--audioout-source --audioout-source-idle",
		"--und": "", "install --und": "--undo", "card-agent --in": "--insecure",
	} {
		if got := complete(t, filepath.Join(dir, "ghostaux.bash"), typed); got != want {
			t.Errorf("ghostaux %s<TAB>: %q, want %q", typed, got, want)
		}
	}
}

// complete is what bash offers, sorted, when TAB is pressed behind what was typed.
func complete(t *testing.T, script, typed string) string {
	t.Helper()
	const press = `source "$1"; shift; COMP_WORDS=(ghostaux "$@"); COMP_CWORD=$#; _ghostaux; echo "${COMPREPLY[@]}"`
	out, err := exec.Command("bash", slices.Concat([]string{"-euc", press, "bash", script}, strings.Fields(typed))...).CombinedOutput()
	if err != nil {
		t.Fatalf("bash: %v: %s", err, out)
	}
	return strings.Join(slices.Sorted(slices.Values(strings.Fields(string(out)))), " ")
}
