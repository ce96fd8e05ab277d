package printer

import (
	"encoding/binary"
	"math"
)

// What KasmVNC's noVNC client takes on the channel "printer", one packet in one datagram, integers U32 big-endian
// (core/output/printer.js). Nothing comes back.
const (
	typeStart = 0 // type, total size of the document; the client does not check it
	typeChunk = 1 // type, size of the data, data
	typeEnd   = 2 // type; the client prints what it has
)

const (
	startLength = 8
	chunkHeader = 8
	endLength   = 4
)

// putStart writes a START packet. A size that does not fit into the field is given as the largest that does.
func putStart(packet *[startLength]byte, size int64) []byte {
	binary.BigEndian.PutUint32(packet[:], typeStart)
	binary.BigEndian.PutUint32(packet[4:], uint32(min(size, math.MaxUint32)))
	return packet[:]
}

// putChunk completes a CHUNK packet whose n bytes of data follow the header in packet.
func putChunk(packet []byte, n int) []byte {
	binary.BigEndian.PutUint32(packet, typeChunk)
	binary.BigEndian.PutUint32(packet[4:], uint32(n))
	return packet[:chunkHeader+n]
}

// putEnd writes an END packet.
func putEnd(packet *[endLength]byte) []byte {
	binary.BigEndian.PutUint32(packet[:], typeEnd)
	return packet[:]
}
