package auth

import (
	"net/http"
	"strconv"
)

// Guard stands in front of a handler: it lets a request pass with its identity, or answers it.
type Guard func(next http.Handler) http.Handler

// Open lets everybody pass. It is for what is public on purpose, and says so where it is used.
func Open(next http.Handler) http.Handler { return next }

// Reason is why a guard refused.
type Reason uint8

// The reasons, and the status of Refuse for each.
const (
	Missing    Reason = iota // no credential, or not a readable one: 401
	Wrong                    // not a known credential: 401
	Forbidden                // a known identity whose role does not suffice: 403
	BadOrigin                // a page of another origin that is not allowed: 403
	TooMany                  // too many wrong credentials from this address: 429
	reasonsEnd               // number of reasons
)

// String is the reason's name in metrics.
func (r Reason) String() string {
	return [reasonsEnd]string{"missing", "wrong", "forbidden", "origin", "throttled"}[r]
}

// Refusal answers a refused request. Its text may go to anybody.
type Refusal func(w http.ResponseWriter, r *http.Request, why Reason)

// Refuse is the Refusal of every endpoint that has no wording of its own.
func Refuse(w http.ResponseWriter, r *http.Request, why Reason) {
	switch why {
	case Missing, Wrong:
		w.Header().Set("WWW-Authenticate", challenge(r))
		http.Error(w, "Sign in with the user and password of this desktop.", http.StatusUnauthorized)
	case Forbidden:
		http.Error(w, "Your role may only listen and look.", http.StatusForbidden)
	case BadOrigin:
		http.Error(w, "Pages of this origin are not allowed; see --allow-origin.", http.StatusForbidden)
	case TooMany:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfterSeconds))
		http.Error(w, "Too many wrong passwords from this address. Try again shortly.", http.StatusTooManyRequests)
	}
}

// challenge says how to sign in. Of Basic, browsers make a dialogue of their own; for what a script of a page asks, the page
// has better words, and the request would wait for that dialogue, or fail with it.
func challenge(r *http.Request) string {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return `Cookie realm="ghostaux"`
	}
	return `Basic realm="ghostaux", charset="UTF-8"`
}

// Require makes a guard that wants at least the role. With refuse nil, Refuse answers.
func (a *Auth) Require(role Role, refuse Refusal) Guard {
	if refuse == nil {
		refuse = Refuse
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id, why, ok := a.admit(r, role)
			if !ok {
				a.refuse(w, r, why, refuse)
				return
			}
			next.ServeHTTP(w, r.WithContext(with(r.Context(), id)))
		})
	}
}

func (a *Auth) refuse(w http.ResponseWriter, r *http.Request, why Reason, answer Refusal) {
	a.refused.With(why.String()).Inc()
	answer(w, r, why)
}

// admit decides on one request.
func (a *Auth) admit(r *http.Request, role Role) (Identity, Reason, bool) {
	id, byCookie, why, ok := a.identify(r)
	if !ok {
		return Identity{}, why, false
	}
	if !a.originAllowed(r, byCookie) {
		return Identity{}, BadOrigin, false
	}
	if id.Role < role {
		return Identity{}, Forbidden, false
	}
	return id, 0, true
}
