package ws

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
)

// smallBuffer is enough for the control frames that are all that the library reads and writes of a socket with
// Options.Frames. net/http's own are 4 KiB each, half of what such a socket would keep.
const smallBuffer = 256

// framed is a ResponseWriter whose connection is taken over as Options.Frames wants it.
type framed struct {
	http.ResponseWriter
	wire *Wire
}

// Hijack implements http.Hijacker. What the peer has sent already is in the new buffer: the library looks there for it.
func (f framed) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(f.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, _ := rw.Reader.Peek(rw.Reader.Buffered())
	br := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(early), conn), max(smallBuffer, len(early)))
	_, _ = br.Peek(len(early))
	waiting := waiting{Conn: conn, wire: f.wire}
	return waiting, bufio.NewReadWriter(br, bufio.NewWriterSize(waiting, smallBuffer)), nil
}

// waiting is an eager connection for the library, whose writes are few and may wait.
type waiting struct {
	net.Conn
	wire *Wire
}

// Write blocks until the peer has taken b.
func (w waiting) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	if err == nil {
		err = w.wire.drain()
	}
	return n, err
}
