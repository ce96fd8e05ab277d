package pulse_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jfreymuth/pulse/proto"

	"ghostaux/pkg/pulse"
	"ghostaux/pkg/service"
	"ghostaux/pkg/testkit"
)

const limit = 10 * time.Second

func dial(t *testing.T, p *testkit.Pulse) *pulse.Client {
	t.Helper()
	c, err := pulse.Dial(t.Context(), p.Server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(limit):
		t.Fatalf("not within %v: %s", limit, what)
	}
}

func TestObjects(t *testing.T) {
	p := testkit.StartPulse(t)
	c := dial(t, p)
	module, err := c.LoadModule("module-null-sink", "sink_name=two norewinds=1")
	must(t, err)
	must(t, c.SetDefaultSink("two"))
	must(t, c.SetDefaultSource("out.monitor"))
	info, err := c.ServerInfo()
	must(t, err)
	if info.DefaultSink != "two" || info.DefaultSource != "out.monitor" || info.Version == "" {
		t.Errorf("server info: %+v", info)
	}
	sinks, err := c.Sinks()
	must(t, err)
	if len(sinks) != 2 || sinks[1].Name != "two" || sinks[1].Monitor != "two.monitor" || sinks[1].Module != module {
		t.Errorf("sinks: %+v", sinks)
	}
	sources, err := c.Sources()
	must(t, err)
	if len(sources) != 2 || sources[1].Name != "two.monitor" || sources[1].MonitorOf != "two" {
		t.Errorf("sources: %+v", sources)
	}

	rec := p.Command("parec", "-d", "two.monitor", "--client-name=listener")
	rec.Stdout = io.Discard
	must(t, rec.Start())
	defer func() { _ = rec.Process.Kill(); _ = rec.Wait() }()
	var outputs []pulse.SourceOutput
	testkit.Eventually(t, limit, "the recording stream is listed", func() bool {
		outputs, err = c.SourceOutputs()
		must(t, err)
		return len(outputs) == 1
	})
	if o := outputs[0]; o.Source != sources[1].Index || o.Process != rec.Process.Pid || o.Application != "listener" || o.Internal {
		t.Errorf("recording stream: %+v", o)
	}
	must(t, c.MoveSourceOutput(outputs[0].Index, "out.monitor"))
	outputs, err = c.SourceOutputs()
	must(t, err)
	if outputs[0].Source != sources[0].Index {
		t.Errorf("the recording stream did not move: %+v", outputs[0])
	}

	must(t, c.UnloadModule(module))
	if err := c.UnloadModule(module); !errors.Is(err, proto.ErrNoSuchEntity) {
		t.Errorf("unload twice: %v", err)
	}
	if _, err := c.LoadModule("module-null-sink", strings.Repeat("x", 2000)); err == nil {
		t.Error("arguments that do not fit the packet were sent")
	}
}

func TestEventsCoalesce(t *testing.T) {
	p := testkit.StartPulse(t)
	c := dial(t, p)
	events, err := c.Subscribe(pulse.MaskSink | pulse.MaskServer)
	must(t, err)
	for range 20 {
		module, err := c.LoadModule("module-null-sink", "sink_name=two norewinds=1")
		must(t, err)
		must(t, c.SetDefaultSink("two"))
		must(t, c.UnloadModule(module))
	}
	receive(t, events, "an event")
	if len(events) > 1 {
		t.Errorf("%d events wait", len(events))
	}
	must(t, p.Command("pactl", "load-module", "module-null-sink", "sink_name=three").Run())
	receive(t, events, "an event from another client's change")
}

func TestServerGone(t *testing.T) {
	p := testkit.StartPulse(t)
	c := dial(t, p)
	p.Kill()
	receive(t, c.Done(), "Done after the server was killed")
	if _, err := c.ServerInfo(); !errors.Is(err, pulse.ErrGone) {
		t.Errorf("request to a dead server: %v", err)
	}
	if _, err := pulse.Dial(t.Context(), p.Server); err == nil || !strings.Contains(err.Error(), p.Dir) {
		t.Errorf("dial: %v, want an error that names the place", err)
	}
	p.Start(t)
	_ = dial(t, p)
}

// TestDialIsCancelled: a server that accepts and never answers holds nobody longer than the context.
func TestDialIsCancelled(t *testing.T) {
	path := filepath.Join(testkit.ShortDir(t), "mute")
	l, err := net.Listen("unix", path)
	must(t, err)
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 1))
		cancel()
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	}()
	if _, err := pulse.Dial(ctx, path); err == nil {
		t.Fatal("dial succeeded")
	}
}

