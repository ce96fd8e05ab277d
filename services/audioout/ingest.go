package audioout

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// ingestRead is the most that one message can hold. An MP2 frame has 564 to 1128 bytes; only a publisher that sends
// faster than real time fills it.
const ingestRead = 16 << 10

// knowsSecret is the guard of the ingest. ffmpeg sends no credential, only the path of the start script, whose first
// segment is the secret.
func (s *Service) knowsSecret(next http.Handler) http.Handler {
	secret := sha256.Sum256([]byte(s.config.Secret))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		segment, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		sum := sha256.Sum256([]byte(segment))
		if subtle.ConstantTimeCompare(sum[:], secret[:]) != 1 {
			s.count.refused.With(ingestWrongPath).Inc()
			turnAway(w, http.StatusNotFound, "no such stream")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// turnAway answers a publisher and cuts it. ffmpeg does not read the answer while it writes, and net/http would read
// up to 256 KiB of its body, ten seconds of sound, before it closes the connection.
func turnAway(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Connection", "close")
	http.Error(w, text, status)
	control := http.NewResponseController(w)
	_ = control.Flush()
	_ = control.SetReadDeadline(time.Now())
}

// serveIngest is one publisher's POST, which lasts as long as there is sound.
func (s *Service) serveIngest(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		s.count.refused.With(ingestMethod).Inc()
		w.Header().Set("Allow", "POST, PUT")
		turnAway(w, http.StatusMethodNotAllowed, "POST an MPEG transport stream here")
		return
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		s.log.Warn("publisher may be cut when silent", "err", err)
	}
	cut := func() { _ = control.SetReadDeadline(time.Now()) }
	pub := s.publishers.enter(r.RemoteAddr, cut)
	defer s.publishers.leave(pub)
	defer s.atEnd(r, cut)()
	s.log.Info("publisher came", "addr", pub.addr)
	err := receive(r.Body, pub.publication)
	switch {
	case err == nil:
		s.log.Info("publisher ended", "addr", pub.addr)
	case errors.Is(err, errReplaced):
		s.count.refused.With(ingestReplaced).Inc()
		s.log.Info("publisher cut: another came", "addr", pub.addr)
		turnAway(w, http.StatusConflict, "another publisher came")
	default:
		s.log.Info("publisher lost", "addr", pub.addr, "err", err)
		turnAway(w, http.StatusBadRequest, "the stream broke off")
	}
}

// atEnd calls f when the peer of an endless request has gone, or the process stops: net/http would wait for the
// handler. The function that it returns ends the watch and waits for it.
func (s *Service) atEnd(r *http.Request, f func()) (release func()) {
	released, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-r.Context().Done():
			f()
		case <-s.env.Sockets.Stopping():
			f()
		case <-released:
		}
	}()
	return func() {
		close(released)
		<-ended
	}
}

// receive publishes what r has, as it comes, until its end, or until another publisher takes over.
func receive(r io.Reader, p *publication) error {
	defer p.close()
	buf := make([]byte, ingestRead)
	for {
		n, err := r.Read(buf)
		if !p.write(buf[:n]) {
			return errReplaced
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
