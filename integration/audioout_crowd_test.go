package integration

import (
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// publishFor sends frames in real time and returns the checksum and the number of the bytes sent.
func publishFor(t *testing.T, ingest string, d time.Duration) (sum uint32, n int) {
	t.Helper()
	body, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		resp, err := http.Post("http://"+ingest+"/kasmaudio", "", body)
		if err != nil {
			t.Errorf("publish: %v", err)
			return
		}
		resp.Body.Close()
	}()
	tick := time.NewTicker(frameInterval)
	defer tick.Stop()
	for id := 1; id <= int(d/frameInterval); id++ {
		<-tick.C
		frame := benchFrame(uint32(id), id%3)
		if _, err := w.Write(frame); err != nil {
			t.Fatalf("publish: %v", err)
		}
		sum, n = crc32.Update(sum, crc32.IEEETable, frame), n+len(frame)
	}
	_ = w.Close()
	<-done
	return sum, n
}

func TestAudioOutHundredPlayersAndAStalledOne(t *testing.T) {
	g := testkit.StartGhostaux(t, "--only", "audioout", "--audioout-source", "ingest")
	addr := g.Addr(t, "audioout")
	dialRaw(t, addr, "/", net.Dialer{}) // never reads
	players := make([]*rawPeer, 100)
	for i := range players {
		players[i] = dialRaw(t, addr, "/", net.Dialer{})
	}
	testkit.Eventually(t, 10*time.Second, "all have joined", func() bool { return len(audioReport(t, g).Players) == 101 })

	type heard struct {
		sum uint32
		n   int
	}
	got := make([]heard, len(players))
	var listening sync.WaitGroup
	for i, p := range players {
		listening.Go(func() {
			for {
				msg, err := p.next()
				if err != nil {
					return
				}
				got[i] = heard{crc32.Update(got[i].sum, crc32.IEEETable, msg), got[i].n + len(msg)}
			}
		})
	}
	before := residentBytes(t, g.Cmd.Process.Pid)
	sum, n := publishFor(t, g.Addr(t, "audioout/ingest"), 20*time.Second)
	after := residentBytes(t, g.Cmd.Process.Pid)
	report := audioReport(t, g)
	if code := g.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	listening.Wait()
	for i, h := range got {
		if h != (heard{sum, n}) {
			t.Errorf("player %d got %d of %d bytes, or other ones", i, h.n, n)
		}
	}
	behind := 0
	for _, p := range report.Players {
		if p.LagMS > 1000 {
			behind++
		}
		if p.DroppedPackets > 0 {
			t.Errorf("packets were dropped for %s", p.Addr)
		}
	}
	if behind != 1 {
		t.Errorf("%d players are behind, want only the stalled one", behind)
	}
	t.Logf("each of 100 players got %d bytes; resident memory grew from %d to %d KiB", n, before>>10, after>>10)
}
