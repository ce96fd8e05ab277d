package audioout

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"ghostaux/pkg/service"
	"ghostaux/pkg/ws"
)

const (
	playerReadLimit = 1 << 10   // bytes; a player has nothing to say
	playerSndbuf    = 256 << 10 // bytes of SO_SNDBUF: more than flightBytes with the kernel's own overhead, so that a write to a player who is not held does not block
	tsSndbuf        = 32 << 10  // the same for /stream.ts: what the largest bitrate has on the way over half a second
	tsUnsent        = 2 << 10   // bytes of it that the player's kernel has no room for
	tsWriteLimit    = 10 * time.Second
	tsEndLimit      = time.Second // for the rest of a message and the end of the answer when the process stops
)

// playersHandler is the handler of those who listen. A WebSocket is answered at any path: the Workspaces page asks for
// "/", a bare browser for whatever it was given.
func (s *Service) playersHandler() http.Handler {
	r := chi.NewRouter()
	r.Use(s.upgrades)
	r.Get("/stream.ts", s.serveTS)
	r.NotFound(wantsUpgrade)
	r.MethodNotAllowed(wantsUpgrade)
	return r
}

func (s *Service) ingestHandler() http.Handler {
	r := chi.NewRouter()
	r.HandleFunc("/*", s.serveIngest)
	return r
}

// upgrades takes WebSocket requests out, whatever their path.
func (s *Service) upgrades(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isUpgrade(r) {
			s.serveSocket(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

func wantsUpgrade(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	http.Error(w, "This address speaks WebSocket to a JSMpeg player. For VLC or mpv there is stream.ts.", http.StatusUpgradeRequired)
}

// serveSocket is one JSMpeg player. Its goroutine, which reads, outlives the handler, whose request, answer and deep stack
// would otherwise be kept as long as the player stays; the socket is released when it has ended, and whoever stops the
// process waits for that.
func (s *Service) serveSocket(w http.ResponseWriter, r *http.Request) {
	p := newPlayer(s.stream, nil, "websocket", r.RemoteAddr)
	p.flight = &flight{maxLag: s.config.MaxLag}
	conn, err := s.env.Sockets.Accept(w, r, ws.Options{
		Frames: true, ReadLimit: playerReadLimit, SendBuffer: playerSndbuf, OnPongData: p.pong,
	})
	if err != nil {
		s.log.Debug("player not accepted", "addr", r.RemoteAddr, "err", err)
		return
	}
	p.sink = socket{conn}
	s.stream.join(p)
	go func() {
		defer conn.Release()
		defer s.stream.leave(p)
		err := service.Protect(func() error { return s.listen(conn) })
		conn.Cut()
		p.end()
		s.logGone(p, err)
	}()
}

// listen handles pings, pongs and the close until the peer is gone. A data message ends it.
func (s *Service) listen(conn *ws.Conn) error {
	_, _, err := conn.Read(make([]byte, 0, 64))
	if err == nil {
		s.count.messages.Inc()
		conn.Close(ws.UnsupportedData, "a player has nothing to send")
	}
	return err
}

func (s *Service) logGone(p *player, why error) {
	var crash *service.PanicError
	if errors.As(why, &crash) || errors.As(p.err, &crash) {
		s.log.Error("player crashed", "addr", p.addr, "err", crash, "stack", string(crash.Stack))
		return
	}
	s.log.LogAttrs(context.Background(), slog.LevelDebug, "player gone", slog.String("addr", p.addr), slog.Any("err", why))
}

// serveTS is the same stream for players that speak plain HTTP, such as VLC and mpv.
func (s *Service) serveTS(w http.ResponseWriter, r *http.Request) {
	ws.LimitSendBuffer(r, tsSndbuf, tsUnsent)
	w.Header().Set("Content-Type", "video/mp2t")
	w.Header().Set("Cache-Control", "no-store")
	to := &download{w: w, control: http.NewResponseController(w)}
	if err := to.flush(); err != nil {
		return
	}
	p := newPlayer(s.stream, to, "http", r.RemoteAddr)
	s.stream.join(p)
	defer s.stream.leave(p)
	select {
	case <-r.Context().Done():
		to.cut()
	case <-s.env.Sockets.Stopping(): // net/http would wait for the handler
		to.finish(time.Now().Add(tsEndLimit))
	case <-p.ended:
		to.cut()
	}
	p.end()
	s.logGone(p, p.err)
}

// download is the sink of a plain HTTP response.
type download struct {
	w       http.ResponseWriter
	control *http.ResponseController
	tables  []byte
	message *message // left to be sent

	mu  sync.Mutex // guards the following field, and is held while deadlines are set
	end time.Time  // of all sending; zero: none is known
}

// send leaves everything to flush: net/http has no write that does not wait.
func (d *download) send(tables []byte, m *message, _ bool) (bool, error) {
	d.tables, d.message = tables, m
	return false, nil
}

// flush has the limit for each message, and not for the whole response.
func (d *download) flush() error {
	if err := d.setDeadline(time.Now().Add(tsWriteLimit)); err != nil {
		return err
	}
	if _, err := d.w.Write(d.tables); err != nil {
		return err
	}
	if m := d.message; m != nil {
		if _, err := d.w.Write(m.ts()); err != nil {
			return err
		}
	}
	return d.control.Flush()
}

func (d *download) setDeadline(at time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.end.IsZero() && d.end.Before(at) {
		at = d.end
	}
	return d.control.SetWriteDeadline(at)
}

func (d *download) cut() { d.finish(time.Now()) }

// finish lets what is being sent go on until then.
func (d *download) finish(end time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end = end
	_ = d.control.SetWriteDeadline(end)
}
