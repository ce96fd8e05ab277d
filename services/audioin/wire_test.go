package audioin

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRate(t *testing.T) {
	for query, want := range map[string]int{
		"": 44100, "sample_rate=": 44100, "other=1": 44100, "sample_rate=44100": 44100, "sample_rate=48000": 48000,
		"sample_rate=8000": 8000, "sample_rate=384000": 384000,
	} {
		v, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseRate(v); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", query, got, err, want)
		}
	}
	for _, query := range []string{
		"sample_rate=7999", "sample_rate=384001", "sample_rate=0", "sample_rate=-44100", "sample_rate=x", "sample_rate=44.1",
		"sample_rate=NaN", "sample_rate=99999999999999999999", "sample_rate=%00", "sample_rate=0x9000", "sample_rate=4_8000",
	} {
		v, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseRate(v); err == nil {
			t.Errorf("%q: %d, want an error", query, got)
		}
	}
}

func floats(values ...float32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func TestDecode(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, tc := range map[string]struct {
		msg   []byte
		limit int
		want  []float32
	}{
		"plain":     {floats(0, 0.5, -1, 1), 10, []float32{0, 0.5, -1, 1}},
		"too loud":  {floats(1.5, -3e38, 3e38), 10, []float32{1, -1, 1}},
		"no sound":  {floats(nan, inf, -inf), 10, []float32{0, 0, 0}},
		"remainder": {append(floats(0.25), 1, 2, 3), 10, []float32{0.25}},
		"too long":  {append(floats(1, 0.5, 0.25), 9), 2, []float32{0.5, 0.25}},
		"empty":     {nil, 10, []float32{}},
		"a byte":    {[]byte{1}, 10, []float32{}},
	} {
		if d := cmp.Diff(tc.want, decode(nil, tc.msg, tc.limit), cmpEmpty()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func cmpEmpty() cmp.Option {
	return cmp.Transformer("whole", func(s []float32) []float64 {
		out := make([]float64, len(s))
		for i, v := range s {
			out[i] = float64(v)
		}
		return out
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(floats(0, 1, -2, float32(math.NaN())), 3)
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7}, 0)
	f.Fuzz(func(t *testing.T, msg []byte, limit int) {
		limit = max(limit, 0)
		before := bytes.Clone(msg)
		got := decode(make([]float32, 0, 2), msg, limit)
		if !bytes.Equal(before, msg) {
			t.Fatal("the message was changed")
		}
		if len(got) != min(len(msg)/4, limit) {
			t.Fatalf("%d samples of %d bytes, limit %d", len(got), len(msg), limit)
		}
		whole := msg[:len(msg)/4*4]
		newest := whole[len(whole)-4*len(got):]
		for i, v := range got {
			if !(v >= -1 && v <= 1) {
				t.Fatalf("sample %d is %v", i, v)
			}
			raw := math.Float32frombits(binary.LittleEndian.Uint32(newest[4*i:]))
			if raw >= -1 && raw <= 1 && raw != v {
				t.Fatalf("sample %d is %v, was %v", i, v, raw)
			}
		}
	})
}

func FuzzParseRate(f *testing.F) {
	f.Add("sample_rate=48000")
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		if rate, err := parseRate(v); err == nil && (rate < minRate || rate > maxRate) {
			t.Fatalf("%q: rate %d", query, rate)
		}
	})
}
