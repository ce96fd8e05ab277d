package integration

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/jfreymuth/pulse/proto"

	"ghostaux/pkg/testkit"
)

// impulse is one millisecond of loud sound at 48000 samples/s.
const (
	impulseRate = 48000
	impulse     = impulseRate / 1000
	impulses    = 40
)

// arrival is when the recorder heard an impulse after the given sample. It reports false when it was lost, since
// PulseAudio ran dry on a busy machine.
func arrival(b *testing.B, rec *testkit.Recorder, from int) (time.Time, bool) {
	b.Helper()
	_ = rec.Next(b, 250*time.Millisecond)
	for i, v := range rec.From(from) {
		if math.Abs(float64(v)) > 0.3 {
			return rec.When(from + i), true
		}
	}
	return time.Time{}, false
}

// measureDelays has impulses sent and reports how long they took. Send returns when one has been sent.
func measureDelays(b *testing.B, rec *testkit.Recorder, send func() time.Time) {
	for b.Loop() {
		var delays []time.Duration
		for range impulses {
			from := rec.Len()
			sent := send()
			if heard, ok := arrival(b, rec, from); ok {
				delays = append(delays, heard.Sub(sent))
			}
		}
		if len(delays) < impulses/2 {
			b.Fatalf("only %d of %d impulses were heard", len(delays), impulses)
		}
		b.ReportMetric(float64(impulses-len(delays)), "lost")
		reportDelays(b, delays)
	}
}

func reportDelays(b *testing.B, delays []time.Duration) {
	slices.Sort(delays)
	ms := func(q float64) float64 { return float64(delays[int(q*float64(len(delays)-1))].Microseconds()) / 1000 }
	b.ReportMetric(ms(0.5), "ms-median")
	b.ReportMetric(ms(0), "ms-min")
	b.ReportMetric(ms(0.95), "ms-p95")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkAudioInFloor is PulseAudio alone: an impulse that a stream pulls, until parec has it.
func BenchmarkAudioInFloor(b *testing.B) {
	for _, asked := range []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond} {
		b.Run(asked.String(), func(b *testing.B) {
			p := testkit.StartPulse(b, "module-null-sink sink_name=out norewinds=1 format=float32le rate=48000 channels=1",
				"module-remap-source source_name=mic master=out.monitor channels=1")
			var wanted atomic.Bool
			sent := make(chan time.Time, 1)
			pullStream(b, p, asked, func(buf []byte) {
				if wanted.CompareAndSwap(true, false) {
					loud(buf[:min(4*impulse, len(buf))])
					sent <- time.Now()
				}
			})
			rec := p.Record(b, "mic", impulseRate)
			_ = rec.Next(b, time.Second)
			measureDelays(b, rec, func() time.Time {
				wanted.Store(true)
				return <-sent
			})
		})
	}
}

// pullStream is an ordinary playback stream to the sink "out" with that latency: what PulseAudio asks for is filled, in
// silence, and sent at once.
func pullStream(b *testing.B, p *testkit.Pulse, latency time.Duration, fill func([]byte)) {
	b.Helper()
	client, conn, err := proto.Connect(p.Server)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	var opened sync.Mutex
	var stream uint32
	send := func(n uint32) {
		buf := make([]byte, n)
		fill(buf)
		_ = client.Send(stream, buf)
	}
	client.Callback = func(message any) {
		if m, ok := message.(*proto.Request); ok {
			opened.Lock()
			defer opened.Unlock()
			send(m.Length)
		}
	}
	if err := client.Request(&proto.SetClientName{Props: proto.PropList{}}, &proto.SetClientNameReply{}); err != nil {
		b.Fatal(err)
	}
	target := uint32(latency.Seconds()*impulseRate) * 4
	opened.Lock() // what is asked for waits for the number of the stream
	defer opened.Unlock()
	var reply proto.CreatePlaybackStreamReply
	err = client.Request(&proto.CreatePlaybackStream{
		SampleSpec: proto.SampleSpec{Format: proto.FormatFloat32LE, Channels: 1, Rate: impulseRate},
		ChannelMap: proto.ChannelMap{proto.ChannelMono}, SinkIndex: proto.Undefined, SinkName: "out",
		BufferMaxLength: proto.Undefined, BufferTargetLength: target, BufferMinimumRequest: target / 24 * 4,
		ChannelVolumes: proto.ChannelVolumes{uint32(proto.VolumeNorm)}, AdjustLatency: true, Properties: proto.PropList{},
	}, &reply)
	if err != nil {
		b.Fatal(err)
	}
	stream = reply.StreamIndex
	send(reply.Missing)
}

