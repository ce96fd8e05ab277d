package upload

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFolder(t *testing.T) {
	g := start(t, nil)
	g.want(g.post("b.txt", []byte("0123456789")), 200, "")
	g.want(g.post("x", []byte("x"), fieldRelative, "dir/<a> ü.html"), 200, "")
	g.want(g.chunk(file{"u", "part", make([]byte, 20), 10}, 0), 200, "")
	if err := os.Symlink("/etc", filepath.Join(g.dir, "l")); err != nil {
		t.Fatal(err)
	}

	var page listing
	a := g.do("GET", "/folder/", nil)
	if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 {
		t.Fatal(a, err)
	}
	if len(page.Entries) != 2 || page.Entries[0].Name != "dir" || !page.Entries[0].Folder || page.Entries[1].Name != "b.txt" || page.Entries[1].Size != 10 {
		t.Fatalf("%+v", page)
	}
	g.want(g.do("GET", "/folder/dir", nil), 200, `\u003ca\u003e ü.html`)

	a = g.do("GET", "/folder/b.txt", nil, "Range", "bytes=2-4")
	g.want(a, 206, "234")
	if a.header.Get("Content-Range") != "bytes 2-4/10" {
		t.Error(a.header)
	}
	a = g.do("GET", "/folder/dir/%3Ca%3E%20%C3%BC.html", nil)
	g.want(a, 200, "x")
	if d := a.header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment; filename*=utf-8''%3Ca%3E%20%C3%BC.html") ||
		a.header.Get("Content-Type") != "application/octet-stream" || !strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") {
		t.Error(a.header)
	}
	for _, path := range []string{"/folder/absent", "/folder/l", "/folder/l/passwd", "/folder/b.txt/x"} {
		g.want(g.do("GET", path, nil), 404, "no such file")
	}
	for _, path := range []string{"/folder/%2e%2e/x", "/folder/..%2f..%2fetc%2fpasswd", "/folder/a%00", "/folder/" + find(t, g.dir, partSuffix)[len(g.dir)+1:]} {
		g.want(g.do("GET", path, nil), 400, "")
	}
	g.want(g.do("GET", "/folder/b.txt", nil, "Authorization", ""), 401, "Sign in")
	g.want(g.do("DELETE", "/folder/b.txt", nil, "Authorization", ""), 403, "Authorization")
}

func TestFolderChanges(t *testing.T) {
	g := start(t, nil)
	for _, name := range []string{"a", "b"} {
		g.want(g.post(name, []byte(name)), 200, "")
	}
	g.want(g.post("x", []byte("c"), fieldRelative, "d/c"), 200, "")
	rename := func(from, to string) answer {
		body, _ := json.Marshal(map[string]string{"path": to})
		return g.do("PATCH", "/folder/"+from, strings.NewReader(string(body)))
	}
	g.want(rename("a", "a2"), 204, "")
	g.want(rename("a2", "d/a3"), 204, "")
	g.wantFile("d/a3", []byte("a"))
	g.want(rename("b", "d/c"), 409, "already exists")
	g.wantFile("d/c", []byte("c"))
	g.want(rename("b", "absent/b"), 404, "")
	g.want(rename("b", "../b"), 400, "")
	g.want(rename("absent", "b2"), 404, "")
	g.want(rename("d", "d/e"), 409, "into itself")
	g.want(rename("", "e"), 400, "")
	g.want(g.do("PATCH", "/folder/b", strings.NewReader("x")), 400, "NEW NAME")
	g.want(rename("d", "e"), 204, "")
	g.want(g.do("DELETE", "/folder/e/c", nil), 204, "")
	g.want(g.do("DELETE", "/folder/e", nil), 204, "")
	g.want(g.do("DELETE", "/folder/b", nil), 204, "")
	g.want(g.do("DELETE", "/folder/b", nil), 404, "")
	g.want(g.do("DELETE", "/folder/", nil), 405, "")
	g.wantFiles()
}

// Folders are made with those on their way, once or again, and only below the upload directory.
func TestMakeFolder(t *testing.T) {
	g := start(t, nil)
	put := func(path string, header ...string) answer { return g.do("PUT", "/folder/"+path, nil, header...) }
	g.want(put("empty"), 204, "")
	g.want(put("trip/day%201/%C3%BC/"), 204, "")
	g.want(g.post("x", []byte("one"), fieldRelative, "trip/one.txt"), 200, "")
	g.want(put("trip"), 204, "")
	g.want(put("trip/day%201"), 204, "")
	g.wantFile("trip/one.txt", []byte("one"))
	if info, err := os.Stat(filepath.Join(g.dir, "trip", "day 1", "ü")); err != nil || !info.IsDir() {
		t.Error(info, err)
	}

	outside := t.TempDir()
	for name, target := range map[string]string{"out": outside, "in": "empty", "dangling": "nothing"} {
		if err := os.Symlink(target, filepath.Join(g.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	g.want(put("trip/one.txt"), 409, "already exists")
	g.want(put("trip/one.txt/x"), 400, "not a folder")
	for _, link := range []string{"out", "in", "dangling"} {
		g.want(put(link), 409, "already exists")
		g.want(put(link+"/x"), 400, "not a folder")
	}
	for _, path := range []string{"", "%2e%2e/x", "..%2f..%2fetc%2fx", "a%00", "a/%FF", ".x.0123456789abcdef.uploading", strings.Repeat("d/", folderDepth+1)} {
		g.want(put(path), 400, "")
	}
	g.want(put(strings.Repeat("d/", folderDepth)), 204, "")
	g.want(g.do("PUT", "/folder/new", strings.NewReader("content")), 400, "no content")
	g.want(put("new", "Authorization", ""), 403, "Authorization")
	g.wantFiles("d", "dangling", "empty", "in", "out", "trip")
	for _, dir := range []string{outside, filepath.Join(g.dir, "empty")} {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("%s has %v, %v", dir, entries, err)
		}
	}
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	g.want(put("new"), 503, "")
}
