package testkit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"sync"
	"testing"
	"time"
)

// Printout is a document as a browser gets it.
type Printout struct {
	Declared int64 // size that START told
	Size     int64
	SHA256   string
	Chunks   int
	Data     []byte    // when they are kept
	Started  time.Time // of START
	Ended    time.Time // of END
}

// Printouts is a viewer of the channel "printer" that puts documents together as KasmVNC's client does: START, CHUNKs, END.
type Printouts struct {
	Viewer
	KeepData bool          // keep the bytes of documents
	Slow     time.Duration // what one datagram takes

	mu      sync.Mutex // guards the following fields
	done    []Printout
	current *Printout
	sum     hash.Hash
	starts  int // with a size
	pokes   int // STARTs with size 0
	strange int // packets that are none, or out of place
	largest int // datagram
	times   []time.Time
}

// NewPrintouts is a viewer that is not subscribed yet.
func NewPrintouts() *Printouts {
	p := &Printouts{}
	p.Viewer = Viewer{Channel: "printer", Receive: p.Packet}
	return p
}

// WatchPrintouts subscribes a new viewer.
func WatchPrintouts(t testing.TB, x *Xvnc) *Printouts {
	t.Helper()
	p := NewPrintouts()
	if err := x.Subscribe(&p.Viewer); err != nil {
		t.Fatal(err)
	}
	return p
}

// Packet takes one datagram.
func (p *Printouts) Packet(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Slow > 0 {
		time.Sleep(p.Slow)
	}
	p.times = append(p.times, time.Now())
	p.largest = max(p.largest, len(b))
	switch {
	case len(b) == 8 && binary.BigEndian.Uint32(b) == 0:
		p.begin(int64(binary.BigEndian.Uint32(b[4:])))
	case len(b) >= 8 && binary.BigEndian.Uint32(b) == 1 && int(binary.BigEndian.Uint32(b[4:])) == len(b)-8 && p.current != nil:
		p.current.Chunks++
		p.current.Size += int64(len(b) - 8)
		p.sum.Write(b[8:])
		if p.KeepData {
			p.current.Data = append(p.current.Data, b[8:]...)
		}
	case len(b) == 4 && binary.BigEndian.Uint32(b) == 2 && p.current != nil:
		p.current.Ended = time.Now()
		p.current.SHA256 = hex.EncodeToString(p.sum.Sum(nil))
		p.done = append(p.done, *p.current)
		p.current = nil
	default:
		p.strange++
	}
}

func (p *Printouts) begin(size int64) {
	if size == 0 {
		p.pokes++
		return
	}
	p.starts++
	p.current, p.sum = &Printout{Declared: size, Started: time.Now()}, sha256.New()
}

// Done are the documents that have come to their end, in order.
func (p *Printouts) Done() []Printout {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Printout(nil), p.done...)
}

// Wait waits for n documents and returns them; more fail the test.
func (p *Printouts) Wait(t testing.TB, limit time.Duration, n int) []Printout {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("%d documents came, %d were waited for", len(p.Done()), n)
		}
	}()
	Eventually(t, limit, "the documents come", func() bool { return len(p.Done()) >= n })
	done := p.Done()
	if len(done) != n {
		t.Fatal("more documents came than were waited for")
	}
	return done
}

// Counts are the STARTs with a size, the pokes, the packets that were none, and the length of the longest datagram.
func (p *Printouts) Counts() (starts, pokes, strange, largest int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts, p.pokes, p.strange, p.largest
}

// Times are when every packet came.
func (p *Printouts) Times() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Time(nil), p.times...)
}

// Hurry ends what Slow began.
func (p *Printouts) Hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Slow = 0
}

// Progress is the number of bytes of the document that is coming now.
func (p *Printouts) Progress() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return 0
	}
	return p.current.Size
}
