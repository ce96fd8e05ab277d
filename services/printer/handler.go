package printer

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/service"
)

// mount is the list's path under the front door.
const mount = "/printer/"

func (s *Service) newEndpoints(env service.Env) []service.Endpoint {
	r := chi.NewRouter()
	r.Get("/documents", s.list)
	r.Get("/documents/{id}", s.fetch)
	r.Head("/documents/{id}", s.fetch)
	r.Post("/documents/{id}/print", s.printAgain)
	return []service.Endpoint{{Mount: mount, Guard: env.Auth.Require(auth.Owner, nil), Handler: r}}
}

// list answers the last documents, newest first. Their numbers only ever grow.
func (s *Service) list(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(struct {
		Documents []entry `json:"documents"`
	}{s.history.entries()}) // the peer is gone then
}

// fetch answers the bytes of one document.
func (s *Service) fetch(w http.ResponseWriter, r *http.Request) {
	d := s.wanted(w, r)
	if d == nil {
		return
	}
	f, err := s.history.open(d)
	if err != nil {
		refuse(w, goneText, http.StatusGone)
		return
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", "application/pdf")
	h.Set("Content-Disposition", disposition(printable(d.name)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", `"`+d.hash()+`"`)
	http.ServeContent(w, r, "", d.completed, io.NewSectionReader(f, 0, d.stamp.size))
}

// printAgain puts a document into the queue once more. One that waits there already stays once.
func (s *Service) printAgain(w http.ResponseWriter, r *http.Request) {
	d := s.wanted(w, r)
	if d == nil {
		return
	}
	f, err := s.history.open(d)
	if err != nil {
		refuse(w, goneText, http.StatusGone)
		return
	}
	_ = f.Close()
	if !s.enqueueAgain(d) {
		w.Header().Set("Retry-After", "10")
		refuse(w, "Too many documents wait to be printed. Try again when some of them are done.", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// enqueueAgain is false when the queue is full.
func (s *Service) enqueueAgain(d *document) (ok bool) {
	s.history.change(d, func(d *document) {
		if !d.done() {
			ok = true
			return
		}
		if ok = s.queue.put(d, maxQueuedPeople); ok {
			d.state = waiting
		}
	})
	return ok
}

const (
	unknownText = "There is no such document, or it is not among the last ones any more."
	goneText    = "The file of this document was overwritten or removed."
)

// wanted finds the document that the path names, or answers that there is none.
func (s *Service) wanted(w http.ResponseWriter, r *http.Request) *document {
	id, err := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64)
	if err == nil {
		if d := s.history.find(id); d != nil {
			return d
		}
	}
	refuse(w, unknownText, http.StatusNotFound)
	return nil
}

func refuse(w http.ResponseWriter, text string, status int) { http.Error(w, text, status) }

// disposition shows a document in the browser, under its own name when it is saved (RFC 6266): once in plain ASCII, once
// whole.
func disposition(name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)
	value := mime.FormatMediaType("inline", map[string]string{"filename": ascii})
	if ascii != name {
		value += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return value
}
