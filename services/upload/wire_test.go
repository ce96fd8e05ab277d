package upload

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

type gotPart struct {
	Name, Filename, Content string
}

const testType = "multipart/form-data; boundary=BoUnD"

// readForm reads a whole form through a buffer of this size.
func readForm(body io.Reader, size int) ([]gotPart, error) {
	f, err := newForm(body, testType, make([]byte, size))
	if err != nil {
		return nil, err
	}
	var parts []gotPart
	for {
		p, err := f.next()
		if err == io.EOF {
			return parts, nil
		}
		if err != nil {
			return parts, err
		}
		var content []byte
		for {
			piece, err := f.read()
			content = append(content, piece...)
			if err == io.EOF {
				break
			}
			if err != nil {
				return parts, err
			}
		}
		parts = append(parts, gotPart{p.name, p.filename, string(content)})
	}
}

// crlf writes forms with | for CR LF.
func crlf(s string) string { return strings.ReplaceAll(s, "|", "\r\n") }

const oneFile = `--BoUnD|Content-Disposition: form-data; name="file"; filename="a.txt"|Content-Type: text/plain||`

func TestForm(t *testing.T) {
	cases := map[string]struct {
		body string
		want []gotPart
		err  error
	}{
		"fields then file": {
			body: `--BoUnD|Content-Disposition: form-data; name="dzuuid"||u-1|` + oneFile + `hello|--BoUnD--|`,
			want: []gotPart{{"dzuuid", "", "u-1"}, {"file", "a.txt", "hello"}},
		},
		"no last line end":     {body: oneFile + `hello|--BoUnD--`, want: []gotPart{{"file", "a.txt", "hello"}}},
		"empty file":           {body: oneFile + `|--BoUnD--|`, want: []gotPart{{"file", "a.txt", ""}}},
		"empty, no line end":   {body: oneFile + `--BoUnD--|`, want: []gotPart{{"file", "a.txt", ""}}},
		"line ends in content": {body: oneFile + `||x||||--BoUnD--|`, want: []gotPart{{"file", "a.txt", "\r\n\r\nx\r\n\r\n\r\n"}}},
		"almost a boundary":    {body: oneFile + `|--BoUnDx|--BoUn|--BoUnD-|--BoUnD--|`, want: []gotPart{{"file", "a.txt", "\r\n--BoUnDx\r\n--BoUn\r\n--BoUnD-"}}},
		"preamble":             {body: `hi|` + oneFile + `x|--BoUnD--|`, err: errMalformed},
		"epilogue":             {body: oneFile + `x|--BoUnD--|bye`, want: []gotPart{{"file", "a.txt", "x"}}},
		"padding":              {body: strings.Replace(oneFile, "BoUnD|", "BoUnD \t|", 1) + `x|--BoUnD--|`, want: []gotPart{{"file", "a.txt", "x"}}},
		"RFC 5987": {
			body: `--BoUnD|content-disposition: form-data; name="file"; filename="x"; filename*=UTF-8''%E2%82%AC%20%2522.txt||.|--BoUnD--|`,
			want: []gotPart{{"file", "€ %22.txt", "."}},
		},
		"quotation mark": {
			body: `--BoUnD|Content-Disposition: form-data; name="file"; filename="a %22b%22 報.txt"||.|--BoUnD--|`,
			want: []gotPart{{"file", `a "b" 報.txt`, "."}},
		},
		"torn content":     {body: oneFile + `hel`, err: errTorn},
		"torn boundary":    {body: oneFile + `hello|--BoUnD`, err: errTorn},
		"torn header":      {body: `--BoUnD|Content-Dispo`, err: errTorn},
		"nothing":          {body: ``, err: errTorn},
		"no disposition":   {body: `--BoUnD|Content-Type: text/plain||x|--BoUnD--|`, err: errMalformed},
		"base64":           {body: `--BoUnD|Content-Disposition: form-data; name="file"|Content-Transfer-Encoding: base64||eA==|--BoUnD--|`, err: errMalformed},
		"endless header":   {body: `--BoUnD|X: ` + strings.Repeat("x", 20<<10), err: errMalformed},
		"two dispositions": {body: `--BoUnD|Content-Disposition: form-data; name=a|Content-Disposition: form-data; name=b||x|--BoUnD--`, err: errMalformed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			for _, src := range []func(io.Reader) io.Reader{
				func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
			} {
				got, err := readForm(src(strings.NewReader(crlf(c.body))), formBuffer)
				if c.err != nil {
					if !errors.Is(err, c.err) {
						t.Fatalf("error %v, want %v", err, c.err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(c.want, got); d != "" {
					t.Fatal(d)
				}
			}
		})
	}
}

func TestFormContentType(t *testing.T) {
	for _, ct := range []string{
		"", "text/plain", "multipart/form-data", "multipart/mixed; boundary=x", `multipart/form-data; boundary=""`,
		"multipart/form-data; boundary=" + strings.Repeat("x", 71),
	} {
		if _, err := newForm(strings.NewReader(""), ct, make([]byte, formBuffer)); !errors.Is(err, errNotForm) {
			t.Errorf("%q: %v", ct, err)
		}
	}
}

// FuzzForm holds the decoder against mime/multipart: what both accept, they read alike, however the bytes arrive and
// whatever the size of the buffer; and what this one accepts, that one does.
func FuzzForm(f *testing.F) {
	f.Add([]byte(crlf(oneFile+`hello|--BoUnD--|`)), uint16(0))
	f.Add([]byte(crlf(`x|`+oneFile+`|--BoUnDx|--BoUnD--`)), uint16(7))
	f.Add([]byte(crlf(oneFile+`--BoUnD|Content-Disposition: form-data; name=a||--BoUnD--`)), uint16(99))
	f.Add([]byte(crlf(oneFile+strings.Repeat("|--BoUn", 200)+`|--BoUnD--`)), uint16(30))
	f.Fuzz(func(t *testing.T, body []byte, extra uint16) {
		got, err := readForm(bytes.NewReader(body), formBuffer)
		again, errAgain := readForm(iotest.OneByteReader(bytes.NewReader(body)), 4*headerMax+int(extra))
		if (err == nil) != (errAgain == nil) || err == nil && !cmp.Equal(got, again) {
			t.Fatalf("depends on the buffer: %v %v / %v %v", got, err, again, errAgain)
		}
		if err != nil {
			return
		}
		want, wantErr := readMultipart(body)
		if wantErr != nil {
			t.Fatalf("%q: accepted; mime/multipart says %v", body, wantErr)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%q: %s", body, d)
		}
	})
}

func readMultipart(body []byte) ([]gotPart, error) {
	r := multipart.NewReader(bytes.NewReader(body), "BoUnD")
	var parts []gotPart
	for {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return parts, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return nil, err
		}
		want, err := parseDisposition(p.Header.Get("Content-Disposition")) // its FileName cuts the path off
		if err != nil {
			return nil, err
		}
		parts = append(parts, gotPart{want.name, want.filename, string(content)})
	}
}
