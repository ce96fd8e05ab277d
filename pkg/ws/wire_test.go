package ws_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
	"ghostaux/pkg/ws"
)

// numbered is a frame of 1000 bytes that begin with its number.
func numbered(i int) []byte {
	payload := binary.BigEndian.AppendUint32(nil, uint32(i))
	return ws.AppendFrame(nil, ws.Binary, append(payload, make([]byte, 996)...))
}

// fill sends numbered frames until one is not taken at once, and returns how many there were.
func fill(t *testing.T, c *ws.Conn) int {
	for i := 0; ; i++ {
		all, err := c.WriteFrames(numbered(i))
		if err != nil {
			t.Errorf("frame %d: %v", i, err)
			return i
		}
		if !all {
			return i + 1
		}
	}
}

// A peer that reads nothing makes no write of frames wait, and gets them all in order when it goes on, with the pong to
// a ping of its own among them.
func TestFramesWaitForNobody(t *testing.T) {
	sent, flushed := make(chan int), make(chan error, 1)
	_, srv := serve(t, ws.Options{Frames: true, SendBuffer: 16 << 10}, func(c *ws.Conn) {
		sent <- fill(t, c)
		flushed <- c.Flush()
		readAll(c)
	})
	peer := rawPeer(t, srv, "")
	if _, err := peer.Write([]byte{0x89, 0x84, 0, 0, 0, 0, 'p', 'i', 'n', 'g'}); err != nil {
		t.Fatal(err)
	}
	n := <-sent
	for i := range n {
		got := make([]byte, len(numbered(i)))
		if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, numbered(i)) {
			t.Fatalf("frame %d of %d: %x (%v)", i, n, got[:8], err)
		}
	}
	if err := <-flushed; err != nil {
		t.Errorf("Flush: %v", err)
	}
	pong := make([]byte, 6)
	if _, err := io.ReadFull(peer, pong); err != nil || string(pong) != "\x8a\x04ping" {
		t.Errorf("behind them %x (%v), want the pong", pong, err)
	}
}

// Who writes on and does not flush is stopped before much is kept.
func TestFramesKeepLittle(t *testing.T) {
	done := make(chan int)
	_, srv := serve(t, ws.Options{Frames: true, SendBuffer: 16 << 10}, func(c *ws.Conn) {
		n, more := fill(t, c), 0
		for ; ; more++ {
			if _, err := c.WriteFrames(numbered(n)); err != nil {
				break
			}
		}
		done <- more
	})
	rawPeer(t, srv, "")
	if more := <-done; more > 135 {
		t.Errorf("%d more frames of 1000 bytes were kept", more)
	}
}

// Whatever a peer does not read, Close ends in bounded time, and a Flush with it.
func TestBlockedFlushEnds(t *testing.T) {
	failed, took := make(chan error, 1), make(chan time.Duration, 1)
	_, srv := serve(t, ws.Options{Frames: true, SendBuffer: 4096}, func(c *ws.Conn) {
		var written atomic.Int64
		go func() {
			for {
				all, err := c.WriteFrames(numbered(0))
				if err == nil && !all {
					err = c.Flush()
				}
				if err != nil {
					failed <- err
					return
				}
				written.Add(1)
			}
		}()
		before := int64(-1)
		testkit.Eventually(t, 20*time.Second, "the buffers of both ends are full", func() bool {
			n := written.Load()
			stuck := n == before
			before = n
			return stuck
		})
		start := time.Now()
		c.Close(ws.GoingAway, "")
		took <- time.Since(start)
		if _, err := c.WriteFrames(numbered(0)); err == nil {
			t.Error("a frame was sent after the end")
		}
	})
	rawPeer(t, srv, "")
	if d := <-took; d > 10*time.Second {
		t.Errorf("closed after %v", d)
	}
	<-failed
}

// What a peer sends with its upgrade, before it has the answer, is not lost in the change of buffers.
func TestEarlyFrames(t *testing.T) {
	heard := make(chan []byte, 1)
	_, srv := serve(t, ws.Options{Frames: true}, func(c *ws.Conn) {
		_, msg, err := c.Read(nil)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		heard <- bytes.Clone(msg)
	})
	frame := append([]byte{0x82, 0x80 | 126, 0x03, 0xE8, 0, 0, 0, 0}, make([]byte, 1000)...)
	rawPeer(t, srv, "", frame...)
	if msg := <-heard; len(msg) != 1000 {
		t.Errorf("%d bytes, want 1000", len(msg))
	}
}
