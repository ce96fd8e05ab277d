package printer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// How far from its ends a PDF's marks are looked for; viewers allow as much.
const (
	headLength = 1024
	tailLength = 1024
)

var (
	errNotPDF     = errors.New("it is not a PDF: %PDF is not at its head")
	errIncomplete = errors.New("it is not a whole PDF yet: %%EOF is not at its end")
)

// checkWhole tells whether the file looks like a PDF that has been written to its end.
func checkWhole(f io.ReaderAt, size int64) error {
	if size == 0 {
		return errNotPDF
	}
	head, err := readAt(f, 0, min(size, headLength))
	if err != nil {
		return err
	}
	if !bytes.Contains(head, []byte("%PDF")) {
		return errNotPDF
	}
	n := min(size, tailLength)
	tail, err := readAt(f, size-n, n)
	if err != nil {
		return err
	}
	if !bytes.Contains(tail, []byte("%%EOF")) {
		return errIncomplete
	}
	return nil
}

func readAt(f io.ReaderAt, offset, n int64) ([]byte, error) {
	buf := make([]byte, n)
	if _, err := f.ReadAt(buf, offset); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return buf, nil
}

// keyword stands before the offset of a cross-reference table: "startxref", white space, digits.
var keyword = []byte("startxref")

const (
	maxTables   = 64 // of one document; each saved change adds one
	maxDigits   = 18
	maxSpace    = 8  // white space characters; there are one or two
	reachLength = 64 // more than keyword, white space and digits
)

// table is one startxref of a document.
type table struct {
	offset int64 // of the cross-reference table, from the beginning of the document
	digits int64 // position of the first digit of the offset in the document
	length int   // number of digits
}

// tables collects the startxrefs of a document that is written to it from front to back. The zero value is ready.
type tables struct {
	found  []table // the last one counts for a viewer; of many, the first and the last are kept
	window []byte  // what was written last, and before it the end of what was written earlier
	base   int64   // position of window
}

// Write never fails.
func (t *tables) Write(p []byte) (int, error) {
	t.window = append(t.window, p...)
	for at := 0; ; {
		i := bytes.Index(t.window[at:], keyword)
		if i < 0 {
			break
		}
		at += i + len(keyword)
		found := parseOffset(t.window, at)
		found.digits += t.base
		t.add(found)
	}
	if over := len(t.window) - reachLength; over > 0 {
		t.window, t.base = append(t.window[:0], t.window[over:]...), t.base+int64(over)
	}
	return len(p), nil
}

// add takes a startxref once, although it is found in two windows. In the first, its digits may have been cut: then they
// seemed to be fewer, or not too many.
func (t *tables) add(found table) {
	t.found = slices.DeleteFunc(t.found, func(f table) bool { return f.digits == found.digits })
	if found.length == 0 || found.length > maxDigits {
		return
	}
	if len(t.found) == maxTables {
		t.found = slices.Delete(t.found, maxTables/2, maxTables/2+1)
	}
	t.found = append(t.found, found)
}

// parseOffset reads white space and digits from p at the position; with no digits, or one too many, it is none.
func parseOffset(p []byte, at int) (found table) {
	for space := 0; at < len(p) && space < maxSpace && strings.IndexByte(" \t\r\n\f\x00", p[at]) >= 0; space++ {
		at++
	}
	found.digits = int64(at)
	for ; at < len(p) && p[at] >= '0' && p[at] <= '9' && found.length <= maxDigits; at++ {
		if found.length++; found.length <= maxDigits {
			found.offset = found.offset*10 + int64(p[at]-'0')
		}
	}
	return found
}
