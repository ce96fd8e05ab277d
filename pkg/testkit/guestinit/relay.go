package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"
)

// relay is the least that a gamepad service can do, to compare with: it takes one TCP connection, and for each byte that it
// reads it writes a frame to a device that make has made, an axis, a key and SYN_REPORT. When the connection ends it
// answers with the nanoseconds that each byte took, from the end of the read to the end of the write.
func (h *hosts) relay(in struct {
	Node      string
	Port      int
	Axis, Key uint16
},
) (any, error) {
	h.mu.Lock()
	f := h.nodes[in.Node]
	h.mu.Unlock()
	if f == nil {
		return nil, fmt.Errorf("no device %s was made", in.Node)
	}
	ln, err := net.Listen("tcp", fmt.Sprintf(":%d", in.Port))
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	conn, err := ln.Accept()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var took []time.Duration
	for b, n := make([]byte, 1), int32(0); ; n++ {
		if _, err := conn.Read(b); err != nil {
			return took, nil
		}
		begin := time.Now()
		if _, err := f.Write(frameOf(in.Axis, in.Key, n)); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin))
	}
}

// frameOf is three struct input_event of 24 bytes: time 16, type 2, code 2, value 4.
func frameOf(axis, key uint16, n int32) []byte {
	frame := make([]byte, 72)
	for i, e := range []event{{Type: 3, Code: int(axis), Value: n%30000 + 1}, {Type: 1, Code: int(key), Value: n % 2}} {
		binary.NativeEndian.PutUint16(frame[24*i+16:], uint16(e.Type))
		binary.NativeEndian.PutUint16(frame[24*i+18:], uint16(e.Code))
		binary.NativeEndian.PutUint32(frame[24*i+20:], uint32(e.Value))
	}
	return frame
}
