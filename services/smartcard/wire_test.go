package smartcard

import (
	"bytes"
	"errors"
	"testing"
)

func TestDecode(t *testing.T) {
	long := AppendPacket(nil, Ack, make([]byte, MaxPayload))
	for name, tt := range map[string]struct {
		in      []byte
		command Command
		payload []byte
		err     error
	}{
		"status without card":  {in: []byte{0x80, 0, 0}, command: Ack, payload: []byte{}},
		"response":             {in: []byte{0x80, 0, 2, 0x90, 0}, command: Ack, payload: []byte{0x90, 0}},
		"error text":           {in: []byte("\x81\x00\x0a0x80100069"), command: Error, payload: []byte("0x80100069")},
		"bytes behind it":      {in: []byte{0x80, 0, 1, 7, 8, 9}, command: Ack, payload: []byte{7}},
		"longest":              {in: long, command: Ack, payload: make([]byte, MaxPayload)},
		"nothing":              {in: nil, err: ErrShort},
		"half a header":        {in: []byte{0x80, 0}, err: ErrShort},
		"payload cut":          {in: []byte{0x80, 0, 3, 1, 2}, err: ErrShort},
		"length wrapped":       {in: append([]byte{0x80, 0, 2}, make([]byte, 65538)...), command: Ack, err: ErrLong},
		"another version":      {in: []byte{0x10, 1, 0xff, 0, 0, 0, 0}, err: ErrVersion},
		"another version, cut": {in: []byte{0x10}, err: ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Decode(tt.in)
			if !errors.Is(err, tt.err) || p.Command != tt.command || !bytes.Equal(p.Payload, tt.payload) {
				t.Errorf("got %v %d bytes, %v", p.Command, len(p.Payload), err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x80, 0, 2, 0x90, 0})
	f.Add([]byte{0x81, 0, 1, 'x', 'y'})
	f.Add([]byte{0x10, 6})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			return
		}
		again := AppendPacket(nil, p.Command, p.Payload)
		if !bytes.HasPrefix(b, again) {
			t.Errorf("%x decodes to %x", b, again)
		}
	})
}
