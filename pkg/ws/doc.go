// Package ws is the only importer of the WebSocket library. It accepts sockets with the limits that
// every service wants, keeps them alive, notices peers that vanished, and closes all of them when
// the process stops, which net/http does not do for hijacked connections.
//
// A handler's use of it:
//
//	conn, err := sockets.Accept(w, r, ws.Options{ReadLimit: 1 << 20})
//	if err != nil {
//		return // answered already
//	}
//	defer conn.Release()
//	for {
//		typ, msg, err := conn.Read(buf)
//		...
//	}
//
// Invariants:
//   - somebody always reads: pings, pongs and close frames are only handled inside Read;
//   - reads and writes take no context, which would cost an allocation each: Release, Close and the
//     keep-alive end them by closing the connection;
//   - Release returns only when nothing of the socket is left running.
package ws
