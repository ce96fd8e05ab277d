package upload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"ghostaux/pkg/service"
)

const (
	sweepEvery = time.Minute
	readyWait  = time.Second // that a request waits for the directory to be tried again
)

// Service is the upload service.
type Service struct {
	config   Config
	env      service.Env
	dir      string
	counters *counters
	limiter  *rate.Limiter // shared by all uploads; nil: no limit
	buffers  sync.Pool     // of *[formBuffer]byte
	retry    chan struct{} // a request has come while there was no directory
	speed    atomic.Int64  // bytes a second, of the last second
	handler  http.Handler

	mu    sync.Mutex // guards the following fields
	store *store     // nil while there is no directory
	up    chan struct{}
	why   string // there is none
}

// New checks the configuration; the directory is Run's.
func New(c Config, env service.Env) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Service{
		config: c, env: env, dir: c.Dir, counters: newCounters(env.Metrics), retry: make(chan struct{}, 1),
		buffers: sync.Pool{New: func() any { return new([formBuffer]byte) }},
		up:      make(chan struct{}), why: "Uploads are starting",
	}
	if s.dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("--upload-dir is not set, and there is no home directory: %w", err)
		}
		s.dir = filepath.Join(home, "Uploads")
	}
	if c.Rate > 0 {
		s.limiter = rate.NewLimiter(rate.Limit(c.Rate), rateBurst)
	}
	s.handler = s.routes()
	return s, nil
}

// Name is "upload".
func (s *Service) Name() string { return "upload" }

// Endpoints is one, on its own address and under /uploads/, as in Kasm's port map.
func (s *Service) Endpoints() []service.Endpoint {
	return []service.Endpoint{{Addr: s.config.Addr, Mount: "/uploads/", Guard: s.guard, Handler: s.handler}}
}

// Run holds the directory open, and watches it.
func (s *Service) Run(ctx context.Context, ready func()) error {
	st, err := openStore(s.config, s.dir, s.env.Log, s.counters)
	if err != nil {
		s.down(describe(s.dir, err))
		return s.fault(err)
	}
	defer st.close()
	s.mu.Lock()
	s.store = st
	close(s.up)
	s.mu.Unlock()
	defer s.down("Uploads are stopping")
	ready()
	if err := s.watch(ctx, st); err != nil {
		s.down(describe(s.dir, err))
		return s.fault(err)
	}
	return nil
}

// down takes the store from the requests, with the reason that they answer. The first reason stays until it is up.
func (s *Service) down(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store != nil {
		s.store, s.up = nil, make(chan struct{})
		s.why = why
	} else if why != "Uploads are stopping" {
		s.why = why
	}
	select { // a request that came while it was up is no reason to try again
	case <-s.retry:
	default:
	}
}

func (s *Service) watch(ctx context.Context, st *store) error {
	look := time.NewTimer(service.NextLook())
	defer look.Stop()
	defer s.speed.Store(0)
	swept, looked, before := time.Now(), time.Now(), s.counters.written.Load()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		look.Reset(service.NextLook())
		if err := st.still(); err != nil {
			return err
		}
		now := s.counters.written.Load()
		s.speed.Store(int64(float64(now-before) / time.Since(looked).Seconds()))
		looked, before = time.Now(), now
		if time.Since(swept) >= min(sweepEvery, max(s.config.PartTTL/4, service.LookEvery)) {
			st.sweep(time.Now())
			swept = time.Now()
		}
	}
}

// fault adds what can be done about it.
func (s *Service) fault(err error) error {
	advice := fmt.Sprintf("Look at %s, or choose another directory with --upload-dir.", s.dir)
	switch {
	case errors.Is(err, fs.ErrPermission):
		advice = fmt.Sprintf("Let user %d write to %s: chown or chmod it, or choose another directory with --upload-dir.", os.Getuid(), s.dir)
	case errors.Is(err, fs.ErrNotExist) && !making(err):
		advice = fmt.Sprintf("%s was removed; it is made again.", s.dir)
	}
	return &service.Fault{Err: err, Kind: service.Broken, Advice: advice, Retry: s.retry}
}

// making reports whether the directory could not be made, which in some places nothing can.
func making(err error) bool {
	path, ok := errors.AsType[*fs.PathError](err)
	return ok && path.Op == "mkdir"
}

// current returns the store. While there is none it has the directory tried again, so that the first upload after
// somebody mended it works.
func (s *Service) current(ctx context.Context) (*store, error) {
	s.mu.Lock()
	st, up := s.store, s.up
	s.mu.Unlock()
	if st != nil {
		return st, nil
	}
	select {
	case s.retry <- struct{}{}:
	default:
	}
	wait := time.NewTimer(readyWait / 2)
	defer wait.Stop()
	select {
	case <-up:
	case <-wait.C:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store == nil {
		return nil, unavailable(s.why)
	}
	return s.store, nil
}

// report is the service's part of /status.
type report struct {
	Dir            string `json:"dir"`
	Conflict       string `json:"conflict"`
	MaxSize        int64  `json:"max_size"` // bytes; 0: no limit
	Quota          int64  `json:"quota"`    // bytes; 0: no limit
	Free           int64  `json:"free"`     // bytes on the disk; -1 while it is not known
	OpenParts      int    `json:"open_parts"`
	BytesPerSecond int64  `json:"bytes_per_second"`
	BytesTotal     int64  `json:"bytes_total"`
}

// Report says where files go and how fast they come.
func (s *Service) Report() any {
	r := report{
		Dir: s.dir, Conflict: s.config.Conflict, MaxSize: int64(s.config.MaxSize), Quota: int64(s.config.Quota),
		Free: unknown, BytesPerSecond: s.speed.Load(), BytesTotal: s.counters.written.Load(),
	}
	s.mu.Lock()
	st := s.store
	s.mu.Unlock()
	if st == nil {
		return r
	}
	if free, err := st.space(); err == nil {
		r.Free = free
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	r.OpenParts = len(st.parts)
	return r
}

// Check looks at the directory without making it.
func (s *Service) Check(context.Context) []service.Finding {
	f := service.Finding{What: "upload directory " + s.dir}
	info, err := os.Stat(s.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.OK, f.Detail = true, "absent; it will be made"
		return []service.Finding{f}
	case err == nil && !info.IsDir():
		err = fs.ErrExist
	case err == nil:
		err = access(s.dir)
	}
	if err != nil {
		f.Detail = describe(s.dir, err)
		if fault, ok := errors.AsType[*service.Fault](s.fault(err)); ok {
			f.Advice = fault.Advice
		}
		return []service.Finding{f}
	}
	f.OK, f.Detail = true, "writable"
	return []service.Finding{f}
}
