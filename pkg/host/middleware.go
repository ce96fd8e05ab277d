package host

import (
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5/middleware"
)

// wrap is around every handler: a panic ends one request only, and the request is counted and told at debug level.
// Queries are not logged: the login's has a secret.
func (h *Host) wrap(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			if v := recover(); v != nil {
				h.recovered(ww, name, v)
			}
			h.count(name, ww.Status())
			h.opts.Log.Debug("request", "service", name, "method", r.Method, "path", r.URL.Path,
				"status", ww.Status(), "bytes", ww.BytesWritten(), "remote", r.RemoteAddr, "took", time.Since(start))
		}()
		next.ServeHTTP(ww, r)
	})
}

func (h *Host) recovered(w middleware.WrapResponseWriter, name string, v any) {
	if v == http.ErrAbortHandler {
		panic(v) // the handler's way to cut a connection
	}
	h.panics.Inc()
	h.opts.Log.Error("handler panicked", "service", name, "panic", v, "stack", string(debug.Stack()))
	if w.Status() == 0 {
		http.Error(w, "Something went wrong in ghostaux; its log tells what.", http.StatusInternalServerError)
	}
}

func (h *Host) count(name string, status int) {
	if status == 0 {
		status = http.StatusOK
	}
	h.requests.WithLabelValues(name, strconv.Itoa(status/100)+"xx").Inc()
}
