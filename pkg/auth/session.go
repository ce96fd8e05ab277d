package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"time"
)

const (
	sessionCookie = "ghostaux_session"
	sessionLife   = 12 * time.Hour
)

// A session is its cookie: role, expiry and user, signed. Nothing is stored, so sessions survive a restart
// and end when the password changes, since the credentials are the key.
//
//	signature [32] | role [1] | expiry, unix seconds [8, big-endian] | user
const sessionHeader = sha256.Size + 1 + 8

func (a *Auth) sign(id Identity, expiry time.Time) string {
	b := make([]byte, sessionHeader, sessionHeader+len(id.User))
	b[sha256.Size] = byte(id.Role)
	binary.BigEndian.PutUint64(b[sha256.Size+1:], uint64(expiry.Unix()))
	b = append(b, id.User...)
	copy(b, a.signature(b[sha256.Size:]))
	return base64.RawURLEncoding.EncodeToString(b)
}

func (a *Auth) signature(payload []byte) []byte {
	key := a.fallback
	if a.verifier != nil {
		key = a.verifier.key()
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("ghostaux session\x00"))
	mac.Write(payload)
	return mac.Sum(nil)
}

// session returns the identity of a request's cookie.
func (a *Auth) session(r *http.Request) (Identity, bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return Identity{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(b) < sessionHeader {
		return Identity{}, false
	}
	if !hmac.Equal(b[:sha256.Size], a.signature(b[sha256.Size:])) {
		return Identity{}, false
	}
	expiry := time.Unix(int64(binary.BigEndian.Uint64(b[sha256.Size+1:])), 0)
	if time.Now().After(expiry) {
		return Identity{}, false
	}
	return Identity{User: string(b[sessionHeader:]), Role: Role(b[sha256.Size])}, true
}

// startSession sets the cookie. Its path is the root and cookies ignore ports, so one login serves every address.
func (a *Auth) startSession(w http.ResponseWriter, r *http.Request, id Identity) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: a.sign(id, time.Now().Add(sessionLife)), Path: "/",
		MaxAge: int(sessionLife / time.Second), HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
	})
}

func endSession(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode,
	})
}
