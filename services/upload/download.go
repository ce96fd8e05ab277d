package upload

import (
	"mime"
	"net/http"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// download sends a file, or the ranges of it that the client asks for. A browser saves it: what people upload is
// never shown as a page of this origin.
func download(w http.ResponseWriter, r *http.Request, where at) error {
	f, err := where.store.root.OpenFile(where.place.path(), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return where.store.absent(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return errAbsent
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": where.place.name}))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "private, no-cache")
	out := &steadyWriter{ResponseWriter: w, rc: http.NewResponseController(w)}
	http.ServeContent(out, r, "", info.ModTime(), f)
	_ = out.rc.SetWriteDeadline(time.Time{})
	return nil
}

// steadyWriter gives up on a client that takes nothing for idleMax.
type steadyWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	moved time.Time
}

// Write writes, and moves the deadline on.
func (w *steadyWriter) Write(b []byte) (int, error) {
	if now := time.Now(); now.Sub(w.moved) > deadlineAge {
		w.moved = now
		_ = w.rc.SetWriteDeadline(now.Add(idleMax))
	}
	return w.ResponseWriter.Write(b)
}
