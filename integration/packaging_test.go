package integration

import (
	"encoding/json"
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

// bill is what an SBOM has of interest here.
type bill struct {
	SpecVersion string
	Components  []struct {
		Name, Version, Purl string
		Licenses            []struct{ Expression string }
		Hashes              []struct{ Alg, Content string }
	}
	Dependencies []struct {
		Ref       string
		DependsOn []string
	}
}

// amend adds the console's packages to an SBOM.
func amend(t *testing.T, before string) (text string, b bill) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bom.json")
	if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "run", "./deploy/dist/sbom", path)
	cmd.Dir = testkit.Root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Fatal(err)
	}
	return string(raw), b
}

// lockedPackages are the purls of the console's packages that are not for development, sorted.
func lockedPackages(t *testing.T) (purls []string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(testkit.Root(t), "web/package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct {
			Version string
			Dev     bool
		}
	}
	if err := json.Unmarshal(raw, &lock); err != nil {
		t.Fatal(err)
	}
	for path, p := range lock.Packages {
		if name := strings.TrimPrefix(path, "node_modules/"); name != "" && !p.Dev {
			purls = append(purls, "pkg:npm/"+strings.Replace(name, "@", "%40", 1)+"@"+p.Version)
		}
	}
	slices.Sort(purls)
	return purls
}

// The SBOM has, beside what it had, the npm packages whose code is in the console, with name, version, licence, hash and purl, in the same
// order every time; and says that the program needs the player, which is the one that the console itself asks for.
func TestSBOMHasTheConsole(t *testing.T) {
	const before = `{"specVersion": "1.6", "metadata": {"component": {"bom-ref": "pkg:golang/ghostaux@v1"}},
		"components": [{"name": "kong"}], "dependencies": [{"ref": "kong"}, {"ref": "pkg:golang/ghostaux@v1", "dependsOn": ["kong"]}]}`
	text, b := amend(t, before)
	var purls []string
	for _, c := range b.Components[1:] {
		purls = append(purls, c.Purl)
		if c.Name == "" || c.Version == "" || len(c.Licenses) != 1 || c.Licenses[0].Expression != "MIT" ||
			len(c.Hashes) != 1 || c.Hashes[0].Alg != "SHA-512" || len(c.Hashes[0].Content) != 128 {
			t.Errorf("%+v", c)
		}
	}
	if want := lockedPackages(t); !slices.Equal(slices.Sorted(slices.Values(purls)), want) {
		t.Errorf("the packages are %q, want %q", purls, want)
	}
	if b.Components[0].Name != "kong" || b.SpecVersion != "1.6" {
		t.Errorf("what was in it has changed: %s", text)
	}
	if d := b.Dependencies[1].DependsOn; len(d) != 2 || d[0] != "kong" || !strings.HasPrefix(d[1], "pkg:npm/jsmpeg-player@") {
		t.Errorf("the program depends on %q", d)
	}
	if again, _ := amend(t, before); again != text {
		t.Error("it is another one the second time")
	}
}
