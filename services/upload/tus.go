package upload

import (
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The tus protocol, version 1.0.0, with its extensions creation, creation-with-upload and termination
// (https://tus.io/protocols/resumable-upload). It is spoken here rather than through tusd, whose handler starts
// goroutines for every request that outlive it, and answers with absolute URLs, which are wrong behind a proxy that
// adds a path. Location is relative instead, which every client resolves against the address that it used.
const (
	tusVersion    = "1.0.0"
	tusExtensions = "creation,creation-with-upload,termination"
	tusBody       = "application/offset+octet-stream"
	tusMetaMax    = 64 // pairs
)

var (
	errTusVersion = &refusal{http.StatusPreconditionFailed, "form", "Only tus 1.0.0 is spoken here"}
	errTusLength  = &refusal{http.StatusBadRequest, "number", "Upload-Length is not a possible number"}
	errTusOffset  = &refusal{http.StatusBadRequest, "number", "Upload-Offset is not a possible number"}
	errTusBehind  = &refusal{http.StatusConflict, "mismatch", "Upload-Offset is not where this upload is"}
	errTusType    = &refusal{http.StatusUnsupportedMediaType, "form", "The body must be " + tusBody}
	errTusMeta    = &refusal{http.StatusBadRequest, "form", "Upload-Metadata is malformed"}
	errTusUnknown = &refusal{http.StatusNotFound, "lost", "There is no such upload"}
	errTusMethod  = &refusal{http.StatusMethodNotAllowed, "form", "Method not allowed"}
)

// tus serves /files/ and what is below it.
func (s *Service) tus(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Tus-Resumable", tusVersion)
	method := r.Method
	if o := r.Header.Get("X-HTTP-Method-Override"); method == http.MethodPost && o != "" {
		method = o // for clients that cannot send PATCH or DELETE
	}
	if method == http.MethodOptions {
		s.tusOptions(w)
		return
	}
	if v := r.Header.Get("Tus-Resumable"); v != tusVersion && !(method == http.MethodHead && v == "") {
		w.Header().Set("Tus-Version", tusVersion)
		s.fail(w, r, errTusVersion)
		return
	}
	st, err := s.current(r.Context())
	if err == nil {
		id := strings.Trim(strings.TrimPrefix(r.URL.Path, "/files"), "/")
		err = s.tusRequest(w, r, tusCall{st, method, id})
	}
	if err != nil {
		s.fail(w, r, explain(err))
	}
}

func (s *Service) tusOptions(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Tus-Version", tusVersion)
	h.Set("Tus-Extension", tusExtensions)
	if s.config.MaxSize > 0 {
		h.Set("Tus-Max-Size", strconv.FormatInt(int64(s.config.MaxSize), 10))
	}
	w.WriteHeader(http.StatusNoContent)
}

// tusCall is what a request is about.
type tusCall struct {
	store  *store
	method string
	id     string // "" for the collection
}

func (s *Service) tusRequest(w http.ResponseWriter, r *http.Request, c tusCall) error {
	switch {
	case c.id == "" && c.method == http.MethodPost:
		return s.tusCreate(w, r, c.store)
	case c.id != "" && c.method == http.MethodHead:
		return s.tusHead(w, c)
	case c.id != "" && c.method == http.MethodPatch:
		return s.tusPatch(w, r, c)
	case c.id != "" && c.method == http.MethodDelete:
		return s.tusDelete(w, c)
	}
	return errTusMethod
}

// tusCreate makes an upload, and takes its first bytes when the request has them.
func (s *Service) tusCreate(w http.ResponseWriter, r *http.Request, st *store) error {
	id := rand.Text()
	sp, err := tusSpec(r.Header, id)
	if err != nil {
		return err
	}
	p, err := st.part(sp, 0)
	if err != nil {
		return err
	}
	location := id
	if !strings.HasSuffix(r.URL.Path, "/") {
		location = "files/" + id
	}
	w.Header().Set("Location", location)
	var published *write
	if sp.total == 0 || r.Header.Get("Content-Type") == tusBody {
		offset := int64(0)
		if offset, published, err = s.tusWrite(w, r, tusWrite{st, p, 0}); err != nil {
			return err
		}
		w.Header().Set("Upload-Offset", strconv.FormatInt(offset, 10))
	}
	tusAnswer(w, http.StatusCreated, published)
	return nil
}

// tusAnswer answers, and then tidies after what was published.
func tusAnswer(w http.ResponseWriter, status int, published *write) {
	w.WriteHeader(status)
	if published != nil {
		_ = http.NewResponseController(w).Flush()
		published.tidy()
	}
}

// tusHead tells how far an upload is. A request that still sends for it is stopped first: its client asks here
// since it has given that one up, and wants the last word.
func (s *Service) tusHead(w http.ResponseWriter, c tusCall) error {
	p, end, err := c.store.lookup(tusKey + c.id)
	if err != nil {
		return err
	}
	offset := end.total
	total := end.total
	if p != nil {
		total = p.total
		offset = c.store.settled(p)
		if meta := encodeMetadata(p.meta); meta != "" {
			w.Header().Set("Upload-Metadata", meta)
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Upload-Offset", strconv.FormatInt(offset, 10))
	w.Header().Set("Upload-Length", strconv.FormatInt(total, 10))
	return nil
}

// tusPatch takes the next bytes.
func (s *Service) tusPatch(w http.ResponseWriter, r *http.Request, c tusCall) error {
	if r.Header.Get("Content-Type") != tusBody {
		return errTusType
	}
	offset, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64)
	if err != nil || offset < 0 {
		return errTusOffset
	}
	var published *write
	p, end, err := c.store.lookup(tusKey + c.id)
	switch {
	case err != nil:
		return err
	case p == nil && offset != end.total:
		return errTusBehind
	case p != nil:
		if offset, published, err = s.tusWrite(w, r, tusWrite{c.store, p, offset}); err != nil {
			return err
		}
	}
	w.Header().Set("Upload-Offset", strconv.FormatInt(offset, 10))
	tusAnswer(w, http.StatusNoContent, published)
	return nil
}

type tusWrite struct {
	store  *store
	part   *part
	offset int64
}

// tusWrite writes a request's body and returns the new offset, and who has published the file, if that is so.
func (s *Service) tusWrite(w http.ResponseWriter, r *http.Request, t tusWrite) (int64, *write, error) {
	if t.offset > t.part.total {
		return 0, nil, errTusBehind
	}
	b := newBody(w, r, s.limiter)
	defer b.close()
	r.Body = b // reply looks at it
	to, err := t.store.begin(t.part.spec, t.offset, true, b.stop)
	if errors.Is(err, errFinished) && t.offset == t.part.total {
		return t.offset, nil, nil
	}
	if err != nil {
		return 0, nil, err
	}
	if t.store.prefix(t.part) != t.offset {
		_, _ = to.end(nil)
		return 0, nil, errTusBehind
	}
	buf := s.buffers.Get().(*[formBuffer]byte)
	defer s.buffers.Put(buf)
	published, err := to.end(copyBody(to, b, buf[:]))
	if b.wasStopped() {
		w.Header().Set("Connection", "close")
	}
	if err != nil {
		return 0, nil, err
	}
	s.counters.chunks.Inc()
	if !published {
		return to.at, nil, nil
	}
	return to.at, to, nil
}

// copyBody writes from src in large pieces. What a torn request has brought is written too.
func copyBody(to *write, src io.Reader, buf []byte) error {
	for {
		n, size := 0, to.aligned(writeSize)
		var err error
		for n < size && err == nil {
			var more int
			more, err = src.Read(buf[n:size])
			n += more
		}
		if n > 0 {
			if failed := to.put(buf[:n]); failed != nil {
				return failed
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return errors.Join(errTorn, err)
		}
	}
}

func (s *Service) tusDelete(w http.ResponseWriter, c tusCall) error {
	p, _, err := c.store.lookup(tusKey + c.id)
	if err != nil {
		return err
	}
	if p != nil {
		c.store.drop(p, errLost)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// lookup returns an open upload, or how it was published; what has ended without a file is an error.
func (s *store) lookup(key string) (*part, ending, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.parts[key]; ok {
		return p, ending{}, nil
	}
	end, ok := s.past.find(key)
	if !ok {
		return nil, ending{}, errTusUnknown
	}
	return nil, end, end.err
}

// settled stops who writes to the part and returns where it is then.
func (s *store) settled(p *part) int64 {
	s.mu.Lock()
	var writers []*write
	for w := range p.writers {
		writers = append(writers, w)
	}
	s.mu.Unlock()
	stopWriters(writers)
	return s.prefix(p)
}

func (s *store) prefix(p *part) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.have.prefix()
}
