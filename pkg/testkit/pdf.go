package testkit

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// PDF is size bytes that begin and end as a PDF does; its middle comes from the seed. Below 64 bytes there is no room, and it is none.
// Two of one size have their startxref at the same place, with the same value.
func PDF(size int, seed uint64) []byte {
	head := []byte("%PDF-1.4\n%")
	tail := fmt.Appendf(nil, "\nxref\n0 0\ntrailer <<>>\nstartxref\n%d\n%%%%EOF\n", max(size-60, 0))
	if size < 80 {
		return bytes.Repeat([]byte("%"), size)
	}
	b := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(seed >> 24)})
	_, _ = source.Read(b)
	copy(b, head)
	copy(b[size-len(tail):], tail)
	return b
}
