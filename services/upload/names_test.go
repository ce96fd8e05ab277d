package upload

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestCleanName(t *testing.T) {
	long := strings.Repeat("あ", 300) + ".pdf"
	cases := []struct {
		sent, want string
		err        *refusal
	}{
		{sent: "karlštejn.jpg", want: "karlštejn.jpg"},
		{sent: "报告 (1).pdf", want: "报告 (1).pdf"},
		{sent: "a–b’c.txt", want: "a–b’c.txt"},
		{sent: "e\u0301.txt", want: "e\u0301.txt"}, // decomposed stays decomposed
		{sent: "../../.bashrc", want: ".bashrc"},
		{sent: `..\..\x`, want: "x"},
		{sent: `C:\fakepath\x.doc`, want: "x.doc"},
		{sent: "/etc/passwd", want: "passwd"},
		{sent: "CON", want: "CON"},
		{sent: " a .txt ", want: " a .txt "},
		{sent: "..", err: errNameDots},
		{sent: "a/.", err: errNameDots},
		{sent: "", err: errNameEmpty},
		{sent: "dir/", err: errNameEmpty},
		{sent: "x\n.txt", err: errNameControl},
		{sent: "x\x00.txt", err: errNameControl},
		{sent: "x\u0085", err: errNameControl},
		{sent: "x\xff", err: errNameUTF8},
		{sent: long, want: strings.Repeat("あ", 83) + ".pdf"},
		{sent: strings.Repeat("x", 300), want: strings.Repeat("x", 255)},
		{sent: "." + strings.Repeat("x", 300), want: "." + strings.Repeat("x", 254)},
		{sent: ".a.txt.0123456789abcdef.uploading", err: errNameReserved},
		{sent: ".a.txt.0123456789abcdef.uploading.ranges", err: errNameReserved},
		{sent: ".a.txt.uploading", want: ".a.txt.uploading"},
	}
	for _, c := range cases {
		got, err := cleanName(c.sent)
		if got != c.want || c.err != nil && !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("cleanName(%q) = %q, %v; want %q, %v", c.sent, got, err, c.want, c.err)
		}
	}
}

func TestCleanPlace(t *testing.T) {
	cases := []struct {
		sent string
		want place
		ok   bool
	}{
		{"photos/2024/a.jpg", place{"photos/2024", "a.jpg"}, true},
		{"/a.jpg", place{"", "a.jpg"}, true},
		{`win\dir\a.jpg`, place{"win/dir", "a.jpg"}, true},
		{"a//b", place{"a", "b"}, true},
		{"../a", place{}, false},
		{"a/../b", place{}, false},
		{"a/b/", place{}, false},
		{"/", place{}, false},
		{"a\x00/b", place{}, false},
		{strings.Repeat("d/", 100) + "f", place{}, false},
	}
	for _, c := range cases {
		got, err := cleanPlace(c.sent)
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("cleanPlace(%q) = %v, %v", c.sent, got, err)
		}
	}
}

func TestNumbered(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
		want string
	}{
		{"a.txt", 0, "a.txt"},
		{"a.txt", 1, "a (1).txt"},
		{"a", 12, "a (12)"},
		{".bashrc", 1, ".bashrc (1)"},
		{"a.tar.gz", 2, "a.tar (2).gz"},
		{strings.Repeat("é", 127) + "x", 3, strings.Repeat("é", 125) + " (3)"},
	} {
		if got := numbered(c.name, c.n); got != c.want || len(got) > nameMax {
			t.Errorf("numbered(%q, %d) = %q, want %q", c.name, c.n, got, c.want)
		}
	}
}

// FuzzNames holds the promises about names against any input.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"a.txt", "../x", `a\b/c`, strings.Repeat("あ", 100), "..", "", "\x00", ".x.0123456789abcdef.uploading"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		if name, err := cleanName(sent); err == nil {
			holdElement(t, name)
			holdElement(t, numbered(name, 7))
			part := partName(name, "0123456789abcdef")
			if !isOurs(part) || !isOurs(journalName(part)) || len(journalName(part)) > nameMax {
				t.Fatalf("part %q of %q", part, name)
			}
			if len(sent) <= nameMax && !strings.HasSuffix(sent, name) {
				t.Fatalf("%q became %q", sent, name)
			}
		}
		if p, err := cleanPlace(sent); err == nil {
			for _, e := range strings.Split(p.path(), "/") {
				holdElement(t, e)
			}
		}
	})
}

func holdElement(t *testing.T, name string) {
	t.Helper()
	if name == "" || name == "." || name == ".." || len(name) > nameMax || !utf8.ValidString(name) ||
		strings.ContainsAny(name, `/\`) || strings.ContainsFunc(name, unicode.IsControl) || isOurs(name) {
		t.Fatalf("%q got through", name)
	}
}
