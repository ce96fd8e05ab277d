package upload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
)

// Limits of a form. The buffer is what a peer costs while it sends; what is written to the file is written from it: a
// whole write, and room for what may be the beginning of a boundary.
const (
	formBuffer   = writeSize + 4<<10
	headerMax    = 8 << 10 // of one part
	valueMax     = 4 << 10 // of one field
	fieldsMax    = 64      // parts of a form
	paddingMax   = 64      // blanks after a boundary
	boundaryMax  = 70      // RFC 2046, 5.1.1
	fileField    = "file"
	contentDispo = "content-disposition"
)

// form reads a multipart/form-data body (RFC 7578) part by part. It differs from mime/multipart in what matters for
// long bodies: it hands out pieces of one large buffer instead of copying them through small ones, which costs two
// thirds of the processor time. It takes no bare line feeds and no transfer encodings, which no client sends.
//
//	--BOUNDARY CR LF  *( header CR LF )  CR LF  content  CR LF --BOUNDARY ( CR LF ... | -- )
type form struct {
	src     io.Reader
	err     error  // of src, once it has ended or failed
	delim   []byte // CR LF - - BOUNDARY
	buf     []byte // buf[r:w] is read and not used
	r, w    int
	started bool // the first boundary has been read
	ended   bool // the content of this part
	last    bool // the closing boundary has been read

	got   int64 // bytes that have come from src
	plain int64 // bytes of this part's content, from buf[r] on, in which no boundary is searched
}

// newForm reads from body, in buf, the form that the Content-Type promises.
func newForm(body io.Reader, contentType string, buf []byte) (*form, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	boundary := params["boundary"]
	if err != nil || kind != "multipart/form-data" || boundary == "" || len(boundary) > boundaryMax {
		return nil, errNotForm
	}
	f := &form{src: body, buf: buf, delim: []byte("\r\n--" + boundary)}
	f.w = copy(f.buf, "\r\n") // so that the first boundary looks like the others
	return f, nil
}

// next skips what is left of this part and returns the next one, or io.EOF after the last.
func (f *form) next() (formPart, error) {
	for f.started && !f.ended {
		if _, err := f.read(); err != nil && err != io.EOF {
			return formPart{}, err
		}
	}
	if !f.started {
		if err := f.start(); err != nil {
			return formPart{}, err
		}
	}
	if f.last {
		return formPart{}, io.EOF
	}
	p, err := f.header()
	if err != nil {
		return formPart{}, err
	}
	f.ended = false
	return p, f.empty()
}

// start takes the first boundary, which nothing may precede.
func (f *form) start() error {
	for f.w-f.r < len(f.delim)+paddingMax && f.fill() {
	}
	if f.err != nil && f.w-f.r < len(f.delim) {
		return f.torn()
	}
	if !bytes.HasPrefix(f.buf[f.r:f.w], f.delim) {
		return errMalformed
	}
	found, err := f.boundary()
	if err == nil && !found {
		err = errMalformed
	}
	f.started = true
	return err
}

// empty recognizes a part without content whose boundary follows its header at once: then the empty line is the
// boundary's.
func (f *form) empty() error {
	for f.w-f.r < len(f.delim)+paddingMax && f.fill() {
	}
	if !bytes.HasPrefix(f.buf[f.r-2:f.w], f.delim) {
		return nil
	}
	f.r -= 2
	found, err := f.boundary()
	if !found {
		f.r += 2
	}
	return err
}

// read returns the next piece of the part's content, or io.EOF at its end. It is valid until the next call.
func (f *form) read() ([]byte, error) {
	if f.ended {
		return nil, io.EOF
	}
	for {
		for f.fill() { // until the buffer is full: few, large writes to the file
		}
		if n := int(min(f.plain, int64(f.w-f.r))); n > 0 {
			piece := f.buf[f.r : f.r+n]
			f.r, f.plain = f.r+n, f.plain-int64(n)
			return piece, nil
		}
		at, from := -1, 0
		if bytes.HasPrefix(f.buf[f.r:f.w], f.delim) {
			if found, err := f.boundary(); err != nil {
				return nil, err
			} else if found {
				return nil, io.EOF
			}
			from = 1 // it only begins like a boundary
		}
		if from < f.w-f.r {
			at = bytes.Index(f.buf[f.r+from:f.w], f.delim)
		}
		end := f.w - (len(f.delim) - 1) // a boundary may begin after it
		if at >= 0 {
			end = f.r + from + at
		}
		if from == 1 {
			end = max(end, f.r+1)
		}
		if end > f.r {
			piece := f.buf[f.r:end]
			f.r = end
			return piece, nil
		}
		if f.err != nil {
			return nil, f.torn()
		}
	}
}

// boundary takes the boundary at the buffer's start, if it is one: what follows it decides.
func (f *form) boundary() (bool, error) {
	for f.w-f.r < len(f.delim)+paddingMax && f.fill() {
	}
	after := f.buf[f.r+len(f.delim) : f.w]
	if len(after) == 0 || !bytes.ContainsRune([]byte(" \t\r\n"), rune(after[0])) && !bytes.HasPrefix(after, []byte("--")) {
		return false, nil
	}
	after, last := bytes.CutPrefix(after, []byte("--"))
	after = bytes.TrimLeft(after, " \t")
	line := bytes.HasPrefix(after, []byte("\r\n"))
	if !line && !(last && len(after) == 0) {
		return false, errMalformed
	}
	if line {
		after = after[2:]
	}
	f.ended, f.last, f.r = true, last, f.w-len(after)
	return true, nil
}

// fill reads once, and reports whether that brought anything: not when the buffer is full or the body has ended.
func (f *form) fill() bool {
	if f.r >= len(f.buf)/4 || f.r > 2 && f.w == f.r { // seldom enough for pieces of any size
		keep := min(f.r, 2) // empty looks two bytes back
		f.w = copy(f.buf, f.buf[f.r-keep:f.w])
		f.r = keep
	}
	before := f.w
	for f.w == before && f.w < len(f.buf) && f.err == nil {
		var n int
		n, f.err = f.src.Read(f.buf[f.w:])
		f.w += n
		f.got += int64(n)
	}
	return f.w > before
}

// torn is the error of a form that ended too early.
func (f *form) torn() error {
	if f.err == nil || errors.Is(f.err, io.EOF) || errors.Is(f.err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return fmt.Errorf("%w: %w", errTorn, f.err)
}

// back gives the last n bytes of the piece that read has just returned back; the next read begins with them.
func (f *form) back(n int) {
	f.r -= n
	if f.plain > 0 {
		f.plain += int64(n)
	}
}

// size says how long this part's content is by what the fields tell. When the body has room for just that and the closing
// boundary, two lengths agree, and only the end is searched, before which no file is whole.
func (f *form) size(content, body int64) {
	closing := body - f.got + int64(f.w-f.r) - content - int64(len(f.delim))
	if !f.ended && (closing == int64(len("--")) || closing == int64(len("--\r\n"))) {
		f.plain = max(content-writeSize, 0)
	}
}

// value reads the content of a field.
func (f *form) value() (string, error) {
	var value []byte
	for {
		piece, err := f.read()
		if err == io.EOF {
			return string(value), nil
		}
		if err != nil {
			return "", err
		}
		if len(value)+len(piece) > valueMax {
			return "", errMalformed
		}
		value = append(value, piece...)
	}
}
