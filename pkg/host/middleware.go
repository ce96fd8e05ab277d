package host

import (
	"net/http"
	"runtime/debug"
	"strconv"
	"time"
)

// wrap is around every handler: a panic ends one request only, and the request is counted and told at debug level.
// Queries are not logged: the login's has a secret.
func (h *Host) wrap(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ww := &recorder{ResponseWriter: w}
		defer func() {
			if v := recover(); v != nil {
				h.recovered(ww, name, v)
			}
			h.count(name, ww.status)
			h.opts.Log.Debug("request", "service", name, "method", r.Method, "path", r.URL.Path,
				"status", ww.status, "bytes", ww.bytes, "remote", r.RemoteAddr, "took", time.Since(start))
		}()
		next.ServeHTTP(ww, r)
	})
}

func (h *Host) recovered(w *recorder, name string, v any) {
	if v == http.ErrAbortHandler {
		panic(v) // the handler's way to cut a connection
	}
	h.panics.Inc()
	h.opts.Log.Error("handler panicked", "service", name, "panic", v, "stack", string(debug.Stack()))
	if w.status == 0 {
		http.Error(w, "Something went wrong in ghostaux; its log tells what.", http.StatusInternalServerError)
	}
}

func (h *Host) count(name string, status int) {
	if status == 0 {
		status = http.StatusOK
	}
	h.requests.With(name, strconv.Itoa(status/100)+"xx").Inc()
}

// recorder remembers what was answered. It is our own since chi's, in a package with its profiler, brings net/http/pprof
// and html/template into the binary and so half a megabyte into memory.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader remembers the final status.
func (r *recorder) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes of the body.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController and the WebSocket library reach what is below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
