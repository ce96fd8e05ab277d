package integration

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
)

// document reads one of the repository's.
func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testkit.Root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// family is one of /metrics, or of the tables that operators read.
type family struct {
	help   string
	labels map[string][]string // values by name, sorted
}

// metricsOf reads a page of Prometheus.
func metricsOf(page string) map[string]*family {
	all := map[string]*family{}
	for _, m := range regexp.MustCompile(`(?m)^# HELP (ghostaux_\w+) (.*)$`).FindAllStringSubmatch(page, -1) {
		all[m[1]] = &family{help: m[2], labels: map[string][]string{}}
	}
	label := regexp.MustCompile(`(\w+)="([^"]*)"`)
	for _, m := range regexp.MustCompile(`(?m)^(ghostaux_\w+){(.*)} `).FindAllStringSubmatch(page, -1) {
		entry := all[m[1]]
		if entry == nil {
			continue // the buckets of a histogram
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(entry.labels[l[1]], l[2]) {
				entry.labels[l[1]] = append(entry.labels[l[1]], l[2])
				slices.Sort(entry.labels[l[1]])
			}
		}
	}
	return all
}

// The habits of Prometheus: https://prometheus.io/docs/practices/naming/.
func TestMetricsHaveGoodNames(t *testing.T) {
	page := string(testkit.StartGhostaux(t).Get(t, "/metrics"))
	kinds := regexp.MustCompile(`(?m)^# HELP (\w+) .*\.$\n# TYPE (\w+) (counter|gauge|histogram)$`).FindAllStringSubmatch(page, -1)
	if helps := strings.Count(page, "# HELP "); len(kinds) != helps || helps < 50 {
		t.Errorf("%d of %d metrics have a sentence for a help and a kind", len(kinds), helps)
	}
	for _, m := range kinds {
		if m[1] != m[2] || strings.HasSuffix(m[1], "_total") != (m[3] == "counter") {
			t.Errorf("%s is the name of a %s", m[2], m[3])
		}
	}
}

// What operators read names every metric and none that is not there, with its help, its labels, and their values where it names any.
func TestMetricsAreDocumented(t *testing.T) {
	g := testkit.StartGhostaux(t)
	g.Get(t, "/status") // so that a request has been counted
	there := metricsOf(string(g.Get(t, "/metrics")))
	if len(there) < 50 {
		t.Errorf("only %d metrics", len(there))
	}
	documented := map[string]bool{"ghostaux_http_panics_total": true} // comes with the first
	row := regexp.MustCompile("(?m)^\\| `(ghostaux_\\w+)` \\| ?(.*?) \\| (.*?)(?: Look: .*)? \\|$")
	labels := regexp.MustCompile("`([a-z_, ]+)`(?:: ([a-z0-9_, ]+))?")
	for _, m := range row.FindAllStringSubmatch(document(t, "docs/OPERATIONS.md"), -1) {
		name, entry := m[1], there[m[1]]
		if entry == nil {
			if !documented[name] {
				t.Errorf("docs/OPERATIONS.md has %s, which is not there", name)
			}
			continue
		}
		documented[name] = true
		if m[3] != entry.help {
			t.Errorf("%s: docs/OPERATIONS.md says %q, /metrics says %q", name, m[3], entry.help)
		}
		var names []string
		for _, l := range labels.FindAllStringSubmatch(m[2], -1) {
			names = append(names, strings.Split(l[1], ", ")...)
			if values := strings.Split(l[2], ", "); l[2] != "" && !slices.Equal(slices.Sorted(slices.Values(values)), entry.labels[l[1]]) {
				t.Errorf("%s: docs/OPERATIONS.md has the values %q of %s, /metrics has %q", name, values, l[1], entry.labels[l[1]])
			}
		}
		if want := slices.Sorted(maps.Keys(entry.labels)); !slices.Equal(slices.Sorted(slices.Values(names)), want) {
			t.Errorf("%s: docs/OPERATIONS.md has the labels %q, /metrics has %q", name, names, want)
		}
	}
	for name := range there {
		if !documented[name] {
			t.Errorf("%s is not in docs/OPERATIONS.md", name)
		}
	}
}

