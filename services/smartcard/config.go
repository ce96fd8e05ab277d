package smartcard

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"
)

// Config is the smart card service's flags.
type Config struct {
	Relay      string        `help:"Socket of KasmVNC's smart card relay, as in its option -UnixRelay smartcard:PATH; off for none." default:"/tmp/smartcard" env:"RELAY"`
	VpcdAddr   string        `help:"Address of vpcd, the virtual card reader of pcscd." default:"127.0.0.1:35963" env:"VPCD_ADDR"`
	VpcdListen bool          `help:"Listen at the address, for a vpcd whose DEVICENAME is host:port and which connects to it." env:"VPCD_LISTEN"`
	Poll       time.Duration `help:"How often the browser is asked whether there is a card." default:"1s" env:"POLL"`
	Timeout    time.Duration `help:"How long a card may take to answer; a PIN may be asked for meanwhile at the user's desk." default:"120s" env:"TIMEOUT"`
}

const off = "off"

// Limits of Config.
const (
	minPoll    = 100 * time.Millisecond
	maxPoll    = time.Minute
	minTimeout = time.Second
	maxTimeout = time.Hour
)

// Validate names every flag whose value cannot be.
func (c Config) Validate() error {
	var errs []error
	fault := func(flag string, value any, want string) {
		errs = append(errs, fmt.Errorf("--smartcard-%s %v: want %s", flag, value, want))
	}
	if c.Relay != off && !filepath.IsAbs(c.Relay) {
		fault("relay", strconv.Quote(c.Relay), "an absolute path, or off")
	}
	if !validAddr(c.VpcdAddr) {
		fault("vpcd-addr", strconv.Quote(c.VpcdAddr), "host:port, such as 127.0.0.1:35963")
	}
	if c.Poll < minPoll || c.Poll > maxPoll {
		fault("poll", c.Poll, fmt.Sprintf("%v to %v", minPoll, maxPoll))
	}
	if c.Timeout < minTimeout || c.Timeout > maxTimeout {
		fault("timeout", c.Timeout, fmt.Sprintf("%v to %v", minTimeout, maxTimeout))
	}
	return errors.Join(errs...)
}

func validAddr(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}
