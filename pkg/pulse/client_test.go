package pulse_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jfreymuth/pulse/proto"

	"ghostaux/pkg/pulse"
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

// TestStreamIsKilledWithItsSink: NoMove, or the microphone would come out of the loudspeakers.
func TestStreamIsKilledWithItsSink(t *testing.T) {
	p := testkit.StartPulse(t)
	control := dial(t, p)
	module, err := control.LoadModule("module-null-sink", "sink_name=two norewinds=1")
	must(t, err)
	c := dial(t, p)
	_, err = c.OpenPlayback(pulse.PlaybackConfig{Sink: "two", Rate: 44100, Step: 10 * time.Millisecond})
	must(t, err)
	must(t, control.UnloadModule(module))
	receive(t, c.Done(), "the stream's end is reported")
	if got := p.Pactl(t, "list", "short", "sink-inputs"); got != "" {
		t.Errorf("streams left: %s", got)
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
				_, err = c.OpenPlayback(pulse.PlaybackConfig{Sink: "out", Rate: 44100, Step: 10 * time.Millisecond})
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
