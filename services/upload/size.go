package upload

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes as people write it: 500M, 2GiB, 1048576. The letters K, M, G, T are powers of 1024.
type Size int64

// UnmarshalText reads what a flag or the environment says.
func (s *Size) UnmarshalText(text []byte) error {
	t := strings.ToUpper(strings.TrimSpace(string(text)))
	t = strings.TrimSuffix(strings.TrimSuffix(t, "B"), "I")
	shift := 0
	if t != "" {
		if i := strings.IndexByte("KMGT", t[len(t)-1]); i >= 0 {
			shift, t = 10*(i+1), strings.TrimSpace(t[:len(t)-1])
		}
	}
	n, err := strconv.ParseInt(t, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return fmt.Errorf("%q is not a size such as 500M, 2G or 0", text)
	}
	*s = Size(n << shift)
	return nil
}

// String writes the size for people: at most one decimal, in the largest unit that it fills.
func (s Size) String() string {
	if s < 1024 {
		return strconv.FormatInt(int64(s), 10) + " bytes"
	}
	value, unit := float64(s), -1
	for value >= 1024 && unit < 3 {
		value /= 1024
		unit++
	}
	return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0") + " " + "KMGT"[unit:unit+1] + "iB"
}
