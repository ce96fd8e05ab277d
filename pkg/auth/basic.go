package auth

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"strings"
)

// basic returns the decoded credential of an HTTP Basic header. It is bytes: browsers send passwords
// in UTF-8 or Latin-1, and whoever set the token chose which.
func basic(r *http.Request) ([]byte, bool) {
	scheme, encoded, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Basic") {
		return nil, false
	}
	credential, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return nil, false
	}
	return credential, true
}

// remoteHost is the address that a request came from; of IPv6 the network, since one machine has all addresses of its
// /64. X-Forwarded-For is not believed: anybody can write it.
func remoteHost(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr := peer.Addr().Unmap()
	if addr.Is4() {
		return addr.String()
	}
	network, _ := addr.WithZone("").Prefix(64) // cannot fail: it is IPv6
	return network.String()
}
