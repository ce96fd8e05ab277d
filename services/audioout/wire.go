package audioout

import "encoding/binary"

// MPEG transport stream, ISO/IEC 13818-1 section 2.4.3.
const (
	packetSize = 188  // bytes of a TS packet
	syncByte   = 0x47 // its first byte

	patPID  = 0x0000
	noPID   = 0x2000 // one more than the largest PID of 13 bits
	patID   = 0x00   // table_id of a program association section
	ptsBits = 33
)

// clockKind is what a stream's time is read from, the better the larger.
type clockKind uint8

const (
	noClock    clockKind = iota
	pcrClock             // program clock reference, adaptation field
	audioClock           // presentation time stamp of an audio PES packet
)

// ticks is a time of the stream in 90 kHz, of 33 bits.
type ticks uint64

// run is what one burst of the publisher holds: whole packets, and the last time stamp among them.
type run struct {
	packets []byte // valid until the next feed
	clock   clockKind
	time    ticks
}

// packetizer cuts what one publisher sends into runs of whole TS packets. It finds the packets again after garbage, and
// remembers the tables that a player needs who comes later. One is made for each publisher, so that half a packet of
// the old one is never joined to the new one's first bytes.
type packetizer struct {
	buf    []byte // received and not yet given out; at most two packets between calls
	out    []byte
	locked bool // the next packet begins at buf[0]
	pmtPID uint16
	pat    []byte // the latest packet with a whole PAT; nil before
	pmt    []byte // the latest packet with the PMT of its first program
	clock  clockKind

	skipped uint64 // bytes that belonged to no packet
}

func newPacketizer() *packetizer {
	return &packetizer{locked: true, pmtPID: noPID} // ffmpeg begins with a whole packet
}

// feed takes the next bytes and returns the packets that are now whole.
func (p *packetizer) feed(b []byte) run {
	p.buf = append(p.buf, b...)
	p.out = p.out[:0]
	r := run{}
	i := 0
	for {
		if !p.locked {
			i += p.resync(p.buf[i:])
		}
		if len(p.buf)-i < packetSize || !p.locked {
			break
		}
		if !p.whole(i) {
			p.locked = false
			p.skipped++
			i++
			continue
		}
		packet := p.buf[i : i+packetSize]
		p.inspect(packet, &r)
		p.out = append(p.out, packet...)
		i += packetSize
	}
	p.buf = p.buf[:copy(p.buf, p.buf[i:])]
	r.packets = p.out
	return r
}

// whole reports whether a packet lies at buf[i]. A packet whose follower has come and has no sync byte lost or
// won bytes on its way.
func (p *packetizer) whole(i int) bool {
	next := i + packetSize
	return p.buf[i] == syncByte && (next >= len(p.buf) || p.buf[next] == syncByte)
}

// resync returns how many bytes precede the next packet, and locks when it is sure of it: a sync byte one packet
// before another.
func (p *packetizer) resync(b []byte) int {
	for i, c := range b {
		if c != syncByte {
			continue
		}
		if i+packetSize >= len(b) {
			p.skipped += uint64(i)
			return i // undecided until more has come
		}
		if b[i+packetSize] == syncByte {
			p.locked = true
			p.skipped += uint64(i)
			return i
		}
	}
	p.skipped += uint64(len(b))
	return len(b)
}

// inspect takes from one packet what later players and the clock need.
func (p *packetizer) inspect(packet []byte, r *run) {
	pid := binary.BigEndian.Uint16(packet[1:]) & 0x1FFF
	start := packet[1]&0x40 != 0 // payload_unit_start_indicator
	payload, pcr, hasPCR := split(packet)
	switch {
	case pid == patPID && start:
		if id, ok := programMap(payload); ok {
			p.pmtPID = id
			p.pat = append(p.pat[:0], packet...)
		}
	case pid == p.pmtPID && start:
		p.pmt = append(p.pmt[:0], packet...)
	case start:
		if pts, ok := audioPTS(payload); ok {
			p.clock = audioClock
			r.clock, r.time = audioClock, pts
		}
	}
	if hasPCR && p.clock <= pcrClock {
		p.clock = pcrClock
		r.clock, r.time = pcrClock, pcr
	}
}

// split returns the payload of a packet and its PCR, if it has them.
func split(packet []byte) (payload []byte, pcr ticks, hasPCR bool) {
	control := packet[3] >> 4 & 3 // adaptation_field_control: 1 payload, 2 adaptation field, 3 both
	i := 4
	if control&2 != 0 {
		length := int(packet[4])
		if length > packetSize-5 {
			return nil, 0, false
		}
		if length >= 7 && packet[5]&0x10 != 0 {
			pcr = ticks(binary.BigEndian.Uint32(packet[6:]))<<1 | ticks(packet[10]>>7)
			hasPCR = true
		}
		i = 5 + length
	}
	if control&1 == 0 {
		return nil, pcr, hasPCR
	}
	return packet[i:], pcr, hasPCR
}

// programMap returns the PID of the first program's PMT in a PAT section, 2.4.4.3.
func programMap(payload []byte) (uint16, bool) {
	if len(payload) < 1 || 1+int(payload[0]) >= len(payload) {
		return 0, false
	}
	section := payload[1+int(payload[0]):] // after pointer_field
	if len(section) < 8 || section[0] != patID {
		return 0, false
	}
	length := int(binary.BigEndian.Uint16(section[1:]) & 0x0FFF) // of what follows, with 4 bytes of CRC
	if length < 9 || 3+length > len(section) {
		return 0, false
	}
	for programs := section[8 : 3+length-4]; len(programs) >= 4; programs = programs[4:] {
		if binary.BigEndian.Uint16(programs) != 0 { // 0 is the network PID
			return binary.BigEndian.Uint16(programs[2:]) & 0x1FFF, true
		}
	}
	return 0, false
}

// audioPTS returns the PTS of a PES packet of an audio stream (0xC0 to 0xDF), 2.4.3.6.
func audioPTS(payload []byte) (ticks, bool) {
	if len(payload) < 14 || payload[0] != 0 || payload[1] != 0 || payload[2] != 1 || payload[3]&0xE0 != 0xC0 {
		return 0, false
	}
	if payload[7]&0x80 == 0 {
		return 0, false
	}
	b := payload[9:14]
	return ticks(b[0]>>1&7)<<30 | ticks(b[1])<<22 | ticks(b[2]>>1)<<15 | ticks(b[3])<<7 | ticks(b[4]>>1), true
}
