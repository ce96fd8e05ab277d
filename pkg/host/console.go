package host

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"ghostaux/pkg/auth"
)

// panelScript is what a foreign page loads to get the console as a panel. It has no secret, and must be there before
// anybody has signed in.
const panelScript = "/panel.js"

// contentPolicy is strict: everything from here. The page may be a frame of the origins that an administrator has
// allowed; where none is named, of the same host's other ports, which is where KasmVNC is, as with the services.
func (h *Host) contentPolicy(r *http.Request) string {
	frames := append([]string{"'self'"}, h.opts.Auth.Origins()...)
	if name := hostname(r); len(frames) == 1 && name != "" {
		frames = append(frames, "https://"+name+":*")
		if h.opts.TLS == nil {
			frames = append(frames, "http://"+name+":*")
		}
	}
	return "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; " +
		"frame-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; " +
		"frame-ancestors " + strings.Join(frames, " ")
}

// console is the page at / with what it needs, behind the login.
func (h *Host) console() http.Handler {
	prefix := h.opts.Config.Prefix
	files := http.StripPrefix(prefix, h.opts.Console)
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", h.opts.Auth.RequirePage(auth.Viewer, prefix)(files))
	mux.Handle(prefix+panelScript, auth.Open(files))
	login := auth.Open(http.StripPrefix(prefix, h.opts.Auth.Login())) // who is not signed in must be able to
	for _, path := range []string{"/login", "/login.css", "/logout"} {
		mux.Handle(prefix+path, login)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", h.contentPolicy(r))
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin") // with no-referrer, browsers would send the login's form with Origin: null
		allowIsolated(header, r)
		mux.ServeHTTP(w, r)
	})
}

// hostname is the name that the browser has asked for, "" when it could mean something else in a policy.
func hostname(r *http.Request) string {
	u := url.URL{Host: r.Host}
	name := u.Hostname()
	odd := func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-')
	}
	if strings.ContainsFunc(name, odd) { // IPv6 among them, which policies do not know
		return ""
	}
	return name
}

// allowIsolated lets the console be a frame of a page that isolates itself, as KasmVNC's does with
// Cross-Origin-Embedder-Policy: require-corp. Who may frame it, frame-ancestors says.
func allowIsolated(header http.Header, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, panelScript) || r.Header.Get("Sec-Fetch-Dest") == "iframe" {
		header.Set("Cross-Origin-Resource-Policy", "cross-origin")
		header.Set("Cross-Origin-Embedder-Policy", "require-corp")
	}
}

// permit refuses what an administrator has hidden or locked in the console, on every address that people use.
func (h *Host) permit(name string, next http.Handler) http.Handler {
	if h.control(name) == controlOn {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "The administrator of this desktop has switched this off.", http.StatusForbidden)
	})
}

// checkControls names what --console-hide and --console-lock call by a name that no service has.
func (h *Host) checkControls() error {
	var names []string
	for _, st := range h.opts.Supervisor.Snapshot() {
		names = append(names, st.Name)
	}
	var errs []error
	check := func(flag string, controls []string) {
		for _, name := range controls {
			if !slices.Contains(names, name) {
				errs = append(errs, fmt.Errorf("%s %q: no such service; there are %s", flag, name, strings.Join(names, ", ")))
			}
		}
	}
	check("--console-hide", h.opts.Config.ConsoleHide)
	check("--console-lock", h.opts.Config.ConsoleLock)
	return errors.Join(errs...)
}