func loud(buf []byte) {
	for i := 0; i+4 <= len(buf); i += 4 {
		binary.LittleEndian.PutUint32(buf[i:], math.Float32bits(0.9))
	}
}

// BenchmarkAudioInLatency is from the last byte of a message, written to the socket, until parec has the impulse. Its
// place in the message matters: the end of a message waits for its beginning to be played.
func BenchmarkAudioInLatency(b *testing.B) {
	for _, latency := range []string{"20ms", "40ms"} {
		for _, size := range []int{128, 480, 2048} {
			for _, place := range []string{"begin", "end"} {
				b.Run(fmt.Sprintf("%s/%d/%s", latency, size, place), func(b *testing.B) {
					benchmarkLatency(b, latency, size, place == "end")
				})
			}
		}
	}
}

func benchmarkLatency(b *testing.B, latency string, size int, atEnd bool) {
	p := testkit.StartPulse(b)
	g := startAudioIn(b, p, "--audioin-latency", latency)
	conn := dialRaw(b, g.Addr(b, "audioin"), "/?sample_rate="+strconv.Itoa(impulseRate), net.Dialer{})
	plain, marked := make([]byte, 4*size), make([]byte, 4*size)
	mark := marked[:min(4*impulse, len(marked))]
	if atEnd {
		mark = marked[len(marked)-len(mark):]
	}
	loud(mark)
	var wanted atomic.Bool
	sent := make(chan time.Time, 1)
	stop := pace(b, time.Duration(size)*time.Second/impulseRate, func() bool {
		if !wanted.CompareAndSwap(true, false) {
			return conn.send(plain) == nil
		}
		err := conn.send(marked)
		sent <- time.Now()
		return err == nil
	})
	defer stop()
	rec := p.Record(b, "ghostaux_mic", impulseRate)
	_ = rec.Next(b, 6*time.Second) // what piled up at the start is worked off by then
	measureDelays(b, rec, func() time.Time {
		wanted.Store(true)
		return <-sent
	})
	if peers := microphoneReport(b, g).Peers; len(peers) == 1 {
		b.ReportMetric(peers[0].TargetMS, "ms-margin")
		b.ReportMetric(float64(peers[0].Underruns), "gaps")
	}
}

var soak = flag.Duration("soak", 20*time.Second, "how long BenchmarkAudioInSoak lets a microphone speak")

