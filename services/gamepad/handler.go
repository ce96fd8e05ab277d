package gamepad

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"ghostaux/pkg/service"
	"ghostaux/pkg/ws"
)

// deviceWait is how long a peer that comes while there is no device waits for the try that it causes.
const deviceWait = 3 * time.Second

// handler takes WebSockets on any path, as the client's may have a prefix that a proxy left in.
func (s *Service) handler() http.Handler {
	r := chi.NewRouter()
	r.HandleFunc("/*", s.serve)
	return r
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	if fault, ok := s.waitForDevice(r.Context()); !ok {
		s.turnAway(w, r, fault)
		return
	}
	p := newPeer(s.board, &s.count)
	conn, err := s.env.Sockets.Accept(w, r, ws.Options{ReadLimit: maxMessage, OnPong: func() { p.hear(time.Now()) }})
	if err != nil {
		return
	}
	defer conn.Release()
	p.conn = conn
	if !s.board.join(p) {
		conn.Close(ws.TryAgainLater, "too many peers share the gamepads")
		return
	}
	s.count.peers.Inc()
	defer s.count.peers.Dec()
	defer s.board.leave(p)
	err = p.serve(r.Context())
	if broken, ok := errors.AsType[*service.PanicError](err); ok {
		s.env.Log.Error("peer ended", "error", broken, "stack", string(broken.Stack))
	}
}

// waitForDevice returns at once when there is a device. Else it makes Run try again, and waits for what comes of it.
func (s *Service) waitForDevice(ctx context.Context) (fault *service.Fault, ok bool) {
	up, fault, changed := s.device.get()
	if up {
		return nil, true
	}
	select {
	case s.retry <- struct{}{}:
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, deviceWait)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return fault, false
		case <-changed:
		}
		if up, fault, changed = s.device.get(); up || fault != nil {
			return fault, up
		}
	}
}

// turnAway says why there are no gamepads: at length in a message, in short in the close frame.
func (s *Service) turnAway(w http.ResponseWriter, r *http.Request, fault *service.Fault) {
	s.count.unavailing.Inc()
	conn, err := s.env.Sockets.Accept(w, r, ws.Options{ReadLimit: maxMessage})
	if err != nil {
		return
	}
	defer conn.Release()
	notice := struct {
		Type   string `json:"message_type"`
		Advice string `json:"advice"`
	}{Type: "unavailable"}
	if fault != nil {
		notice.Advice = fault.Advice
	}
	if msg, err := json.Marshal(notice); err == nil {
		_ = conn.Write(ws.Text, msg)
	}
	conn.Close(ws.TryAgainLater, s.closeReason(fault))
}
