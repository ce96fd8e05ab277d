package upload

import (
	"errors"
	"io"
	"net/http"
	"os"
)

// uploaded is the answer to every chunk, the last one too. (Observed of Kasm's helper.)
const uploaded = "uploaded Chunk"

// upload takes one form: a chunk, or a whole file.
func (s *Service) upload(w http.ResponseWriter, r *http.Request) {
	st, err := s.current(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	b := newBody(w, r, s.limiter)
	defer b.close()
	r.Body = b // reply looks at it
	buf := s.buffers.Get().(*[formBuffer]byte)
	defer s.buffers.Put(buf)
	f, err := newForm(b, r.Header.Get("Content-Type"), buf[:])
	var published *write
	if err == nil {
		published, err = s.receive(st, f, b, r.ContentLength)
	}
	if errors.Is(err, errFinished) {
		_, err = io.Copy(io.Discard, b)
	}
	if b.wasStopped() {
		w.Header().Set("Connection", "close")
	}
	if err != nil {
		s.fail(w, r, explain(err))
		return
	}
	s.counters.chunks.Inc()
	s.text(w, r, http.StatusOK, uploaded)
	if published != nil {
		_ = http.NewResponseController(w).Flush()
		published.tidy()
	}
}

// explain tells a client that said nothing for too long from one that went.
func explain(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, errPreempted) {
		return errIdle
	}
	return err
}

// receive reads the form into the store. Its error is nil when the chunk is safe, whatever became of the file; what it
// returns beside that has published the file, and is to be tidied after the answer.
func (s *Service) receive(st *store, f *form, b *body, length int64) (*write, error) {
	sent, filename, err := readFields(f)
	if err != nil {
		return nil, err
	}
	c, err := chunkOf(sent, filename, length)
	if err != nil {
		return nil, err
	}
	w, err := st.begin(c.spec, c.offset, false, b.stop)
	if err != nil {
		return nil, err
	}
	if c.length != unknown {
		w.limit = c.offset + c.length
		f.size(c.length, length)
	}
	err = copyFile(w, f)
	if err == nil {
		err = restOfForm(f)
	}
	if err == nil && c.length != unknown && w.at != c.offset+c.length {
		err = errSize
	}
	if errors.Is(err, errSize) {
		w.doubt()
	}
	var published bool
	if err == nil && c.whole {
		published, err = true, w.endWhole()
	} else {
		published, err = w.end(err)
	}
	s.env.Log.Debug("chunk", "name", c.place.name, "offset", c.offset, "bytes", w.at-c.offset, "total", c.total,
		"published", published, "error", err)
	if !published {
		w = nil
	}
	return w, err
}

// readFields reads the form up to the content of its file.
func readFields(f *form) (fields, string, error) {
	sent := fields{}
	for range fieldsMax {
		p, err := f.next()
		switch {
		case err == io.EOF:
			return nil, "", errNoFile
		case err != nil:
			return nil, "", err
		case p.name == fileField:
			if !p.isFile {
				return nil, "", errNoFile
			}
			return sent, p.filename, nil
		case !knownField(p.name):
			continue // next skips its content
		}
		if _, twice := sent[p.name]; twice {
			return nil, "", errMalformed
		}
		if sent[p.name], err = f.value(); err != nil {
			return nil, "", err
		}
	}
	return nil, "", errMalformed
}

func copyFile(w *write, f *form) error {
	for {
		piece, err := f.read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		n := w.aligned(len(piece))
		if err := w.put(piece[:n]); err != nil {
			return err
		}
		f.back(len(piece) - n)
	}
}

// restOfForm reads what follows the file. A field that would have mattered comes too late.
func restOfForm(f *form) error {
	for range fieldsMax {
		p, err := f.next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case p.name == fileField:
			return errTwoFiles
		case knownField(p.name):
			return errLateField
		}
	}
	return errMalformed
}
