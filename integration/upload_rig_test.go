package integration

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// uploader is ghostaux with the upload service only, which needs nothing but a directory, and a client of it.
type uploader struct {
	*testing.T
	g      *testkit.Ghostaux
	dir    string
	client *http.Client
}

func startUploader(t *testing.T, dir string, args ...string) *uploader {
	t.Helper()
	args = append([]string{"--only", "upload", "--upload-dir", dir}, args...)
	return &uploader{T: t, g: testkit.StartGhostaux(t, args...), dir: dir, client: testkit.Client(t)}
}

// chunked is a file as Dropzone sends it.
type chunked struct {
	id, name string
	size     int64 // of the file
	chunk    int64
}

func (c chunked) count() int64 { return max((c.size+c.chunk-1)/c.chunk, 1) }

// form is the request of one chunk.
func (c chunked) form(index int64, content []byte) (body []byte, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"dzchunkindex", index},
		{"dztotalfilesize", c.size},
		{"dzchunksize", c.chunk},
		{"dztotalchunkcount", c.count()},
		{"dzchunkbyteoffset", index * c.chunk},
	} {
		_ = w.WriteField(f.name, strconv.FormatInt(f.value, 10))
	}
	_ = w.WriteField("dzuuid", c.id)
	part, _ := w.CreateFormFile("file", c.name)
	_, _ = part.Write(content)
	_ = w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// send sends one chunk and returns status and text.
func (u *uploader) send(c chunked, index int64, content []byte) (int, string, error) {
	body, kind := c.form(index, content)
	return u.post(u.g.URL(u, "upload", "/upload"), kind, bytes.NewReader(body))
}

func (u *uploader) post(url, kind string, body io.Reader) (int, string, error) {
	req, err := http.NewRequestWithContext(u.Context(), http.MethodPost, url, body)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", testkit.Authorization(testkit.Token))
	req.Header.Set("Content-Type", kind)
	resp, err := u.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func (u *uploader) mustSend(c chunked, index int64, content []byte) {
	u.Helper()
	status, text, err := u.send(c, index, content)
	if err != nil || status != http.StatusOK {
		u.Fatalf("chunk %d: %d %q %v", index, status, text, err)
	}
}

// names are those in the directory; hidden ones too. It waits for the journals of files that have just been published,
// which go after the answer.
func (u *uploader) names() []string {
	u.Helper()
	var names []string
	testkit.Eventually(u, 10*time.Second, "no journal is alone", func() bool {
		list, err := os.ReadDir(u.dir)
		if err != nil {
			u.Fatal(err)
		}
		names = nil
		for _, e := range list {
			names = append(names, e.Name())
		}
		return !slices.ContainsFunc(names, func(name string) bool {
			part, ok := strings.CutSuffix(name, ".ranges")
			return ok && !slices.Contains(names, part)
		})
	})
	return names
}

func (u *uploader) visible() (names []string) {
	u.Helper()
	for _, n := range u.names() {
		if !strings.HasPrefix(n, ".") {
			names = append(names, n)
		}
	}
	return names
}

// sum is the sha256 of a file.
func sum(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func randomContent(seed, n int64) []byte {
	var s [32]byte
	copy(s[:], fmt.Sprint(seed))
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(s).Read(b)
	return b
}

// writeRandom makes a file of random bytes and returns its path.
func writeRandom(t testing.TB, dir, name string, size int64) string {
	t.Helper()
	path := filepath.Join(dir, name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var seed [32]byte
	copy(seed[:], name)
	if _, err := io.CopyN(f, rand.NewChaCha8(seed), size); err != nil {
		t.Fatal(err)
	}
	return path
}

// dropzonePage serves testdata/upload.html and what it loads.
func dropzonePage(t testing.TB) *http.ServeMux {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/upload.html") })
	mux.Handle("/node_modules/", http.StripPrefix("/node_modules/", http.FileServer(http.Dir(testkit.NodeModules(t)))))
	return mux
}

// proxy is the page, and the proxy in front of the container, which adds a path and the credential.
func (u *uploader) proxy() *httptest.Server {
	u.Helper()
	target, err := url.Parse(u.g.URL(u, "frontdoor", ""))
	if err != nil {
		u.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, "/desktop/1")
		r.Out.Header.Set("Authorization", testkit.Authorization(testkit.Token))
	}}
	mux := dropzonePage(u)
	mux.Handle("/desktop/1/", proxy)
	srv := httptest.NewServer(mux)
	u.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		transport.CloseIdleConnections()
	})
	return srv
}
