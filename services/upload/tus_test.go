package upload

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"ghostaux/pkg/testkit"
)

func (g *rig) tus(method, path string, body []byte, header ...string) answer {
	g.Helper()
	return g.do(method, path, bytes.NewReader(body), append([]string{"Tus-Resumable", tusVersion}, header...)...)
}

func meta(pairs ...string) string {
	var list []string
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(list, ",")
}

// create makes an upload and returns its path.
func (g *rig) create(total int, name string) string {
	g.Helper()
	a := g.tus("POST", "/files/", nil, "Upload-Length", strconv.Itoa(total), "Upload-Metadata", meta("filename", name))
	g.want(a, 201, "")
	return "/files/" + a.header.Get("Location")
}

func (g *rig) patch(path string, offset int, body []byte) answer {
	g.Helper()
	return g.tus("PATCH", path, body, "Content-Type", tusBody, "Upload-Offset", strconv.Itoa(offset))
}

func (g *rig) wantOffset(a answer, offset int) {
	g.Helper()
	if got := a.header.Get("Upload-Offset"); got != strconv.Itoa(offset) || a.status >= 300 {
		g.Fatalf("%d %q, offset %q, want %d", a.status, a.body, got, offset)
	}
}

func TestTus(t *testing.T) {
	g := start(t, nil)
	content := randomBytes(1, 1_000_000)
	path := g.create(len(content), "報告.bin")
	g.wantOffset(g.tus("HEAD", path, nil), 0)
	g.wantOffset(g.patch(path, 0, content[:400_000]), 400_000)
	g.want(g.patch(path, 0, content), 409, "Upload-Offset")
	a := g.tus("HEAD", path, nil)
	g.wantOffset(a, 400_000)
	if a.header.Get("Upload-Length") != "1000000" || a.header.Get("Cache-Control") != "no-store" ||
		a.header.Get("Upload-Metadata") != meta("filename", "報告.bin") || a.header.Get("Tus-Resumable") != "1.0.0" {
		t.Errorf("HEAD: %v", a.header)
	}
	g.wantOffset(g.patch(path, 400_000, content[400_000:]), 1_000_000)
	g.wantFile("報告.bin", content)
	g.wantFiles("報告.bin")
	g.wantOffset(g.tus("HEAD", path, nil), 1_000_000)
	g.wantOffset(g.patch(path, 1_000_000, nil), 1_000_000)
}

func TestTusOverRestart(t *testing.T) {
	g := start(t, nil)
	content := randomBytes(2, 500_000)
	path := g.create(len(content), "a")
	g.wantOffset(g.patch(path, 0, content[:300_000]), 300_000)
	_ = g.stop()
	g.run()
	g.wantOffset(g.tus("HEAD", path, nil), 300_000)
	g.wantOffset(g.patch(path, 300_000, content[300_000:]), 500_000)
	g.wantFile("a", content)
}

func TestTusCreation(t *testing.T) {
	g := start(t, func(c *Config) { c.MaxSize = 1000 })
	a := g.tus("POST", "/files", []byte("hello"), "Upload-Length", "10", "Content-Type", tusBody,
		"Upload-Metadata", meta("relativePath", "d/x.txt", "filename", "other"))
	g.want(a, 201, "")
	g.wantOffset(a, 5)
	path := "/" + a.header.Get("Location")
	if !strings.HasPrefix(path, "/files/") {
		t.Fatalf("Location %q", path)
	}
	g.wantOffset(g.patch(path, 5, []byte("world")), 10)
	g.wantFile("d/x.txt", []byte("helloworld"))
	g.wantOffset(g.tus("POST", "/files/", nil, "Upload-Length", "0", "Upload-Metadata", meta("name", "empty")), 0)
	g.wantFile("empty", nil)
	nameless := g.tus("POST", "/files/", nil, "Upload-Length", "0").header.Get("Location")
	g.wantFile(nameless, nil)

	g.want(g.tus("POST", "/files/", nil, "Upload-Length", "0", "Upload-Metadata", meta("filename", "empty")), 400, "already exists")
	g.want(g.tus("POST", "/files/", nil, "Upload-Length", "1", "Upload-Metadata", meta("filename", "..")), 400, "cannot be named")
	g.want(g.tus("POST", "/files/", nil, "Upload-Length", "1001"), 413, "larger")
	g.want(g.tus("POST", "/files/", nil, "Upload-Length", "-1"), 400, "Upload-Length")
	g.want(g.tus("POST", "/files/", nil, "Upload-Defer-Length", "1"), 400, "Upload-Length")
	g.want(g.tus("POST", "/files/", nil, "Upload-Length", "1", "Upload-Metadata", "filename ???"), 400, "Upload-Metadata")
	g.want(g.do("POST", "/files/", nil, "Upload-Length", "1"), 412, "tus 1.0.0")
	g.want(g.do("GET", "/files/", nil, "Tus-Resumable", "1.0.0"), 405, "")
	o := g.do("OPTIONS", "/files/", nil, "Authorization", "")
	if o.status != 204 || o.header.Get("Tus-Version") != "1.0.0" || o.header.Get("Tus-Max-Size") != "1000" || o.header.Get("Tus-Extension") != tusExtensions {
		t.Errorf("OPTIONS: %v", o)
	}
}

func TestTusRefusals(t *testing.T) {
	g := start(t, nil)
	path := g.create(10, "a")
	g.want(g.tus("PATCH", path, []byte("x"), "Upload-Offset", "0"), 415, "")
	g.want(g.tus("PATCH", path, []byte("x"), "Content-Type", tusBody), 400, "Upload-Offset")
	g.want(g.patch(path, 11, []byte("x")), 409, "")
	g.want(g.patch(path, 0, []byte("hello world")), 400, "Size mismatch")
	g.want(g.patch("/files/unknown", 0, nil), 404, "no such upload")
	g.want(g.do("HEAD", "/files/unknown", nil), 404, "")
	g.want(g.tus("DELETE", path, nil), 204, "")
	g.want(g.tus("DELETE", path, nil), 410, "")
	g.want(g.patch(path, 0, nil), 410, "")
	g.wantFiles()
	path = g.create(1, "b")
	g.want(g.tus("POST", path, []byte("x"), "X-HTTP-Method-Override", "PATCH", "Content-Type", tusBody, "Upload-Offset", "0"), 204, "")
	g.wantFile("b", []byte("x"))
	g.want(g.tus("POST", "/files/", nil, "Authorization", ""), 403, "Authorization Header missing")
}

// TestTusHeadEndsAStalledPatch: a client whose connection hangs asks where it is, and goes on there.
func TestTusHeadEndsAStalledPatch(t *testing.T) {
	g := start(t, nil)
	content := randomBytes(3, 400_000)
	path := g.create(len(content), "a")
	stalled := g.stall(http.MethodPatch, path, content[:200_000], int64(len(content)), "Tus-Resumable", tusVersion,
		"Content-Type", tusBody, "Upload-Offset", "0")
	testkit.Eventually(t, waitLimit, "bytes arrive", func() bool { return g.svc.counters.written.Load() > 0 })
	a := g.tus("HEAD", path, nil)
	offset, err := strconv.Atoi(a.header.Get("Upload-Offset"))
	if err != nil || offset == 0 || offset > 200_000 {
		t.Fatalf("offset %v", a.header)
	}
	g.wantOffset(g.patch(path, offset, content[offset:]), len(content))
	g.wantFile("a", content)
	stalled()
}
