package upload

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"ghostaux/pkg/auth"
)

// A refused request is read to its end within these limits: a browser that still sends when the connection ends
// shows its person a broken connection, and not our reason.
const (
	drainMax  = 32 << 20
	drainTime = 10 * time.Second
	retryTime = "2" // seconds, in Retry-After
)

func (s *Service) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(s.allCores)
	r.Post("/upload", s.upload)
	r.Options("/upload", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", "OPTIONS, POST")
	})
	r.HandleFunc("/style", noContent)
	r.HandleFunc("/style/*", noContent)
	r.HandleFunc("/files", s.tus)
	r.HandleFunc("/files/*", s.tus)
	s.folderRoutes(r)
	if s.config.Page {
		r.Get("/", page)
	}
	r.NotFound(func(w http.ResponseWriter, r *http.Request) { s.text(w, r, http.StatusNotFound, "Not found") })
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", "OPTIONS, POST")
		s.text(w, r, http.StatusMethodNotAllowed, "Method not allowed")
	})
	return r
}

// allCores has several transfers go on at once.
func (s *Service) allCores(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.env.Cores.Enter()
		defer s.env.Cores.Leave()
		next.ServeHTTP(w, r)
	})
}

func noContent(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// guard lets owners pass. What asks without a credential by its nature, a preflight, is answered before.
func (s *Service) guard(next http.Handler) http.Handler {
	owners := s.env.Auth.Require(auth.Owner, s.refuse)(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.allowOrigin(w, r)
		switch {
		case r.Method != http.MethodOptions:
			owners.ServeHTTP(w, r)
		case r.Header.Get("Access-Control-Request-Method") != "":
			s.preflight(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// allowOrigin lets the pages of configured origins read the answer.
func (s *Service) allowOrigin(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !s.env.Auth.OriginAllowed(origin) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", "Location, Upload-Offset, Upload-Length, Upload-Metadata, Upload-Expires, "+
		"Tus-Version, Tus-Resumable, Tus-Max-Size, Tus-Extension, Content-Range, Content-Disposition, Retry-After")
}

func (s *Service) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if h.Get("Access-Control-Allow-Origin") == "" {
		s.refuse(w, r, auth.BadOrigin)
		return
	}
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	h.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers")) // the origin is trusted
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
}

// refuse has the original helper's status and texts for uploads; a person's browser gets the usual invitation.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request, why auth.Reason) {
	s.counters.refused.With("access").Inc()
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		auth.Refuse(w, r, why)
		return
	}
	switch why {
	case auth.Missing:
		s.text(w, r, http.StatusForbidden, "Authorization Header missing or invalid")
	case auth.TooMany:
		w.Header().Set("Retry-After", retryTime)
		s.text(w, r, http.StatusTooManyRequests, "Too many wrong passwords from this address. Try again shortly.")
	case auth.BadOrigin:
		s.text(w, r, http.StatusForbidden, "Pages of this origin are not allowed; see --allow-origin.")
	default:
		s.text(w, r, http.StatusForbidden, "Access Denied!")
	}
}

// fail answers an error.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	answer := asRefusal(err)
	s.counters.refused.With(answer.reason).Inc()
	s.env.Log.Debug("request refused", "method", r.Method, "path", r.URL.Path, "reason", answer.reason, "error", err)
	if answer.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryTime)
	}
	s.text(w, r, answer.status, answer.text)
}

// text answers with a short plain text in the form that the original has, or as JSON for a client that asks for it.
func (s *Service) text(w http.ResponseWriter, r *http.Request, status int, text string) {
	kind, body := "text/html; charset=utf-8", []byte(text)
	if wantsJSON(r) && status >= 400 {
		kind = "application/json"
		body, _ = json.Marshal(map[string]string{"error": text}) // a string always encodes
	} else if strings.ContainsAny(text, "<>&") {
		kind = "text/plain; charset=utf-8"
	}
	s.reply(w, r, status, kind, body)
}

// wantsJSON is false for Dropzone, which asks for JSON and then shows its person whatever text comes.
func wantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json") && r.Header.Get("X-Requested-With") == ""
}

// reply sends the answer at once, and then takes what the client is still sending.
func (s *Service) reply(w http.ResponseWriter, r *http.Request, status int, kind string, content []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(content)))
	h.Set("X-Content-Type-Options", "nosniff")
	src, waits := io.Reader(r.Body), r.Header.Get("Expect") != "" // for our word to send: then nothing is on the way
	if b, ok := r.Body.(*body); ok {
		src, waits = b.src, waits && !b.started
	}
	if r.ContentLength == 0 || waits || h.Get("Connection") == "close" {
		if waits && status >= 400 {
			h.Set("Connection", "close")
		}
		w.WriteHeader(status)
		_, _ = w.Write(content)
		return
	}
	if r.ContentLength < 0 || r.ContentLength > drainMax {
		h.Set("Connection", "close")
	}
	rc := http.NewResponseController(w)
	_ = rc.EnableFullDuplex() // HTTP/1 would otherwise read first and answer then
	w.WriteHeader(status)
	_, _ = w.Write(content)
	_ = rc.Flush()
	_ = rc.SetReadDeadline(time.Now().Add(drainTime))
	_, _ = io.CopyN(io.Discard, src, drainMax)
	_ = rc.SetReadDeadline(time.Time{})
}
