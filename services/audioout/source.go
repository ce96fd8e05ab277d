package audioout

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"ghostaux/pkg/service"
)

// goneWait is how long the end of ffmpeg may precede the news that its PulseAudio is gone.
const goneWait = 100 * time.Millisecond

// What people can do.
const (
	adviceNoPulse  = "Start PulseAudio, or set PULSE_SERVER to where it listens; it is found by itself."
	adviceNoFFmpeg = "Install ffmpeg (apt-get install ffmpeg), or name it with --audioout-ffmpeg."
)

var errGone = errors.New("it ended the connection")

// soundServer is PulseAudio, as far as this service needs it.
type soundServer interface {
	// Monitor names the source that carries what the default sink plays; it makes a null sink when there is no sink.
	Monitor() (string, error)
	// Changed receives after the default sink may have changed.
	Changed() <-chan struct{}
	// Done is closed when the connection is lost.
	Done() <-chan struct{}
	// Close ends the connection and waits for what served it.
	Close()
}

// producer decides when our own ffmpeg runs. It lives for one Run and is used by its goroutine alone, but for nudge.
type producer struct {
	*Service
	server  soundServer
	monitor string
	encoder *encoder
	idle    time.Time // when the last player was seen; zero before the first
}

// produce keeps our own ffmpeg where one is wanted, until ctx ends or something fails.
func (s *Service) produce(ctx context.Context, ready func()) error {
	ready = sync.OnceFunc(ready)
	for ctx.Err() == nil {
		if !s.ownWanted() {
			ready() // whoever publishes needs no PulseAudio of ours
			s.pause(ctx, s.publishers.wait())
			continue
		}
		p := &producer{Service: s}
		if err := p.run(ctx, ready); err != nil {
			return err
		}
	}
	return nil
}

// ownWanted reports whether our own ffmpeg may run.
func (s *Service) ownWanted() bool {
	return s.config.Source == sourceFFmpeg || s.publishers.wait() == 0
}

// pause waits for news, or for the time when it is not negative.
func (s *Service) pause(ctx context.Context, d time.Duration) {
	var timeout <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-ctx.Done():
	case <-s.news:
	case <-timeout:
	}
}

// run holds a connection to PulseAudio until ctx ends, a publisher comes (nil), or something fails.
func (p *producer) run(ctx context.Context, ready func()) (err error) {
	if _, err := exec.LookPath(p.config.FFmpeg); err != nil {
		return &service.Fault{
			Err: fmt.Errorf("find ffmpeg: %w", err), Kind: service.Broken,
			Advice: adviceNoFFmpeg, Retry: p.retry(),
		}
	}
	p.server, err = p.dial(ctx)
	if err != nil {
		return p.noPulse(err)
	}
	defer p.server.Close()
	if err := p.find(ctx); err != nil {
		return err
	}
	defer p.halt()
	ready()
	for ctx.Err() == nil && p.ownWanted() {
		wait, err := p.settle()
		if err != nil {
			return err
		}
		if err := p.await(ctx, wait); err != nil {
			return err
		}
	}
	return nil
}

// find asks for the source to record.
func (p *producer) find(ctx context.Context) error {
	monitor, err := p.server.Monitor()
	if err != nil && ctx.Err() == nil {
		return &service.Fault{
			Err: fmt.Errorf("find the monitor of the default sink: %w", err), Kind: service.Broken,
			Advice: "Look at `pactl list short sinks`: PulseAudio has no sink, or none that can be recorded.",
		}
	}
	p.monitor = monitor
	return nil
}

// settle starts or stops ffmpeg as players want it, and returns when to look again, -1 for only at news.
func (p *producer) settle() (time.Duration, error) {
	wait := time.Duration(-1)
	wanted := p.stream.len() > 0
	if wanted {
		p.idle = time.Now()
	} else if p.encoder != nil {
		wait = time.Until(p.idle.Add(p.config.SourceIdle))
		wanted = wait > 0
	}
	if !wanted || p.encoder != nil && p.encoder.source != p.monitor {
		p.halt()
		wait = -1
	}
	if wanted && p.encoder == nil {
		return wait, p.start()
	}
	return wait, nil
}

func (p *producer) start() error {
	to, ok := p.publishers.openOwn()
	if !ok {
		return nil
	}
	e, err := startFFmpeg(p.config, p.monitor, to, p.tail)
	if err != nil {
		return &service.Fault{
			Err: fmt.Errorf("start ffmpeg: %w", err), Kind: service.Broken,
			Advice: "Check that --audioout-ffmpeg names a program that can be run.",
		}
	}
	p.count.starts.Inc()
	p.setEncoder(e)
	p.log.Info("ffmpeg started", "source", e.source, "pid", e.pid)
	return nil
}

// halt stops ffmpeg, if it runs.
func (p *producer) halt() {
	if p.encoder == nil {
		return
	}
	p.encoder.stop()
	p.log.Info("ffmpeg stopped", "pid", p.encoder.pid)
	p.setEncoder(nil)
}

// await returns at the next event; an error when it ends this Run.
func (p *producer) await(ctx context.Context, wait time.Duration) error {
	var timeout <-chan time.Time
	if wait >= 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		timeout = timer.C
	}
	var done <-chan error
	if p.encoder != nil {
		done = p.encoder.done
	}
	select {
	case <-ctx.Done():
	case <-p.news:
	case <-timeout:
	case <-p.server.Changed():
		return p.find(ctx)
	case <-p.server.Done():
		return p.noPulse(errGone)
	case err := <-done:
		return p.ended(err)
	}
	return nil
}

// ended handles an ffmpeg that ended without us: always a failure, but for one that a publisher has taken over from.
// ffmpeg exits with 0 when PulseAudio goes away.
func (p *producer) ended(err error) error {
	p.setEncoder(nil)
	if errors.Is(err, errReplaced) {
		return nil
	}
	p.count.exits.Inc()
	select {
	case <-p.server.Done():
		return p.noPulse(errGone)
	case <-time.After(goneWait):
	}
	return &service.Fault{
		Err: exitError(err, p.tail), Kind: service.Broken,
		Advice: "ffmpeg is started again by itself; its last words are in /status under stderr.",
	}
}

func (p *producer) setEncoder(e *encoder) {
	p.encoder = e
	p.running.Store(e)
}

func (s *Service) noPulse(err error) error {
	return &service.Fault{
		Err: fmt.Errorf("reach PulseAudio: %w", err), Kind: service.Absent,
		Advice: adviceNoPulse, Retry: s.retry(),
	}
}
