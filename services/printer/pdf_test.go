package printer

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ghostaux/pkg/testkit"
)

func TestPackets(t *testing.T) {
	var start [startLength]byte
	var end [endLength]byte
	chunk := append(make([]byte, chunkHeader), "data and more"...)
	if got := putChunk(chunk, 4); string(got) != "\x00\x00\x00\x01\x00\x00\x00\x04data" {
		t.Errorf("CHUNK % x", got)
	}
	if got := putEnd(&end); !bytes.Equal(got, []byte{0, 0, 0, 2}) {
		t.Errorf("END % x", got)
	}
	if got := putStart(&start, 0x01020304); !bytes.Equal(got, []byte{0, 0, 0, 0, 1, 2, 3, 4}) {
		t.Errorf("START % x", got)
	}
	if got := putStart(&start, math.MaxUint32+5); !bytes.Equal(got, []byte{0, 0, 0, 0, 255, 255, 255, 255}) {
		t.Errorf("START of 4 GiB and more % x", got)
	}
}

func TestWhole(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"whole":           {testkit.PDF(5000, 1), nil},
		"garbage around":  {[]byte("\n\n%PDF-1.7 ... %%EOF\n\n\n"), nil},
		"empty":           {nil, errNotPDF},
		"one byte":        {[]byte("%"), errNotPDF},
		"no head":         {testkit.PDF(5000, 1)[10:], errNotPDF},
		"no end":          {testkit.PDF(5000, 1)[:4980], errIncomplete},
		"end too far off": {append(testkit.PDF(5000, 1), make([]byte, 2000)...), errIncomplete},
	} {
		if err := checkWhole(bytes.NewReader(c.data), int64(len(c.data))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTables(t *testing.T) {
	data := []byte("x startxref 17\n%%EOF startxref\r\n4 startxref startxref\n99999999999999999999 startxref\n00023456\n%%EOF")
	want := []table{{17, 12, 2}, {4, 32, 1}, {23456, 85, 8}}
	for step := 1; step <= len(data); step++ {
		var got tables
		for rest := data; len(rest) > 0; rest = rest[min(step, len(rest)):] {
			_, _ = got.Write(rest[:min(step, len(rest))])
		}
		if diff := cmp.Diff(want, got.found, cmp.AllowUnexported(table{})); diff != "" {
			t.Fatalf("in steps of %d (-want +got):\n%s", step, diff)
		}
	}
	var many tables
	for range 1000 {
		_, _ = many.Write([]byte("startxref 5\n"))
	}
	if n := len(many.found); n != maxTables || many.found[n-1].digits != 12*999+10 || many.found[0].digits != 10 {
		t.Errorf("%d tables, last %+v", n, many.found[n-1])
	}
}

// FuzzTables holds that a document in pieces has the tables that it has as a whole.
func FuzzTables(f *testing.F) {
	f.Add([]byte("startxref 17 startxref\n5"), uint8(3))
	f.Add([]byte("startxref00000000000000000000"), uint8(0)) // seems to be one, in pieces, until its last digit
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		var whole, pieces tables
		_, _ = whole.Write(data)
		for rest := data; len(rest) > 0; {
			n := min(int(step)+1, len(rest))
			_, _ = pieces.Write(rest[:n])
			rest = rest[n:]
		}
		for _, found := range whole.found {
			if found.digits+int64(found.length) > int64(len(data)) || found.offset < 0 {
				t.Fatalf("%+v is outside of the document", found)
			}
		}
		if len(whole.found) < maxTables {
			if diff := cmp.Diff(whole.found, pieces.found, cmp.AllowUnexported(table{}), cmpopts.EquateEmpty()); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestMisleading(t *testing.T) {
	var p pages
	if p.misleads(100) {
		t.Error("a page without documents misleads")
	}
	p.add(1000, []table{{offset: 900}})
	p.add(500, []table{{offset: 450}, {offset: 100}})
	for offset, want := range map[int64]bool{
		900: true, 905: true, 895: true, 800: false, 450: true, 100: true, // of a page that began with the first, or with the second
		1450: true, 1100: true, 1200: false, 1900: false, 400: false, 0: false,
	} {
		if got := p.misleads(offset); got != want {
			t.Errorf("offset %d: %v", offset, got)
		}
	}
	p = pages{}
	p.add(600, []table{{offset: 900}}) // sent in part: its table was not
	if p.misleads(900) {
		t.Error("a table that was never sent misleads")
	}
	for range 3 * maxRemembered {
		p.add(10, nil)
	}
	if len(p.shown) != maxRemembered {
		t.Errorf("%d documents remembered", len(p.shown))
	}
}
