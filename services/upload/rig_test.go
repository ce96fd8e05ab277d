package upload

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
)

// rig is a running service behind TLS and its guard.
type rig struct {
	*testing.T
	svc    *Service
	srv    *httptest.Server
	client *http.Client
	dir    string
	stop   func() error // ends Run and returns its error
}

func defaults(dir string) Config {
	return Config{Addr: ":0", Dir: dir, Conflict: conflictFail, PartTTL: 24 * time.Hour, Sync: false}
}

func start(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	return startIn(t, filepath.Join(t.TempDir(), "Uploads"), change)
}

func startIn(t *testing.T, dir string, change func(*Config)) *rig {
	t.Helper()
	g := newRig(t, dir, change)
	g.run()
	return g
}

func newRig(t *testing.T, dir string, change func(*Config)) *rig {
	t.Helper()
	c := defaults(dir)
	if change != nil {
		change(&c)
	}
	return rigOf(t, c, testkit.Env(t))
}

func rigOf(t *testing.T, c Config, env service.Env) *rig {
	t.Helper()
	svc, err := New(c, env)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{T: t, svc: svc, dir: c.Dir, client: testkit.Client(t)}
}

// run starts Run, and the server when there is none yet.
func (g *rig) run() {
	g.Helper()
	ctx, cancel := context.WithCancel(g.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- g.svc.Run(ctx, func() { close(ready) }) }()
	done := false
	g.stop = func() error {
		if done {
			return nil
		}
		done = true
		cancel()
		return <-ended
	}
	g.Cleanup(func() {
		if err := g.stop(); err != nil {
			g.Errorf("Run: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		done = true
		g.Fatalf("Run: %v", err)
	}
	if g.srv == nil {
		g.srv = testkit.Serve(g, g.svc.Endpoints()[0])
	}
}

// answer is what came back.
type answer struct {
	status int
	body   string
	header http.Header
}

func (g *rig) do(method, path string, body io.Reader, header ...string) answer {
	g.Helper()
	a, err := g.try(method, path, body, header...)
	if err != nil {
		g.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (g *rig) try(method, path string, body io.Reader, header ...string) (answer, error) {
	req, err := http.NewRequestWithContext(g.Context(), method, g.srv.URL+path, body)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", testkit.Authorization(testkit.Token))
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(b), resp.Header}, err
}

// post sends one form: pairs of field and value, then the file.
func (g *rig) post(name string, content []byte, pairs ...string) answer {
	g.Helper()
	body, contentType := formBody(name, content, pairs...)
	return g.do(http.MethodPost, "/upload", bytes.NewReader(body), "Content-Type", contentType)
}

func formBody(name string, content []byte, pairs ...string) (body []byte, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(pairs); i += 2 {
		_ = w.WriteField(pairs[i], pairs[i+1])
	}
	part, _ := w.CreateFormFile("file", name)
	_, _ = part.Write(content)
	_ = w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// file is one that a client sends in chunks, as Dropzone does.
type file struct {
	id, name string
	content  []byte
	size     int // of a chunk
}

func (f file) count() int { return max((len(f.content)+f.size-1)/f.size, 1) }

func (f file) fields(i int) []string {
	return []string{
		fieldID, f.id, fieldIndex, strconv.Itoa(i), fieldTotal, strconv.Itoa(len(f.content)),
		fieldSize, strconv.Itoa(f.size), fieldCount, strconv.Itoa(f.count()), fieldOffset, strconv.Itoa(i * f.size),
	}
}

func (f file) chunk(i int) []byte { return f.content[i*f.size : min((i+1)*f.size, len(f.content))] }

func (g *rig) chunk(f file, i int) answer {
	g.Helper()
	return g.post(f.name, f.chunk(i), f.fields(i)...)
}

func (g *rig) want(a answer, status int, text string) {
	g.Helper()
	if a.status != status || !strings.Contains(a.body, text) {
		g.Fatalf("got %d %q, want %d %q", a.status, a.body, status, text)
	}
}

// files are the names in the directory, those of uploads in progress too. It waits for the journals of files that have
// just been published, which go after the answer.
func (g *rig) files() []string {
	g.Helper()
	var names []string
	testkit.Eventually(g, waitLimit, "no journal is alone", func() bool {
		list, err := os.ReadDir(g.dir)
		if err != nil {
			g.Fatal(err)
		}
		names = []string{}
		for _, e := range list {
			names = append(names, e.Name())
		}
		return !slices.ContainsFunc(names, func(name string) bool {
			rest, ok := strings.CutSuffix(name, journalSuffix)
			return ok && !slices.Contains(names, rest+partSuffix)
		})
	})
	return names
}

func (g *rig) wantFiles(names ...string) {
	g.Helper()
	slices.Sort(names)
	if got := g.files(); !slices.Equal(got, names) && len(got)+len(names) > 0 {
		g.Fatalf("directory has %q, want %q", got, names)
	}
}

func (g *rig) wantFile(name string, content []byte) {
	g.Helper()
	got, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		g.Fatal(err)
	}
	if sha256.Sum256(got) != sha256.Sum256(content) {
		g.Fatalf("%s: %d bytes, want %d; content differs", name, len(got), len(content))
	}
}

func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	var s [32]byte
	copy(s[:], fmt.Sprint(seed))
	_, _ = rand.NewChaCha8(s).Read(b)
	return b
}
