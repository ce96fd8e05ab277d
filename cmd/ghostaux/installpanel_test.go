package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const clientPage = "<!DOCTYPE html>\n<html>\n<HEAD><title>desk</title>\n</HEAD>\n<body><canvas></canvas></body>\n</html>\n"

// A page gets the tag once, and is byte for byte what it was when the tag is taken out.
func TestPanelTag(t *testing.T) {
	tag := installPanelCommand{Port: 4900}.tag()
	with, err := withPanel([]byte(clientPage), tag)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(clientPage, "</HEAD>", tag+"</HEAD>", 1); string(with) != want {
		t.Errorf("with the panel:\n%s", with)
	}
	for range 2 {
		without, err := withoutPanel(with)
		if err != nil || string(without) != clientPage {
			t.Errorf("taken out again: %v\n%s", err, without)
		}
		with = without
	}
	if _, err := withPanel([]byte("no page"), tag); err == nil {
		t.Error("no page: no error")
	}
	if _, err := withoutPanel([]byte("<p>" + panelBegin + "<script>")); err == nil {
		t.Error("without the second mark: no error")
	}
	if tag := (installPanelCommand{URL: `https://desk/"x"/`}).tag(); strings.Contains(tag, `"x"`) {
		t.Errorf("not escaped: %s", tag)
	}
}

func TestInstallPanelFaults(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(clientPage), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"install-panel"}, {"install-panel", "/no/such/dir"}, {"install-panel", dir, "--url", "desk"}, {"install-panel", dir, "--port", "0"},
	} {
		var out, fault strings.Builder
		if code := run(args, &out, &fault); code != 2 {
			t.Errorf("%v: exit %d: %s%s", args, code, out.String(), fault.String())
		}
	}
	var out, fault strings.Builder
	if code := run([]string{"install-panel", dir, "--remove"}, &out, &fault); code != 0 {
		t.Errorf("removing what is not there: exit %d: %s", code, fault.String())
	}
	if content, err := os.ReadFile(filepath.Join(dir, "index.html")); err != nil || string(content) != clientPage {
		t.Errorf("the page has changed: %v %s", err, content)
	}
}
