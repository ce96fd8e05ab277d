package audioout

import (
	"context"
	"log/slog"
	"os/exec"
	"sync/atomic"
	"time"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/service"
)

// Service relays the desktop's sound to players.
type Service struct {
	config     Config
	env        service.Env
	log        *slog.Logger
	count      *counters
	stream     *stream
	publishers *publishers
	dial       func(context.Context) (soundServer, error)

	came    chan struct{} // holds one token after a publisher came
	news    chan struct{} // holds one token after players or publishers changed
	tail    *tail
	running atomic.Pointer[encoder] // our own ffmpeg, nil while it does not run
}

// New returns the service. Its players may come at once; our own ffmpeg runs within Run.
func New(c Config, env service.Env) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Service{
		config: c, env: env, log: env.Log, count: newCounters(env.Metrics),
		came: make(chan struct{}, 1), news: make(chan struct{}, 1), tail: &tail{}, dial: dialPulse,
	}
	s.stream = newStream(c.MaxLag, s.count)
	s.stream.onPlayers(s.nudge)
	s.publishers = &publishers{stream: s.stream, changed: s.publisherChanged}
	return s, nil
}

// Name is "audioout".
func (s *Service) Name() string { return "audioout" }

// Endpoints are the one for players, and the one for publishers unless only our own ffmpeg may publish.
func (s *Service) Endpoints() []service.Endpoint {
	eps := []service.Endpoint{{
		Addr: s.config.Addr, Mount: "/audio/", Guard: s.env.Auth.Require(auth.Viewer, nil), Handler: s.playersHandler(),
	}}
	if s.config.Source != sourceFFmpeg {
		eps = append(eps, service.Endpoint{
			Name: "ingest", Addr: s.config.IngestAddr, Plain: true, Guard: s.knowsSecret, Handler: s.ingestHandler(),
		})
	}
	return eps
}

// Run produces sound with our own ffmpeg where the configuration and the publishers let it.
func (s *Service) Run(ctx context.Context, ready func()) error {
	if s.config.Source == sourceIngest {
		ready()
		<-ctx.Done()
		return nil
	}
	return s.produce(ctx, ready)
}

// nudge tells Run that players or publishers changed.
func (s *Service) nudge() { offer(s.news) }

// publisherChanged ends a wait for PulseAudio too: in auto mode a publisher is all that is needed.
func (s *Service) publisherChanged(came bool) {
	s.nudge()
	if came {
		offer(s.came)
	}
}

// retry is Fault.Retry: a publisher that came since now makes up for what is missing.
func (s *Service) retry() <-chan struct{} {
	select {
	case <-s.came:
	default:
	}
	return s.came
}

// offer puts a token into a channel that holds one, and never waits.
func offer(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Check looks for ffmpeg and PulseAudio, unless others are to publish.
func (s *Service) Check(ctx context.Context) []service.Finding {
	if s.config.Source == sourceIngest {
		return nil
	}
	ffmpeg := service.Finding{What: "ffmpeg", OK: true}
	path, err := exec.LookPath(s.config.FFmpeg)
	if err != nil {
		ffmpeg.OK = false
		ffmpeg.Advice = adviceNoFFmpeg
	}
	ffmpeg.Detail = path
	return []service.Finding{ffmpeg, s.checkPulse(ctx)}
}

const checkLimit = 3 * time.Second
