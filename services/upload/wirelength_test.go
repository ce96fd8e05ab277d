package upload

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// known is a form of one file, read as a chunk is whose fields tell its length.
func known(t *testing.T, content []byte, closing string) ([]byte, error) {
	t.Helper()
	body := crlf(oneFile) + string(content) + crlf("|--BoUnD"+closing)
	f, err := newForm(iotest.HalfReader(strings.NewReader(body)), testType, make([]byte, formBuffer))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.next(); err != nil {
		t.Fatal(err)
	}
	f.size(int64(len(content)), int64(len(body)))
	var got []byte
	for {
		piece, err := f.read()
		if err == io.EOF {
			return got, restOfForm(f)
		}
		if err != nil {
			return got, err
		}
		n := max(len(piece)/2, 1) // the rest comes again
		got = append(got, piece[:n]...)
		f.back(len(piece) - n)
	}
}

func TestFormOfKnownLength(t *testing.T) {
	for _, n := range []int{0, 1, 100, writeSize - 1, writeSize, writeSize + 1, 2*writeSize + 7, 5 * writeSize} {
		for _, closing := range []string{"--", "--|"} {
			t.Run(fmt.Sprint(n, closing), func(t *testing.T) {
				content := randomBytes(uint64(n), n)
				if n > 2*writeSize {
					copy(content[writeSize/2:], crlf("|--BoUnD|")) // which both lengths say is content
				}
				got, err := known(t, content, closing)
				if err != nil || !bytes.Equal(got, content) {
					t.Errorf("%d bytes, %v; sent %d", len(got), err, n)
				}
			})
		}
	}
}
