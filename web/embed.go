// Package web is the console: the page at / of the front door. `make build` bundles src/ into dist/ with npm, and this
// package embeds what is there. A binary that was built without npm works, and its page says how to get the console.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed all:dist
var dist embed.FS

//go:embed missing.html
var missing []byte

const (
	index  = "index.html"
	packed = ".gz" // what the build adds to the name of a compressed copy
)

// Handler serves the console's files.
func Handler() http.Handler {
	if _, err := fs.Stat(dist, "dist/"+index); err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(missing)
		})
	}
	return &files{tags: sync.OnceValue(tags)}
}

// tags reads every file for its ETag, which only a browser that comes needs.
func tags() map[string]string {
	tags := make(map[string]string)
	entries, err := dist.ReadDir("dist")
	if err != nil {
		panic(err) // the name is checked by the embed directive above
	}
	for _, e := range entries {
		if content, err := read(e.Name()); err == nil {
			sum := sha256.Sum256(content)
			tags[e.Name()] = `"` + hex.EncodeToString(sum[:12]) + `"`
		}
	}
	return tags
}

// Panel is the script that adds the console to another page, or an error when this binary has no console.
func Panel() ([]byte, error) { return read("panel.js") }

func read(name string) ([]byte, error) { return fs.ReadFile(dist, "dist/"+name) }

// files serves what was built, compressed for those who can take it. Browsers ask each time whether it has changed, since
// another version may run at the same address tomorrow.
type files struct {
	tags func() map[string]string // ETag of each file
}

// ServeHTTP serves one file.
func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		name = index
	}
	content, err := read(name)
	if err != nil || strings.HasSuffix(name, packed) || strings.HasPrefix(name, ".") {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Method not allowed", http.StatusMethodNotAllowed)
		return
	}
	header := w.Header()
	header.Set("Content-Type", contentType(name))
	header.Set("Cache-Control", "private, no-cache")
	header.Set("Vary", "Accept-Encoding")
	tag := f.tags()[name]
	header.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if small, err := read(name + packed); err == nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		header.Set("Content-Encoding", "gzip")
		content = small
	}
	_, _ = w.Write(content) // the peer is gone then
}

// contentType does not ask the machine's own tables, which are different everywhere.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	return mime.TypeByExtension(path.Ext(name))
}
