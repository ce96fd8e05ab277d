package main

import "testing"

func TestReadOnly(t *testing.T) {
	for line, want := range map[string]bool{
		"00400000-00a3c000 r-xp 00000000 fe:00 1234                               /usr/bin/ghostaux": true,
		"00a3c000-01000000 r--p 0063c000 fe:00 1234                               /usr/bin/ghostaux": true,
		"01000000-01100000 rw-p 00c00000 fe:00 1234                               /usr/bin/ghostaux": false, // the changes would be lost
		"7f0000000000-7f0000001000 r-xp 00000000 fe:00 99                         /usr/lib/other.so": false,
		"c000000000-c000400000 rw-p 00000000 00:00 0":                                                false,
		"": false,
	} {
		start, end, ok := readOnly(line, "/usr/bin/ghostaux")
		if ok != want || ok && start >= end {
			t.Errorf("%q: %x-%x %v, want %v", line, start, end, ok, want)
		}
	}
}
