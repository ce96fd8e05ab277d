package main

import (
	"net"
	"net/url"
	"os"
)

// consoleURL is an address that a person can open: the host as others see it where the listener takes all.
func (c *config) consoleURL(token string) string {
	hostname, port, _ := net.SplitHostPort(c.Host.Addr)
	if ip := net.ParseIP(hostname); hostname == "" || ip != nil && ip.IsUnspecified() {
		hostname = "localhost"
		if inContainer() {
			if name, err := os.Hostname(); err == nil {
				hostname = name
			}
		}
	}
	u := url.URL{Scheme: "https", Host: net.JoinHostPort(hostname, port), Path: c.Host.Prefix + "/login"}
	if !c.Cert.Enabled() {
		u.Scheme = "http"
	}
	u.RawQuery = url.Values{"token": {token}}.Encode()
	return u.String()
}

func inContainer() bool {
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(mark); err == nil {
			return true
		}
	}
	return false
}
