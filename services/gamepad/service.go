package gamepad

import (
	"context"
	"os"
	"strings"
	"sync"

	"ghostaux/pkg/auth"
	"ghostaux/pkg/service"
)

// kasmGUID is SDL's name of the pad in the images' SDL_GAMECONTROLLERCONFIG: bus, vendor, product, version.
const kasmGUID = "030000005e040000be02000014010000"

// Service is the gamepad service.
type Service struct {
	config Config
	env    service.Env
	board  *board
	count  counters
	model  *profile      // of the pads made here
	retry  chan struct{} // a peer came and found no device
	device availability
	make   func() maker // chooseMaker, or a test's
}

// New makes the service. SDL_GAMECONTROLLERCONFIG, which the desktop images set, chooses the automatic profile.
func New(c Config, env service.Env) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Service{
		config: c, env: env, board: newBoard(), count: newCounters(env.Metrics),
		model: chooseProfile(c.Profile, os.Getenv("SDL_GAMECONTROLLERCONFIG")),
		retry: make(chan struct{}, 1), device: availability{changed: make(chan struct{})},
	}
	s.make = s.chooseMaker
	return s, nil
}

func chooseProfile(name, sdlConfig string) *profile {
	if name == ProfileKasm || name == ProfileAuto && strings.Contains(strings.ToLower(sdlConfig), kasmGUID) {
		return kasmProfile()
	}
	return xbox360Profile()
}

// Name is "gamepad".
func (s *Service) Name() string { return "gamepad" }

// Endpoints is the one WebSocket. Pads are input, which viewers may not give.
func (s *Service) Endpoints() []service.Endpoint {
	return []service.Endpoint{{
		Addr: s.config.Addr, Mount: "/gamepad/",
		Guard: s.env.Auth.Require(auth.Owner, nil), Handler: s.handler(),
	}}
}

// availability is whether Run has its devices, for the handlers.
type availability struct {
	mu      sync.Mutex // guards the following fields
	up      bool
	fault   *service.Fault // why not; nil before the first try
	pads    []PadReport
	device  string        // in use: "uinput", "attach"
	changed chan struct{} // closed and replaced when up or fault change
}

func (a *availability) set(up bool, device string, fault *service.Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.up, a.device, a.fault, a.pads = up, device, fault, nil
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *availability) get() (up bool, fault *service.Fault, changed <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.up, a.fault, a.changed
}

// Report is what /status shows of the service.
type Report struct {
	Device  string      `json:"device,omitempty"`  // "uinput" or "attach", while there is one
	Profile string      `json:"profile,omitempty"` // of pads made here
	Peers   int         `json:"peers"`
	Pads    []PadReport `json:"pads"`
}

// PadReport is one open pad.
type PadReport struct {
	Slot int    `json:"slot"`
	Node string `json:"node,omitempty"` // such as /dev/input/event5
	Held bool   `json:"held"`           // by a peer
	// Visible is false when programs in this container cannot open the pad, since /dev/input is not the host's.
	Visible bool `json:"visible"`
}

// Report implements service.Reporter.
func (s *Service) Report() any {
	peers, held := s.board.report()
	a := &s.device
	a.mu.Lock()
	defer a.mu.Unlock()
	r := Report{Device: a.device, Peers: peers, Pads: append([]PadReport{}, a.pads...)}
	if a.device != DeviceAttach {
		r.Profile = s.model.name
	}
	for i := range r.Pads {
		r.Pads[i].Held = held[r.Pads[i].Slot]
	}
	return r
}

// Run keeps the devices in the state that the peers want.
func (s *Service) Run(ctx context.Context, ready func()) error {
	r := &run{service: s, maker: s.make()}
	defer r.close()
	err := r.start()
	if err == nil {
		s.board.all()
		err = r.flush() // what peers held while there was no device
	}
	if err != nil {
		return s.fail(r.maker, err)
	}
	s.board.writer.Store(r)
	s.device.set(true, r.maker.name(), nil)
	r.report()
	ready()
	if err := r.loop(ctx); err != nil {
		return s.fail(r.maker, err)
	}
	s.device.set(false, "", nil)
	return nil
}

// fail tells the handlers, and returns the fault for the supervisor.
func (s *Service) fail(m maker, err error) error {
	f := s.fault(m, err)
	s.device.set(false, "", f)
	return f
}

func (s *Service) chooseMaker() maker {
	attach := &attachMaker{dir: s.config.Input, node: openWrite}
	uinput := &uinputMaker{path: s.config.Uinput, input: s.config.Input, model: s.model, node: openReadWrite}
	switch {
	case s.config.Device == DeviceAttach, s.config.Device == DeviceAuto && len(attach.present()) > 0:
		return attach
	}
	return uinput
}