// BenchmarkAudioInSoak is a microphone whose clock runs 200 ppm fast, for the time of -soak: the delay and the memory of
// ghostaux after the first seconds and at the end.
func BenchmarkAudioInSoak(b *testing.B) {
	const size, ppm = 2048, 200
	p := testkit.StartPulse(b)
	g := startAudioIn(b, p)
	conn := testkit.Dial(b, g.URL(b, "audioin", "/?sample_rate="+strconv.Itoa(impulseRate)))
	closed := conn.CloseRead(b.Context()) // who does not read answers no ping
	mark := make([]byte, 4*size)
	loud(mark[:4*impulse])
	plain := make([]byte, 4*size)
	var wanted atomic.Bool
	sent := make(chan time.Time, 1)
	defer pace(b, size*1_000_000*time.Second/(impulseRate*(1_000_000+ppm)), func() bool {
		if !wanted.CompareAndSwap(true, false) {
			return conn.Write(b.Context(), websocket.MessageBinary, plain) == nil
		}
		err := conn.Write(b.Context(), websocket.MessageBinary, mark)
		sent <- time.Now()
		return err == nil
	})()
	delay := func(unit string) {
		rec := p.Record(b, "ghostaux_mic", impulseRate) // one for ten minutes would keep it all
		defer rec.Stop()
		var delays []time.Duration
		for range impulses {
			from := rec.Len()
			wanted.Store(true)
			var at time.Time
			select {
			case at = <-sent:
			case <-closed.Done():
				b.Fatalf("the microphone's connection has ended: %v", context.Cause(closed))
			}
			if heard, ok := arrival(b, rec, from); ok {
				delays = append(delays, heard.Sub(at))
			}
		}
		slices.Sort(delays)
		b.ReportMetric(float64(delays[len(delays)/2].Microseconds())/1000, unit)
	}
	for b.Loop() {
		time.Sleep(5 * time.Second) // the margin has settled by then
		delay("ms-start")
		memory := residentBytes(b, g.Cmd.Process.Pid)
		time.Sleep(*soak)
		delay("ms-end")
		grown := residentBytes(b, g.Cmd.Process.Pid) - memory
		b.ReportMetric(float64(grown)/1024, "KiB-grown")
		r := microphoneReport(b, g).Peers[0]
		b.ReportMetric(r.DriftPPM, "ppm-measured")
		b.ReportMetric(float64(r.Corrections), "corrections")
		b.ReportMetric(float64(r.Audible), "audible")
		b.ReportMetric(float64(r.Underruns), "gaps")
		b.ReportMetric(r.TargetMS, "ms-margin")
		b.ReportMetric(0, "ns/op")
	}
}

// pace calls send at every multiple of the period, late ones at once, until it is stopped or send returns false.
func pace(t testing.TB, period time.Duration, send func() bool) (stop func()) {
	t.Helper()
	quit := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		start := time.Now()
		for n := 0; send(); n++ {
			select {
			case <-quit:
				return
			case <-time.After(time.Until(start.Add(time.Duration(n+1) * period))):
			}
		}
	})
	return func() {
		close(quit)
		done.Wait()
	}
}

// BenchmarkAudioInCPU is the processor time of ghostaux for one microphone of 48000 samples/s, over ten seconds.
func BenchmarkAudioInCPU(b *testing.B) {
	for _, size := range []int{128, 2048} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			p := testkit.StartPulse(b)
			g := startAudioIn(b, p)
			conn := dialRaw(b, g.Addr(b, "audioin"), "/?sample_rate=48000", net.Dialer{})
			msg := testkit.Sine(500, 0.5, 48000, 0, size)
			rec := p.Record(b, "ghostaux_mic", 48000)
			idle := cpuOver(b, g, rec, 5*time.Second)
			stop := pace(b, time.Duration(size)*time.Second/48000, func() bool {
				return conn.send(msg) == nil
			})
			defer stop()
			for b.Loop() {
				b.ReportMetric(cpuOver(b, g, rec, 10*time.Second)*100, "%core")
				b.ReportMetric(idle*100, "%core-stream-alone")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// cpuOver is the share of a core that ghostaux uses over the time of the recording.
func cpuOver(b *testing.B, g *testkit.Ghostaux, rec *testkit.Recorder, d time.Duration) float64 {
	b.Helper()
	start, before := time.Now(), cpuOf(b, g.Cmd.Process.Pid)
	_ = rec.Next(b, d)
	return (cpuOf(b, g.Cmd.Process.Pid) - before).Seconds() / time.Since(start).Seconds()
}

// cpuOf is the processor time that a process has used: the scheduler's own sum, to the nanosecond.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	var sum time.Duration
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, task := range tasks {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, task.Name()))
		if err != nil {
			continue // the thread has ended
		}
		ns, err := strconv.ParseInt(strings.Fields(string(raw))[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}
