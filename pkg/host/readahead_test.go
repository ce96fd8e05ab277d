package host

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// pair is a connection as a listener of ours accepts it, and its peer.
func pair(t *testing.T, b *blocks) (accepted *limitedConn, peer net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if peer, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	c, err := (&limitedListener{Listener: ln, free: make(chan struct{}, 1), blocks: b}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		_ = peer.Close()
		if n := b.lent.Load(); n != 0 {
			t.Errorf("%d blocks are lent at the end", n)
		}
	})
	return c.(*limitedConn), peer
}

// Whatever the sizes of the reads, and with or without a block to be had, the bytes are those that were sent.
func TestReadAhead(t *testing.T) {
	for _, most := range []int32{0, 1, 8} {
		for _, size := range []int{500, 4 << 10, 17 << 10, 70 << 10, blockSize, 2 * blockSize} {
			sent := make([]byte, 300<<10+min(size, 2000)*100)
			_, _ = rand.NewChaCha8([32]byte{byte(most), byte(size)}).Read(sent)
			b := newBlocks()
			b.most = most
			c, peer := pair(t, b)
			go func() {
				for piece := range slices.Chunk(sent, 50_000) {
					_, _ = peer.Write(piece)
				}
				_ = peer.Close()
			}()
			var got bytes.Buffer
			for n := 0; ; n++ {
				p := make([]byte, size)
				if n%3 == 0 {
					p = make([]byte, 8<<10) // one that can be full
				}
				m, err := c.Read(p)
				got.Write(p[:m])
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got.Bytes(), sent) {
				t.Fatalf("most %d, size %d: %d bytes came, %d were sent", most, size, got.Len(), len(sent))
			}
		}
	}
}

// A connection that waits holds no block, and its deadline and its end reach it.
func TestReadAheadWaits(t *testing.T) {
	b := newBlocks()
	c, peer := pair(t, b)
	if _, err := peer.Write(make([]byte, 8<<10)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 4<<10)); err != nil { // full: from now on by blocks
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 4<<10)); err != nil {
		t.Fatal(err)
	}
	c.in.more = true
	if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read(make([]byte, 100))
	if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "read" || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("after the deadline: %v", err)
	}
	if n := b.lent.Load(); n != 0 {
		t.Errorf("%d blocks are lent while it waits", n)
	}
	_ = c.SetReadDeadline(time.Time{})
	if n, err := c.Read(nil); n != 0 || err != nil {
		t.Errorf("nothing wanted: %d, %v", n, err)
	}
	ended := make(chan error, 1)
	read := func() {
		_, err := c.Read(make([]byte, 100))
		ended <- err
	}
	go read()
	testkit.Eventually(t, 10*time.Second, "it waits", func() bool {
		if c.in.mu.TryLock() {
			c.in.mu.Unlock()
			return false
		}
		return true
	})
	b.lent.Add(b.most) // others take all of them meanwhile
	if _, err := peer.Write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("without a block: %v", err)
	}
	b.lent.Add(-b.most)
	go read()
	_ = c.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Close gives back what was read ahead and not taken.
func TestReadAheadClosedWithABlock(t *testing.T) {
	b := newBlocks()
	c, peer := pair(t, b)
	if _, err := peer.Write(make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := io.ReadFull(c, make([]byte, 4<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.lent.Load(); n != 1 {
		t.Fatalf("%d blocks are lent", n)
	}
	_ = c.Close()
	if n := b.lent.Load(); n != 0 {
		t.Errorf("%d blocks are lent after Close", n)
	}
}
