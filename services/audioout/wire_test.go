package audioout

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// tsPacket is a packet of the PID whose payload is the bytes, padded by an adaptation field.
func tsPacket(pid uint16, start bool, payload []byte) []byte {
	b := bytes.Repeat([]byte{0xFF}, packetSize)
	b[0], b[1], b[2], b[3] = syncByte, byte(pid>>8), byte(pid), 0x30
	if start {
		b[1] |= 0x40
	}
	b[4] = byte(packetSize - 5 - len(payload))
	if b[4] > 0 {
		b[5] = 0
	}
	copy(b[packetSize-len(payload):], payload)
	return b
}

func patPacket(pmt uint16) []byte {
	return tsPacket(patPID, true, []byte{
		0, 0x00, 0xB0, 17, 0, 1, 0xC1, 0, 0, // pointer; table 0, 17 bytes follow; stream id, version, section numbers
		0, 0, 0xE0, 0x10, // network PID
		0, 1, 0xE0 | byte(pmt>>8), byte(pmt), // program 1
		1, 2, 3, 4, // CRC
	})
}

// audioPacket begins a PES packet of stream 0xC0 with the PTS.
func audioPacket(pid uint16, pts ticks) []byte {
	return tsPacket(pid, true, []byte{
		0, 0, 1, 0xC0, 0, 0, 0x80, 0x80, 5,
		0x21 | byte(pts>>29)&0x0E, byte(pts >> 22), byte(pts>>14) | 1, byte(pts >> 7), byte(pts<<1) | 1,
		0xFF, 0xFD, // MP2 sync word
	})
}

// tsStream is n frames of three packets each, 26 ms apart, with tables before the first.
func tsStream(n int) []byte {
	b := append(patPacket(0x1000), tsPacket(0x1000, true, []byte{0, 2, 0xB0, 18})...)
	for i := range n {
		b = append(b, audioPacket(0x100, ticks(90000+i*2351))...)
		for k := range 2 {
			b = append(b, tsPacket(0x100, false, bytes.Repeat([]byte{byte(i), byte(k)}, 90))...)
		}
	}
	return b
}

func TestPacketizerKeepsAlignedStreamWhateverTheReads(t *testing.T) {
	want := tsStream(20)
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		p := newPacketizer()
		var got []byte
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 1+rng.IntN(600))
			r := p.feed(rest[:n])
			if len(r.packets)%packetSize != 0 {
				t.Fatalf("seed %d: a run of %d bytes", seed, len(r.packets))
			}
			got = append(got, r.packets...)
			rest = rest[n:]
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("seed %d: got %d bytes that differ from the %d sent", seed, len(got), len(want))
		}
		if p.skipped != 0 {
			t.Fatalf("seed %d: skipped %d bytes", seed, p.skipped)
		}
	}
}

func TestPacketizerFindsPacketsAgain(t *testing.T) {
	stream := tsStream(4)
	garbage := bytes.Repeat([]byte{1, syncByte, 2}, 50)
	half := stream[packetSize*3 : packetSize*3+100]
	cases := map[string]struct{ in, want []byte }{
		"garbage first":       {append(bytes.Clone(garbage), stream...), stream},
		"garbage between":     {bytes.Join([][]byte{stream, garbage, stream}, nil), append(bytes.Clone(stream[:len(stream)-packetSize]), stream...)},
		"half a packet":       {bytes.Join([][]byte{stream, half, stream}, nil), append(bytes.Clone(stream), stream...)},
		"nothing but garbage": {bytes.Repeat([]byte("sound?"), 1000), nil},
		"half at the end":     {append(bytes.Clone(stream), half...), stream},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := newPacketizer().feed(c.in).packets; !bytes.Equal(got, c.want) {
				t.Errorf("got %d packets, want %d", len(got)/packetSize, len(c.want)/packetSize)
			}
		})
	}
}

func TestPacketizerRemembersTables(t *testing.T) {
	p := newPacketizer()
	p.feed(tsStream(1))
	if !bytes.Equal(p.pat, patPacket(0x1000)) {
		t.Errorf("PAT is % x", p.pat)
	}
	if len(p.pmt) != packetSize || p.pmtPID != 0x1000 {
		t.Errorf("PMT is % x, its PID %#x", p.pmt, p.pmtPID)
	}
}

func TestPacketizerReadsTimes(t *testing.T) {
	pcr := tsPacket(0x100, false, nil)
	pcr[4], pcr[5] = packetSize-5, 0x10
	copy(pcr[6:], []byte{0, 0, 0x2A, 0xF8, 0x80}) // base 0x55F1
	p := newPacketizer()
	if r := p.feed(pcr); r.clock != pcrClock || r.time != 0x55F1 {
		t.Errorf("PCR: %+v", r)
	}
	const last = 1<<ptsBits - 1
	for _, pts := range []ticks{0, 1, 90000, 0x123456789, last} {
		if r := p.feed(audioPacket(0x100, pts)); r.clock != audioClock || r.time != pts {
			t.Errorf("PTS %#x: read as %#x (clock %d)", pts, r.time, r.clock)
		}
	}
	if r := p.feed(pcr); r.clock != noClock {
		t.Errorf("a PCR is taken although the stream has audio time stamps: %+v", r)
	}
}

func TestSoundClock(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	steps := []struct {
		name string
		r    run
		now  time.Time
		want time.Duration
	}{
		{"first stamp", run{clock: audioClock, time: 1<<ptsBits - 900}, at(0), 0},
		{"wraps", run{clock: audioClock, time: 900}, at(time.Minute), 20 * time.Millisecond},
		{"tables only", run{}, at(time.Minute), 0},
		{"a pause is no sound", run{clock: audioClock, time: 900 + 90*90000}, at(time.Hour), 0},
		{"goes on", run{clock: audioClock, time: 1800 + 90*90000}, at(time.Hour), 10 * time.Millisecond},
		{"backwards", run{clock: audioClock, time: 0}, at(time.Hour), 0},
		{"another clock", run{clock: pcrClock, time: 900}, at(time.Hour), 0},
	}
	var c soundClock
	for _, s := range steps {
		if got := c.advance(s.r, s.now); got != s.want {
			t.Errorf("%s: %v, want %v", s.name, got, s.want)
		}
	}
	c = soundClock{}
	c.advance(run{}, at(0))
	if got := c.advance(run{}, at(30*time.Millisecond)); got != 30*time.Millisecond {
		t.Errorf("without stamps: %v, want the time that passed", got)
	}
}

func FuzzPacketizer(f *testing.F) {
	f.Add(tsStream(2), uint16(100))
	f.Add(append([]byte("GGGGG"), tsStream(2)...), uint16(1))
	f.Fuzz(func(t *testing.T, in []byte, step uint16) {
		p := newPacketizer()
		given := 0
		for rest := in; len(rest) > 0; {
			n := min(len(rest), int(step)+1)
			r := p.feed(rest[:n])
			if len(r.packets)%packetSize != 0 {
				t.Fatalf("a run of %d bytes", len(r.packets))
			}
			for q := r.packets; len(q) > 0; q = q[packetSize:] {
				if q[0] != syncByte {
					t.Fatal("a packet without sync byte")
				}
			}
			given += len(r.packets)
			rest = rest[n:]
			if len(p.buf) > 2*packetSize {
				t.Fatalf("%d bytes are held back", len(p.buf))
			}
		}
		if given+len(p.buf)+int(p.skipped) != len(in) {
			t.Fatalf("%d bytes given, %d held, %d skipped of %d", given, len(p.buf), p.skipped, len(in))
		}
	})
}