// Every state has a row with what to do.
func TestStatesAreDocumented(t *testing.T) {
	doc := document(t, "docs/OPERATIONS.md")
	for _, state := range []service.State{service.Off, service.Starting, service.Ready, service.Degraded, service.Failed, service.Stopped} {
		if !strings.Contains(doc, "\n| `"+string(state)+"` | ") {
			t.Errorf("docs/OPERATIONS.md has no row for %s", state)
		}
	}
}

// The reasons that operators look up are those that the services give: their texts are in the code, or are the kernel's.
func TestDocumentedReasonsExist(t *testing.T) {
	var code strings.Builder
	for _, dir := range []string{"services", "pkg"} {
		err := filepath.WalkDir(filepath.Join(testkit.Root(t), dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			code.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	known := code.String() + "no such file, permission denied, operation not permitted, use uinput, use attach" // "use %s" in the code
	_, table, _ := strings.Cut(document(t, "docs/OPERATIONS.md"), "| service | reason begins with")
	table, _, _ = strings.Cut(table, "\n\n")
	found := 0
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		if len(cells) < 4 {
			continue
		}
		for _, quoted := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(cells[2], -1) {
			found++
			for part := range strings.SplitSeq(quoted[1], "...") {
				// The report's names are by their JSON tags.
				if part = strings.Trim(part, " :"); !strings.Contains(known, part) && part != "relay.present" {
					t.Errorf("docs/OPERATIONS.md has the reason %q, which no service gives", quoted[1])
				}
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d reasons", found)
	}
}

// help is everything that ghostaux says of its flags and commands.
func help(t *testing.T) (text string) {
	t.Helper()
	for _, command := range []string{"", "serve", "install", "install-panel", "card-agent", "check"} {
		cmd := exec.Command(testkit.Binary(t), append(strings.Fields(command), "--help")...)
		cmd.Env = append(os.Environ(), "COLUMNS=200")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		text += string(out)
	}
	return text
}

// Every flag and variable that people read of is one of ghostaux, or of the programs that the documents speak of.
func TestDocumentedFlagsExist(t *testing.T) {
	known := map[string]bool{}
	for _, flag := range strings.Fields("build-arg debug directory relay ssl upload_dir device device-cgroup-rule group-add install patch-file tls-verify no-install-recommends foreground") {
		known[flag] = true // of the old programs, docker, helm, kubectl, mpv, apt-get and pcscd
	}
	text := help(t)
	for _, m := range regexp.MustCompile(`--(?:\[no-\])?([a-z][a-z0-9-]+)`).FindAllStringSubmatch(text, -1) {
		known[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`\$([A-Z_]+)`).FindAllStringSubmatch(text, -1) {
		known[m[1]] = true
	}
	known["GHOSTAUX_ELSEWHERE"] = true // of the start script
	for _, name := range []string{"README.md", "docs/OPERATIONS.md", "docs/PRINTING.md"} {
		doc := document(t, name)
		for _, m := range regexp.MustCompile("(?:[ `(]--|\\b(?:GHOSTAUX_))([A-Za-z][A-Za-z0-9_-]+)").FindAllStringSubmatch(doc, -1) {
			if flag := m[1]; !known[flag] && !known["GHOSTAUX_"+flag] {
				t.Errorf("%s names %s, which is not there", name, m[0])
			}
		}
	}
}

// The ports that operators read of are the defaults.
func TestDocumentedPortsAreTheDefaults(t *testing.T) {
	doc := document(t, "docs/OPERATIONS.md")
	found := 0
	for _, m := range regexp.MustCompile(`--\S*(?:addr|relay)="(?:[0-9.]*:)?([^"]+)"`).FindAllStringSubmatch(help(t), -1) {
		found++
		if !regexp.MustCompile("(?m)^\\| .*" + regexp.QuoteMeta(m[1]) + ".* \\| .* \\| ").MatchString(doc) {
			t.Errorf("docs/OPERATIONS.md has no port or socket %s", m[1])
		}
	}
	if found < 8 {
		t.Errorf("only %d addresses", found)
	}
}
