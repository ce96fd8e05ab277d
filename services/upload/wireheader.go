package upload

import (
	"bytes"
	"mime"
	"strings"
)

// formPart is the header of one part.
type formPart struct {
	name     string
	filename string // as sent
	isFile   bool   // it has a filename, be it empty
}

// header reads the header lines of a part and the empty line after them.
func (f *form) header() (formPart, error) {
	var p formPart
	for size, named := 0, false; ; {
		line, err := f.line()
		if err != nil {
			return p, err
		}
		if len(line) == 0 {
			if !named {
				return p, errMalformed
			}
			return p, nil
		}
		if size += len(line); size > headerMax {
			return p, errMalformed
		}
		key, value, ok := strings.Cut(string(line), ":")
		switch key = strings.ToLower(key); {
		case !ok || !isToken(key) || strings.ContainsFunc(value, notInHeader):
			return p, errMalformed // which a folded line is too
		case key == "content-transfer-encoding" && !plainEncoding(value):
			return p, errMalformed
		case key == contentDispo && named:
			return p, errMalformed
		case key == contentDispo:
			named = true
			if p, err = parseDisposition(value); err != nil {
				return p, err
			}
		}
	}
}

func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	}) < 0
}

func notInHeader(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func plainEncoding(value string) bool {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "binary", "8bit", "7bit":
		return true
	}
	return false
}

// parseDisposition reads the value of a Content-Disposition. RFC 5987's filename* has precedence; in a plain filename
// browsers write a quotation mark as %22 (HTML, multipart/form-data encoding algorithm).
func parseDisposition(value string) (formPart, error) {
	kind, params, err := mime.ParseMediaType(value)
	if err != nil || kind != "form-data" {
		return formPart{}, errMalformed
	}
	p := formPart{name: params["name"]}
	p.filename, p.isFile = params["filename"]
	if !strings.Contains(strings.ToLower(value), "filename*") {
		p.filename = strings.ReplaceAll(p.filename, "%22", `"`)
	}
	return p, nil
}

// line returns one line without its CR LF. It is valid until the next call.
func (f *form) line() ([]byte, error) {
	for {
		if i := bytes.Index(f.buf[f.r:f.w], []byte("\r\n")); i >= 0 {
			line := f.buf[f.r : f.r+i]
			f.r += i + 2
			return line, nil
		}
		if f.w-f.r > headerMax {
			return nil, errMalformed
		}
		if !f.fill() {
			return nil, f.torn()
		}
	}
}
