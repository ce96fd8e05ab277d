package auth

import (
	_ "embed"
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"
)

//go:embed login.html
var loginPage string

//go:embed login.css
var loginStyle []byte

const loginBodyMax = 4 << 10 // bytes of a login form

// Login serves the login under the paths login, login.css and logout. It is open to everybody, and knows nothing but
// relative addresses, so that it works under any prefix.
func (a *Auth) Login() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", a.loginGet)
	mux.HandleFunc("POST /login", a.loginPost)
	mux.HandleFunc("POST /logout", a.logout)
	mux.HandleFunc("GET /login.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(loginStyle)
	})
	return mux
}

// loginGet shows the page, or opens a session for the address that was printed at start, which carries the credential.
func (a *Auth) loginGet(w http.ResponseWriter, r *http.Request) {
	credential := r.URL.Query().Get("token")
	if credential == "" {
		a.loginShow(w, http.StatusOK, "")
		return
	}
	a.open(w, r, credential)
}

func (a *Auth) loginPost(w http.ResponseWriter, r *http.Request) {
	if !a.originAllowed(r, true) {
		a.refuse(w, r, BadOrigin, Refuse)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, loginBodyMax)
	if err := r.ParseForm(); err != nil {
		a.loginShow(w, http.StatusBadRequest, "The form could not be read.")
		return
	}
	a.open(w, r, r.PostForm.Get("user")+":"+r.PostForm.Get("password"))
}

// open starts a session when the credential is known, and goes on to the console.
func (a *Auth) open(w http.ResponseWriter, r *http.Request, credential string) {
	id, why, ok := a.Verify(r, []byte(credential))
	if !ok {
		a.refused.With(why.String()).Inc()
		if why == TooMany {
			w.Header().Set("Retry-After", strconv.Itoa(retryAfterSeconds))
			a.loginShow(w, http.StatusTooManyRequests, "Too many wrong passwords from this address. Try again in a moment.")
			return
		}
		a.loginShow(w, http.StatusUnauthorized, "User and password do not match.")
		return
	}
	a.startSession(w, r, id)
	seeOther(w, "./")
}

func (a *Auth) logout(w http.ResponseWriter, r *http.Request) {
	if !a.originAllowed(r, true) {
		a.refuse(w, r, BadOrigin, Refuse)
		return
	}
	endSession(w, r)
	seeOther(w, "./login")
}

func (a *Auth) loginShow(w http.ResponseWriter, status int, problem string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if problem != "" {
		problem = `<p role="alert">` + html.EscapeString(problem) + `</p>`
	}
	// Not html/template, for one sentence: it and what it needs are a megabyte of memory.
	_, _ = io.WriteString(w, strings.Replace(loginPage, "<!-- problem -->", problem, 1))
}

// RequirePage is Require for a page that a person opens: who is not signed in is sent to the login instead. Root is the
// path under which Login is served, as the browser sees it, "" or "/prefix".
func (a *Auth) RequirePage(role Role, root string) Guard {
	return a.Require(role, func(w http.ResponseWriter, r *http.Request, why Reason) {
		person := r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
		if person && (why == Missing || why == Wrong) && r.Header.Get("Authorization") == "" {
			// Relative, since a proxy may have taken a prefix off that nobody told us about.
			depth := strings.Count(strings.TrimPrefix(r.URL.Path, root), "/") - 1
			seeOther(w, "./"+strings.Repeat("../", max(depth, 0))+"login")
			return
		}
		Refuse(w, r, why)
	})
}

// seeOther redirects without resolving the location, which net/http would do against the path as a proxy left it.
func seeOther(w http.ResponseWriter, location string) {
	w.Header().Set("Location", location)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}
