package auth

import (
	"encoding/base64"
	"net/http"
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
