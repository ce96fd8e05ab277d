package audioin

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/url"
	"strconv"
)

// Sample rates that PulseAudio can play, in samples/s, and the one of a peer that does not name its own.
const (
	minRate     = 8000
	maxRate     = 384000
	defaultRate = 44100
)

// maxMessage is the largest message, in bytes. A ScriptProcessor sends 8 KiB, and 64 KiB at its most.
const maxMessage = 1 << 20

// sampleBytes is the size of a float32.
const sampleBytes = 4

// parseRate reads the peer's sample rate from its query: sample_rate=48000, as AudioContext.sampleRate prints it.
func parseRate(query url.Values) (int, error) {
	s := query.Get("sample_rate")
	if s == "" {
		return defaultRate, nil
	}
	rate, err := strconv.ParseUint(s, 10, 32)
	if err != nil || rate < minRate || rate > maxRate {
		return 0, fmt.Errorf("sample_rate %.20q: want a whole number of samples per second from %d to %d", s, minRate, maxRate)
	}
	return int(rate), nil
}

// decode reads a message, float32 little endian mono, into dst, which is grown when it is too small, and returns the
// part that was filled. It keeps the newest limit samples. What is no sound becomes silence, what is too loud is
// clamped to -1 and 1, and bytes at the end that are no whole sample are ignored: the next message starts anew.
func decode(dst []float32, msg []byte, limit int) []float32 {
	n := len(msg) / sampleBytes
	msg = msg[:n*sampleBytes]
	if n > limit {
		msg = msg[(n-limit)*sampleBytes:]
		n = limit
	}
	if cap(dst) < n {
		dst = make([]float32, n)
	}
	dst = dst[:n]
	for i := range dst {
		dst[i] = clean(math.Float32frombits(binary.LittleEndian.Uint32(msg[i*sampleBytes:])))
	}
	return dst
}

func clean(v float32) float32 {
	switch {
	case v >= -1 && v <= 1:
		return v
	case v > 1 && v <= math.MaxFloat32:
		return 1
	case v < -1 && v >= -math.MaxFloat32:
		return -1
	}
	return 0 // NaN and the infinities
}
