package host

import (
	"net/http"
	"strings"

	"ghostaux/pkg/auth"
)

// contentPolicy is strict: everything from here, and the decoder of the sound may be WebAssembly. Frames may hold the
// page where an administrator has allowed the origin.
func (h *Host) contentPolicy() string {
	frames := append([]string{"'self'"}, h.opts.Auth.Origins()...)
	return "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data: blob:; media-src 'self' blob:; " +
		"frame-src 'self' blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; " +
		"frame-ancestors " + strings.Join(frames, " ")
}

// console is the page at / with what it needs, behind the login.
func (h *Host) console() http.Handler {
	policy := h.contentPolicy()
	prefix := h.opts.Config.Prefix
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", h.opts.Auth.RequirePage(auth.Viewer, prefix)(http.StripPrefix(prefix, h.opts.Console)))
	login := auth.Open(http.StripPrefix(prefix, h.opts.Auth.Login())) // who is not signed in must be able to
	for _, path := range []string{"/login", "/login.css", "/logout"} {
		mux.Handle(prefix+path, login)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		mux.ServeHTTP(w, r)
	})
}
