package pulse

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// defaultPort is PulseAudio's TCP port.
const defaultPort = "4713"

// address is one place where a server may listen, as for net.Dial.
type address struct{ network, addr string }

// Where names the places where Dial looks, for messages to people: server when it is set, else what the
// environment says.
func Where(server string) string {
	addrs, err := addresses(server, os.Getenv)
	if err != nil {
		return err.Error()
	}
	names := make([]string, len(addrs))
	for i, a := range addrs {
		names[i] = a.addr
	}
	return strings.Join(names, ", ")
}

// addresses lists where to look, in the order of PulseAudio's own library: the server string, PULSE_SERVER, the
// runtime directories, and last the system's.
func addresses(server string, env func(string) string) ([]address, error) {
	if server == "" {
		server = env("PULSE_SERVER")
	}
	if server != "" {
		return parseServers(server)
	}
	var addrs []address
	if dir := env("PULSE_RUNTIME_PATH"); dir != "" {
		addrs = append(addrs, address{"unix", filepath.Join(dir, "native")})
	}
	if dir := env("XDG_RUNTIME_DIR"); dir != "" {
		addrs = append(addrs, address{"unix", filepath.Join(dir, "pulse", "native")})
	}
	addrs = append(addrs,
		address{"unix", "/run/user/" + strconv.Itoa(os.Getuid()) + "/pulse/native"},
		address{"unix", "/run/pulse/native"})
	return addrs, nil
}

// parseServers reads a server string: places divided by spaces, each /path, unix:/path, tcp:host, tcp4:host or
// tcp6:host with :port or without, perhaps after a machine's name in braces.
func parseServers(s string) ([]address, error) {
	var addrs []address
	for field := range strings.FieldsSeq(s) {
		if i := strings.IndexByte(field, '}'); field[0] == '{' && i > 0 {
			field = field[i+1:]
		}
		network, addr, found := strings.Cut(field, ":")
		switch {
		case strings.HasPrefix(field, "/"):
			addrs = append(addrs, address{"unix", field})
		case found && network == "unix" && addr != "":
			addrs = append(addrs, address{"unix", addr})
		case found && (network == "tcp" || network == "tcp4" || network == "tcp6") && addr != "":
			addrs = append(addrs, address{network, withPort(addr)})
		default:
			return nil, fmt.Errorf("PulseAudio server %q: want unix:/path or tcp:host:port", field)
		}
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("PulseAudio server %q names no place", s)
	}
	return addrs, nil
}

func withPort(addr string) string {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return addr
	}
	return net.JoinHostPort(strings.Trim(addr, "[]"), defaultPort)
}

// cookieSize is fixed by the protocol.
const cookieSize = 256

// cookie reads the shared secret, from the places of PulseAudio's library. Without one it returns zeros: a
// server on a Unix socket knows its own user without a cookie, and one with auth-anonymous=1 takes any.
func cookie(env func(string) string) []byte {
	places := []string{env("PULSE_COOKIE")}
	if dir := env("XDG_CONFIG_HOME"); dir != "" {
		places = append(places, filepath.Join(dir, "pulse", "cookie"))
	}
	if home := env("HOME"); home != "" {
		places = append(places, filepath.Join(home, ".config", "pulse", "cookie"), filepath.Join(home, ".pulse-cookie"))
	}
	for _, place := range places {
		if place == "" {
			continue
		}
		if b, err := os.ReadFile(place); err == nil && len(b) >= cookieSize {
			return b[:cookieSize]
		}
	}
	return make([]byte, cookieSize)
}
