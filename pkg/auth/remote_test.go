package auth

import (
	"net/http"
	"strings"
	"testing"
)

func TestRemoteHost(t *testing.T) {
	trusted, err := parseProxies([]string{"10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, peer, forwarded, want string
	}{
		{"nobody between", "198.51.100.7:1234", "", "198.51.100.7"},
		{"a stranger who writes the header", "198.51.100.7:1234", "203.0.113.1", "198.51.100.7"},
		{"a proxy", "10.1.2.3:1234", "203.0.113.1", "203.0.113.1"},
		{"a proxy that says nothing", "10.1.2.3:1234", "", "10.1.2.3"},
		{"two proxies", "192.0.2.7:1", "203.0.113.1, 10.9.9.9", "203.0.113.1"},
		{"two lines of header", "192.0.2.7:1", "203.0.113.1\n10.9.9.9", "203.0.113.1"},
		{"a client that forges the start", "10.1.2.3:1", "192.0.2.99, 203.0.113.1", "203.0.113.1"},
		{"a client that forges a proxy", "10.1.2.3:1", "10.0.0.1, 203.0.113.1", "203.0.113.1"},
		{"only proxies", "10.1.2.3:1", "10.0.0.1, 10.0.0.2", "10.0.0.1"},
		{"nonsense", "10.1.2.3:1", "203.0.113.1, unknown", "10.1.2.3"},
		{"IPv6 of the client", "10.1.2.3:1", "2001:db8:2:3:4:5:6:7", "2001:db8:2:3::/64"},
		{"IPv6 of the proxy", "[2001:db8:1::9]:1", "203.0.113.1", "203.0.113.1"},
		{"IPv4 in IPv6", "[::ffff:10.1.2.3]:1", "::ffff:203.0.113.1", "203.0.113.1"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
		for line := range strings.SplitSeq(c.forwarded, "\n") {
			if line != "" {
				r.Header.Add("X-Forwarded-For", line)
			}
		}
		if got := trusted.remoteHost(r); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
	for _, wrong := range []string{"", "proxy.example", "10.0.0.0/33"} {
		if _, err := parseProxies([]string{wrong}); err == nil || !strings.Contains(err.Error(), "--trusted-proxy") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
