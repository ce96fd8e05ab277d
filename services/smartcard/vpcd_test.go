package smartcard

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestReadFrame(t *testing.T) {
	long := bytes.Repeat([]byte{0xA5, 0x5A, 1}, MaxPayload/3)
	for name, tt := range map[string]struct {
		in   []byte
		want []byte
		err  error
	}{
		"power on":          {in: []byte{0, 1, 1}, want: []byte{1}},
		"apdu":              {in: []byte{0, 4, 0, 0xA4, 4, 0}, want: []byte{0, 0xA4, 4, 0}},
		"longest":           {in: appendFrame(nil, long), want: long},
		"empty":             {in: []byte{0, 0, 1}, err: errEmptyFrame},
		"end":               {in: nil, err: io.EOF},
		"cut in the length": {in: []byte{0}, err: io.ErrUnexpectedEOF},
		"cut before data":   {in: []byte{0, 4}, err: io.ErrUnexpectedEOF},
		"cut in the data":   {in: []byte{0, 4, 1}, err: io.ErrUnexpectedEOF},
	} {
		for segments, reader := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "bytewise": iotest.OneByteReader, "half": iotest.HalfReader,
		} {
			t.Run(name+", "+segments, func(t *testing.T) {
				got, err := readFrame(reader(bytes.NewReader(tt.in)), make([]byte, MaxPayload))
				if !errors.Is(err, tt.err) || !bytes.Equal(got, tt.want) {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
			})
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 1, 4, 0, 2, 1, 2})
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		buf := make([]byte, MaxPayload)
		var out []byte
		for {
			frame, err := readFrame(r, buf)
			if err != nil {
				break
			}
			if len(frame) == 0 {
				t.Fatal("a message without data")
			}
			out = appendFrame(out, frame)
		}
		if !bytes.HasPrefix(in, out) {
			t.Errorf("%x was read as %x", in, out)
		}
	})
}
