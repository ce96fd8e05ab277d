// Package web is the console: the page at / of the front door. `make build` bundles src/ into dist/ with npm, and this
// package embeds what is there. A binary that was built without npm works, and its page says how to get the console.
package web

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed all:dist
var dist embed.FS

//go:embed missing.html
var missing []byte

// Handler serves the console's files.
func Handler() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the name is checked by the embed directive above
	}
	if _, err := fs.Stat(files, "index.html"); err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(missing)
		})
	}
	return http.FileServerFS(files)
}