// TestEnsureSink: made once by many at once, found again, and it outlives the stand-in of module-always-sink.
func TestEnsureSink(t *testing.T) {
	p := testkit.StartPulse(t, "module-always-sink")
	var all sync.WaitGroup
	for range 4 {
		c := dial(t, p)
		all.Go(func() {
			if sink, err := c.EnsureSink(); err != nil || sink.Name != pulse.OutputSink {
				t.Errorf("EnsureSink: %+v, %v", sink, err)
			}
		})
	}
	all.Wait()
	if got := p.Pactl(t, "list", "short", "sinks"); strings.Count(got, "\n") != 0 || !strings.Contains(got, pulse.OutputSink) {
		t.Errorf("sinks:\n%s", got)
	}
	_ = p.Pactl(t, "load-module", "module-null-sink", "sink_name=other")
	if sink, err := dial(t, p).EnsureSink(); err != nil || sink.Name != pulse.OutputSink {
		t.Errorf("EnsureSink again: %+v, %v", sink, err)
	}
	if sink, err := dial(t, p).EnsureSink(pulse.OutputSink); err != nil || sink.Name != "other" {
		t.Errorf("EnsureSink except ours: %+v, %v", sink, err)
	}
}

// TestPlayback: what Pull makes is heard, and the stream ends with the connection.
func TestPlayback(t *testing.T) {
	p := testkit.StartPulse(t)
	c := dial(t, p)
	var n int
	stream, err := c.OpenPlayback(pulse.PlaybackConfig{
		Sink: "out", Name: "test", Rate: 48000, Latency: 200 * time.Millisecond,
		Pull: func(b []byte) {
			for i := 0; i+4 <= len(b); i += 4 {
				v := 0.5 * math.Sin(2*math.Pi*1000*float64(n)/48000)
				binary.LittleEndian.PutUint32(b[i:], math.Float32bits(float32(v)))
				n++
			}
		},
	})
	must(t, err)
	if _, err := c.OpenPlayback(pulse.PlaybackConfig{Sink: "out", Rate: 48000}); err == nil {
		t.Error("a second stream on one connection was opened")
	}
	rec := p.Command("parec", "-d", "out.monitor", "--format=float32le", "--rate=48000", "--channels=1", "--latency-msec=20")
	out, err := rec.StdoutPipe()
	must(t, err)
	must(t, rec.Start())
	defer func() { _ = rec.Process.Kill(); _ = rec.Wait() }()
	raw := make([]byte, 48000*4)
	if _, err := io.ReadFull(out, raw); err != nil {
		t.Fatal(err)
	}
	crossings, last := 0, float32(0)
	for b := bytes.NewBuffer(raw[len(raw)/2:]); b.Len() > 0; {
		v := math.Float32frombits(binary.LittleEndian.Uint32(b.Next(4)))
		if last < 0 && v >= 0 {
			crossings++
		}
		last = v
	}
	if crossings < 480 || crossings > 520 {
		t.Errorf("%d periods in half a second, want 500; %d underflows", crossings, stream.Underflows())
	}
	must(t, stream.SetLatency(400*time.Millisecond))
	c.Close()
	if err := stream.SetLatency(time.Second); !errors.Is(err, pulse.ErrGone) {
		t.Errorf("latency of an ended stream: %v", err)
	}
	testkit.Eventually(t, limit, "the stream is gone", func() bool {
		return p.Pactl(t, "list", "short", "sink-inputs") == ""
	})
}

// TestStreamIsKilledWithItsSink: NoMove, or the microphone would come out of the loudspeakers.
func TestStreamIsKilledWithItsSink(t *testing.T) {
	p := testkit.StartPulse(t)
	control := dial(t, p)
	module, err := control.LoadModule("module-null-sink", "sink_name=two norewinds=1")
	must(t, err)
	c := dial(t, p)
	_, err = c.OpenPlayback(pulse.PlaybackConfig{Sink: "two", Rate: 44100, Latency: 20 * time.Millisecond, Pull: silence})
	must(t, err)
	must(t, control.UnloadModule(module))
	receive(t, c.Done(), "the stream's end is reported")
	if got := p.Pactl(t, "list", "short", "sink-inputs"); got != "" {
		t.Errorf("streams left: %s", got)
	}
}

func TestPanicEndsOnlyTheConnection(t *testing.T) {
	p := testkit.StartPulse(t)
	c := dial(t, p)
	calls := 0
	_, err := c.OpenPlayback(pulse.PlaybackConfig{
		Sink: "out", Rate: 44100, Latency: 20 * time.Millisecond,
		Pull: func(b []byte) {
			if calls++; calls > 3 {
				panic("bang")
			}
			silence(b)
		},
	})
	must(t, err)
	receive(t, c.Done(), "the connection ends")
	var panicked *service.PanicError
	if !errors.As(c.Err(), &panicked) {
		t.Errorf("reason: %v, want the panic", c.Err())
	}
}

// TestChurn: fifty connections with a stream each come and go, some by the server's hand.
func TestChurn(t *testing.T) {
	p := testkit.StartPulse(t)
	for range 5 {
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				c, err := pulse.Dial(t.Context(), p.Server)
				if err != nil {
					t.Error(err)
					return
				}
				_, err = c.OpenPlayback(pulse.PlaybackConfig{Sink: "out", Rate: 44100, Latency: 20 * time.Millisecond, Pull: silence})
				if err != nil {
					t.Error(err)
				}
				c.Close()
			})
		}
		all.Wait()
	}
	testkit.Eventually(t, limit, "no client is left", func() bool {
		return !strings.Contains(p.Pactl(t, "list", "short", "clients"), "ghostaux")
	})
}

func silence(b []byte) { clear(b) }
