package audioin

import (
	"context"
	"net/http"
	"time"

	"ghostaux/pkg/service"
	"ghostaux/pkg/ws"
)

const (
	deviceGrace = 10 * time.Second       // a peer whose stream died waits so long for PulseAudio to come back
	reopenEvery = 100 * time.Millisecond // looking for it
	playOutMost = 200 * time.Millisecond // of what a peer said last, after it has gone
)

// What peers are told.
const (
	noDevice = "There is no sound server in this desktop now. Try again in a moment."
	tooMany  = "Too many microphones are on in this desktop."
	textSent = "Send binary messages of float32 samples."
	broken   = "The microphone service failed. Try again."
)

// serve is one peer, from request to end.
func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	rate, err := parseRate(r.URL.Query())
	if err != nil {
		s.ledger.refused.With("rate").Inc()
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p := newPeer(s.config.jitter(rate))
	if !s.ledger.enter(p, s.config.MaxPeers) {
		s.ledger.refused.With("peers").Inc()
		s.env.Sockets.Refuse(w, r, ws.TryAgainLater, tooMany)
		return
	}
	defer s.ledger.leave(p)
	// The stream comes first: a peer that is let in is heard.
	stream, err := s.open(r.Context(), rate)
	if err != nil {
		s.ledger.refused.With("device").Inc()
		s.env.Log.Debug("microphone refused", "error", err)
		s.env.Sockets.Refuse(w, r, ws.TryAgainLater, noDevice)
		return
	}
	conn, err := s.env.Sockets.Accept(w, r, ws.Options{ReadLimit: maxMessage})
	if err != nil {
		stream.Close()
		return
	}
	defer conn.Release()
	s.speak(conn, p, stream)
}

// speak lets the peer speak until it goes or PulseAudio stays away.
func (s *Service) speak(conn *ws.Conn, p *peer, first stream) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	group, ctx := service.NewGroup(ctx)
	group.Go(func() error {
		defer conn.Cut() // whatever ended it, the reader ends too
		return s.play(ctx, conn, p, first)
	})
	err := service.Protect(func() error { return read(conn, p) })
	cancel()
	if played := group.Wait(); err == nil {
		err = played
	}
	if err != nil {
		s.env.Log.Error("microphone ended", "error", err)
		conn.Close(ws.InternalError, broken)
	}
}

// read takes the peer's messages until the connection ends. The close codes for too large a message and for a missing
// answer to pings are the socket's own matter.
func read(conn *ws.Conn, p *peer) error {
	buf := make([]byte, 8<<10)
	for {
		typ, msg, err := conn.Read(buf)
		if err != nil {
			return nil
		}
		if typ != ws.Binary {
			conn.Close(ws.UnsupportedData, textSent)
			return nil
		}
		p.receive(msg, time.Now())
		buf = msg[:cap(msg)]
	}
}

// play keeps a stream for the peer until ctx ends, through restarts of PulseAudio, and lets the last words be heard.
func (s *Service) play(ctx context.Context, conn *ws.Conn, p *peer, current stream) error {
	for current != nil {
		p.attach(current)
		select {
		case <-ctx.Done():
			playOut(p, current, s.config.step())
		case <-current.Done():
		}
		p.attach(nil)
		current.Close()
		if ctx.Err() != nil {
			return nil
		}
		s.ledger.reopened.Inc()
		current = s.reopen(ctx, p)
	}
	if ctx.Err() == nil {
		conn.Close(ws.TryAgainLater, noDevice)
	}
	return nil
}

// playOut waits until what is queued has been heard, within limits.
func playOut(p *peer, current stream, step time.Duration) {
	t := time.NewTimer(min(p.hush(time.Now())+step, playOutMost))
	defer t.Stop()
	select {
	case <-t.C:
	case <-current.Done():
	}
}

// reopen looks for PulseAudio until it is back, or the grace or ctx ends: then it returns nil.
func (s *Service) reopen(ctx context.Context, p *peer) stream {
	ctx, cancel := context.WithTimeout(ctx, s.grace)
	defer cancel()
	tick := time.NewTicker(reopenEvery)
	defer tick.Stop()
	for {
		if current, err := s.open(ctx, p.rate); err == nil {
			return current
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
