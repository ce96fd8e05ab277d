package upload

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRangesAgainstBitmap compares random additions with a plain list of booleans.
func TestRangesAgainstBitmap(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		size := rng.IntN(60)
		bitmap := make([]bool, size)
		var r ranges
		for range rng.IntN(25) {
			from := rng.IntN(size + 1)
			to := from + rng.IntN(size-from+1)
			r.add(int64(from), int64(to))
			for i := from; i < to; i++ {
				bitmap[i] = true
			}
			check(t, r, bitmap)
		}
	}
}

func check(t *testing.T, r ranges, bitmap []bool) {
	t.Helper()
	got := make([]bool, len(bitmap))
	last := int64(-1)
	for _, s := range r {
		if s.from >= s.to || s.from <= last {
			t.Fatalf("not sorted and apart: %v", r)
		}
		last = s.to
		for i := s.from; i < s.to; i++ {
			got[i] = true
		}
	}
	if !slices.Equal(got, bitmap) {
		t.Fatalf("ranges %v, want %v", r, bitmap)
	}
	if want := !slices.Contains(bitmap, false); r.cover(int64(len(bitmap))) != want {
		t.Fatalf("cover of %v is %v", r, !want)
	}
	prefix := slices.Index(bitmap, false)
	if prefix < 0 {
		prefix = len(bitmap)
	}
	if r.prefix() != int64(prefix) {
		t.Fatalf("prefix of %v is %d, want %d", r, r.prefix(), prefix)
	}
	if n := len(bitmap) - len(slices.DeleteFunc(slices.Clone(bitmap), func(b bool) bool { return b })); r.bytes() != int64(n) {
		t.Fatalf("bytes of %v is %d, want %d", r, r.bytes(), n)
	}
}
