package upload

import (
	_ "embed" // for page.html
	"net/http"
)

//go:embed page.html
var pageHTML []byte

// page is a form for those who have no Workspaces interface around their desktop.
func page(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'self'")
	_, _ = w.Write(pageHTML)
}
