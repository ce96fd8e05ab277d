// Package pulse is a small client of PulseAudio's native protocol, for servers from 4.0 on and for
// PipeWire's pulse server. It stands on the proto package of github.com/jfreymuth/pulse, which encodes
// and decodes the packets, and adds what a daemon needs: every request and every write has a deadline,
// a server that goes away is noticed at once and is the same error everywhere, a stream that the server
// ends is reported, and a panic while a packet is handled ends the connection and not the process.
//
// What the proto package cannot do, and how this package keeps it from happening:
//   - a request of more than 1024 bytes panics while it is encoded: long strings are refused before;
//   - only io.EOF is reported by its reader: every read error is turned into io.EOF;
//   - write errors are dropped: a failed write closes the connection;
//   - a string of more than 1024 bytes in a reply loses the reader its place. Module arguments can be as
//     long as that, names cannot: modules are never listed, their objects are found by name.
//
// One Client is one connection. A slow or dead stream can only delay its own connection.
package pulse
