package gamepad

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/metrics"
)

// BenchmarkDecode is one state row, as the client sends it.
func BenchmarkDecode(b *testing.B) {
	msg := []byte("[" + rowText(map[int]string{1: "-12345", 2: "32767", 3: "-1", 11: "0.3137254901960784"}) + "]")
	var m message
	b.ReportAllocs()
	for b.Loop() {
		if decode(msg, &m) != nil {
			b.Fatal("refused")
		}
	}
}

// nullNode takes every write.
type nullNode struct{ fakeNode }

func (*nullNode) Write(b []byte) (int, error) { return len(b), nil }

// rowRig has one peer and one open pad, without sockets and kernel.
func rowRig(t testing.TB) *peer {
	s := &Service{config: config(), board: newBoard(), count: newCounters(metrics.New())}
	r := &run{service: s, maker: newFakeMaker(), open: 1}
	r.pads[0].device = &uinputPad{nodePad: nodePad{node: &nullNode{}, outputs: &xbox360Profile().layout}}
	s.board.writer.Store(r)
	p := newPeer(s.board, &s.count)
	s.board.join(p)
	t.Cleanup(func() {
		if rows, frames := s.count.rows.Get(), s.count.frames.Get(); rows != frames {
			t.Errorf("%v rows made %v frames", rows, frames)
		}
	})
	return p
}

// BenchmarkRow is the way of one state row from the message to the frame, without socket and kernel.
func BenchmarkRow(b *testing.B) {
	var msgs [64][]byte
	for i := range msgs {
		msgs[i] = []byte("[" + rowText(map[int]string{1: fmt.Sprint(i * 500), 2: fmt.Sprint(-i * 500), 5: fmt.Sprint(i % 2), 11: fmt.Sprint(float64(i) / 64)}) + "]")
	}
	p := rowRig(b)
	var m message
	i := 1 // the first message is that of a pad at rest, which has nothing to write
	b.ReportAllocs()
	for b.Loop() {
		now := time.Now()
		p.hear(now)
		if decode(msgs[i%len(msgs)], &m) != nil {
			b.Fatal("refused")
		}
		p.apply(&m, now)
		i++
	}
}

func TestRowDoesNotAllocate(t *testing.T) {
	p := rowRig(t)
	msgs := [][]byte{[]byte(held(0)), []byte(neutral(0))}
	var m message
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		if decode(msgs[i%2], &m) != nil {
			t.Fatal("refused")
		}
		p.apply(&m, time.Now())
		i++
	}); n > 0 {
		t.Errorf("%v allocations a row", n)
	}
}

// BenchmarkUnderFlood is how long a player's row takes from the socket's write to the pad, over TLS on loopback, at 50 Hz
// while another peer sends 10000 messages a second (or as many as it is let).
func BenchmarkUnderFlood(b *testing.B) {
	for _, rate := range []int{0, 10000} {
		b.Run(fmt.Sprintf("%d", rate), func(b *testing.B) {
			r := start(b, config(), newFakeMaker())
			player := r.join(b)
			send(b, player, neutral(0))
			eventually(b, "a pad", func() bool { return r.maker.pad(0) != nil })
			ctx, stop := context.WithCancel(context.Background())
			var flooding sync.WaitGroup
			if rate > 0 {
				flooder := r.join(b)
				flooding.Go(func() { flood(ctx, flooder, rate) })
			}
			var delays []time.Duration
			for b.Loop() {
				delays = append(delays, r.delay(b, player, len(delays)%2 == 0))
				time.Sleep(20 * time.Millisecond)
			}
			stop()
			flooding.Wait()
			slices.Sort(delays)
			b.ReportMetric(float64(delays[len(delays)/2].Microseconds()), "median-us")
			b.ReportMetric(float64(delays[len(delays)*99/100].Microseconds()), "p99-us")
			b.ReportMetric(float64(delays[len(delays)-1].Microseconds()), "max-us")
			b.ReportMetric(float64(r.service.count.rows.Get()), "rows-taken")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// delay presses or releases A and waits until the pad has it.
func (r *rig) delay(b *testing.B, player *websocket.Conn, press bool) time.Duration {
	msg, begin := neutral(0), time.Now()
	if press {
		msg = held(0)
	}
	send(b, player, msg)
	for r.maker.pad(0).key(btnA) != press {
		runtime.Gosched()
	}
	return time.Since(begin)
}

// flood sends rows in bursts every ms until ctx ends or it is closed.
func flood(ctx context.Context, conn *websocket.Conn, rate int) {
	msgs := [2][]byte{[]byte(held(3)), []byte(neutral(3))}
	for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
		for i := range rate / 1000 {
			if conn.Write(ctx, websocket.MessageText, msgs[i%2]) != nil {
				tick.Stop()
				return
			}
		}
	}
}
