package auth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

func validOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Path == "" && u.RawQuery == "" && u.User == nil
}

// OriginAllowed reports whether a page of this origin is on the configured list. It is the answer to
// a CORS preflight, which carries no credential.
func (a *Auth) OriginAllowed(origin string) bool {
	return slices.ContainsFunc(a.config.AllowOrigin, func(o string) bool { return strings.EqualFold(o, origin) })
}

// originAllowed judges the page behind a request. A program sends no Origin and passes. A browser sends it with
// every WebSocket and every request that changes something; then:
//   - the same host as the request's passes, whatever the port, since cookies do not tell ports apart either;
//   - an origin on the list passes;
//   - anything else passes only without a list and with Basic, which a proxy that knows its pages has put there.
func (a *Auth) originAllowed(r *http.Request, byCookie bool) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || a.OriginAllowed(origin) {
		return true
	}
	u, err := url.Parse(origin)
	if err == nil && u.Host != "" && strings.EqualFold(u.Hostname(), hostname(r.Host)) {
		return true
	}
	return len(a.config.AllowOrigin) == 0 && !byCookie
}

func hostname(hostport string) string {
	u := url.URL{Host: hostport}
	return u.Hostname()
}

// Origins returns the configured list.
func (a *Auth) Origins() []string { return slices.Clone(a.config.AllowOrigin) }
