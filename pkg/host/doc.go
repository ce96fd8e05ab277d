// Package host gives the services their listeners: one address each, on TLS or plain, and the front door, which
// has all of them under one address. It adds what every endpoint wants (limits, a log line at debug level, recovery
// from panics), says in /status what is served, and stops in order: peers first.
package host
