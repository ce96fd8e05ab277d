package audioin

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/pulse"
	"ghostaux/pkg/service"
)

// Service is the microphone service.
type Service struct {
	config Config
	env    service.Env
	ledger *ledger
	grace  time.Duration // deviceGrace
	proc   string        // /proc

	mu     sync.Mutex // guards the following field
	device device     // nil while no Run holds one
}

// New makes the service. Config has been validated by the command line; an invalid one is an error here too.
func New(c Config, env service.Env) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &Service{config: c, env: env, ledger: newLedger(env.Metrics), grace: deviceGrace, proc: "/proc"}, nil
}

// Name implements service.Service.
func (s *Service) Name() string { return "audioin" }

// Endpoints implements service.Service. Any path is the microphone: proxies pass theirs on or cut it off.
func (s *Service) Endpoints() []service.Endpoint {
	return []service.Endpoint{{
		Addr:    s.config.Addr,
		Mount:   "/audio_input/",
		Guard:   s.env.Auth.Require(auth.Owner, nil),
		Handler: http.HandlerFunc(s.serve),
	}}
}

// settle is how long changes in PulseAudio are gathered before they are looked at: they come in swarms.
const settle = 50 * time.Millisecond

// Run implements service.Service.
func (s *Service) Run(ctx context.Context, ready func()) error {
	client, err := pulse.Dial(ctx, s.config.Pulse)
	if err != nil {
		return s.noPulse(err)
	}
	defer client.Close()
	changes, err := client.Subscribe(pulse.MaskSink | pulse.MaskSource | pulse.MaskSourceOutput | pulse.MaskServer)
	if err != nil {
		return s.noPulse(err)
	}
	mic, err := install(client, newPublishers(s.proc))
	if err != nil {
		return s.cannotMake(err)
	}
	s.set(pulseDevice{s.config})
	defer s.set(nil)
	ready()
	for {
		select {
		case <-ctx.Done():
			return mic.remove()
		case <-client.Done():
			return s.noPulse(client.Err())
		case <-changes:
		}
		select {
		case <-ctx.Done():
		case <-time.After(settle):
		}
		if err := mic.keep(); err != nil {
			return s.cannotMake(err)
		}
	}
}

// noPulse is the fault of a machine without PulseAudio, now.
func (s *Service) noPulse(err error) error {
	if _, panicked := errors.AsType[*service.PanicError](err); panicked {
		return err
	}
	return &service.Fault{
		Err: err, Kind: service.Absent,
		Advice: "Start PulseAudio, or name its socket in PULSE_SERVER; looked at " + pulse.Where(s.config.Pulse) + ".",
	}
}

// cannotMake is the fault of a PulseAudio that is there and does not do what is asked.
func (s *Service) cannotMake(err error) error {
	if errors.Is(err, pulse.ErrGone) {
		return s.noPulse(err)
	}
	return &service.Fault{
		Err: err, Kind: service.Broken,
		Advice: "PulseAudio needs module-null-sink and module-remap-source, and must allow clients to load modules.",
	}
}

func (s *Service) set(d device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.device = d
}

var errNoDevice = errors.New("no PulseAudio")

// open opens a stream for a peer on the device that is there.
func (s *Service) open(ctx context.Context, rate int) (stream, error) {
	s.mu.Lock()
	d := s.device
	s.mu.Unlock()
	if d == nil {
		return nil, errNoDevice
	}
	return d.open(ctx, rate)
}

// Report is the service in /status.
type Report struct {
	Source string       `json:"source"` // name of the microphone in PulseAudio, "" while there is none
	Peers  []PeerReport `json:"peers"`
}

// Report implements service.Reporter.
func (s *Service) Report() any {
	r := Report{Peers: s.ledger.reports()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.device != nil {
		r.Source = sourceName
	}
	return r
}

// Check implements service.Checker.
func (s *Service) Check(ctx context.Context) []service.Finding {
	f := service.Finding{What: "PulseAudio"}
	client, err := pulse.Dial(ctx, s.config.Pulse)
	if err != nil {
		f.Detail = err.Error()
		f.Advice = "Start PulseAudio, or name its socket in PULSE_SERVER; ghostaux looks again every second or two."
		return []service.Finding{f}
	}
	defer client.Close()
	info, err := client.ServerInfo()
	if err != nil {
		f.Detail = err.Error()
		f.Advice = "PulseAudio does not answer: restart it."
		return []service.Finding{f}
	}
	f.OK, f.Detail = true, info.Name+" "+info.Version
	return []service.Finding{f}
}
