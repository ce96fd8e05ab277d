package services_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type goPackage struct {
	ImportPath   string
	Dir          string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,TestImports,XTestImports", "ghostaux/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []goPackage
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// Imports run one way: cmd, services, services/<name>, pkg. No service imports another, the WebSocket library has one importer,
// and what is for tests stays in tests.
func TestImportsRunOneWay(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			if reason := forbidden(p.ImportPath, imported); reason != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, imported, reason)
			}
		}
	}
}

func forbidden(from, to string) string {
	layer := func(path string) string {
		path = strings.TrimPrefix(path, "ghostaux/")
		switch {
		case strings.HasPrefix(path, "services/"):
			return "service"
		default:
			first, _, _ := strings.Cut(path, "/")
			return first
		}
	}
	name := func(path string) string { // of the service that a package belongs to
		parts := strings.Split(path, "/")
		return parts[min(2, len(parts)-1)]
	}
	ours := strings.HasPrefix(to, "ghostaux/")
	sameService := layer(from) == "service" && layer(to) == "service" && name(from) == name(to)
	switch {
	case to == "github.com/coder/websocket" && from != "ghostaux/pkg/ws" && from != "ghostaux/pkg/testkit" && layer(from) != "cmd":
		return "pkg/ws is the only importer of the WebSocket library on the serving side"
	case strings.HasPrefix(to, "github.com/VictoriaMetrics/") && from != "ghostaux/pkg/metrics":
		return "pkg/metrics is the only importer of the metrics library"
	case to == "ghostaux/pkg/testkit" && !strings.HasSuffix(from, "test"):
		return "pkg/testkit is for tests"
	case ours && layer(from) == "pkg" && layer(to) != "pkg":
		return "pkg imports only pkg"
	case ours && layer(from) == "service" && layer(to) != "pkg" && !sameService:
		return "a service imports only pkg, and no other service"
	case ours && layer(from) == "services" && layer(to) == "cmd":
		return "services are below cmd"
	}
	return ""
}

// The top level is what a newcomer reads first.
func TestTopLevel(t *testing.T) {
	want := []string{
		".ci", ".gitignore", ".golangci.yml", "LICENSE", "Makefile", "README.md", "cmd", "deploy", "docs",
		"go.mod", "go.sum", "integration", "pkg", "services", "web",
	}
	out, err := exec.Command("git", "-C", "..", "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for file := range strings.Lines(string(out)) {
		first, _, _ := strings.Cut(strings.TrimSpace(file), "/")
		got = append(got, first)
	}
	slices.Sort(got)
	got = slices.Compact(got)
	if !slices.Equal(got, want) {
		t.Errorf("top level: %v, want %v", got, want)
	}
}

// Every service has the files whose names say what is in them.
func TestServicesHaveOneShape(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		dir := entry.Name()
		if !entry.IsDir() {
			continue
		}
		for _, file := range []string{"doc.go", "config.go", "service.go", "handler.go", "wire.go"} {
			if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
				t.Errorf("%s has no %s", dir, file)
			}
		}
	}
}
