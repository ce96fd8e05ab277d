package host

import (
	"errors"
	"fmt"
	"net"
	"strings"
)

// Config is the front door's.
type Config struct {
	Addr   string `help:"Address of the front door, which has all services under one port; off closes it." default:":4900" env:"GHOSTAUX_ADDR"`
	Prefix string `help:"Path before everything on the front door, such as /desk/7." placeholder:"/PATH" env:"GHOSTAUX_PREFIX"`

	ConsoleHide []string `help:"Services that people may not use and the console does not show." placeholder:"SERVICE" env:"GHOSTAUX_CONSOLE_HIDE"`
	ConsoleLock []string `help:"Services that people may not use; the console shows their state and that they are locked." placeholder:"SERVICE" env:"GHOSTAUX_CONSOLE_LOCK"`
}

// Validate names what cannot be served.
func (c Config) Validate() error {
	var errs []error
	if err := CheckAddr(c.Addr); err != nil {
		errs = append(errs, fmt.Errorf("--addr %q: %w", c.Addr, err))
	}
	if c.Prefix != "" && (!strings.HasPrefix(c.Prefix, "/") || strings.HasSuffix(c.Prefix, "/") || strings.ContainsAny(c.Prefix, "?#{}*")) {
		errs = append(errs, fmt.Errorf("--prefix %q: want a path such as /desk/7, with a slash before it and none behind", c.Prefix))
	}
	return errors.Join(errs...)
}

// Closed reports whether an address says that there is to be no listener.
func Closed(addr string) bool { return addr == "" || addr == "off" }

// CheckAddr reports whether addr is off or can be listened on: host:port with a numeric port.
func CheckAddr(addr string) error {
	if Closed(addr) {
		return nil
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("want host:port, :port or off")
	}
	if n, err := net.LookupPort("tcp", port); err != nil || n < 0 {
		return errors.New("the port is not a number from 0 to 65535")
	}
	return nil
}
