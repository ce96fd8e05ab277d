package integration

import (
	"io"
	"net"
	"sync"
	"testing"
)

// cutter passes connections on, and can cut all of them at once.
type cutter struct {
	addr string

	mu    sync.Mutex // guards the following field
	conns map[net.Conn]struct{}
}

// cuttingProxy stands before an address until the test ends.
func cuttingProxy(t *testing.T, target string) *cutter {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{addr: ln.Addr().String(), conns: map[net.Conn]struct{}{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() { c.pass(in, target) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		c.all()
		running.Wait()
	})
	return c
}

func (c *cutter) pass(in net.Conn, target string) {
	out, err := net.Dial("tcp", target)
	if err != nil {
		in.Close()
		return
	}
	c.mu.Lock()
	c.conns[in], c.conns[out] = struct{}{}, struct{}{}
	c.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], way[0])
			in.Close()
			out.Close()
		})
	}
	both.Wait()
	c.mu.Lock()
	delete(c.conns, in)
	delete(c.conns, out)
	c.mu.Unlock()
}

// all cuts every connection without a word.
func (c *cutter) all() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		conn.Close()
	}
}
