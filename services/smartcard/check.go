package smartcard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ghostaux/pkg/relay"
	"ghostaux/pkg/service"
)

// installLines install the virtual card reader on Debian and Ubuntu, and start it where there is no systemd.
var installLines = [2]string{
	"apt-get install -y --no-install-recommends pcscd vsmartcard-vpcd",
	"pcscd --foreground &",
}

func installAdvice() string { return "To install it: " + strings.Join(installLines[:], "; ") }

// Where distributions keep pcscd, its drivers and their configuration.
var (
	pcscdPaths  = []string{"/usr/sbin/pcscd", "/usr/bin/pcscd", "/sbin/pcscd", "/usr/local/sbin/pcscd"}
	driverGlobs = []string{
		"/usr/lib/pcsc/drivers/serial/libifdvpcd.so*", "/usr/lib/*/pcsc/drivers/serial/libifdvpcd.so*",
		"/usr/lib64/pcsc/drivers/serial/libifdvpcd.so*", "/usr/local/lib/pcsc/drivers/serial/libifdvpcd.so*",
	}
	configGlobs = []string{"/etc/reader.conf.d/*", "/usr/local/etc/reader.conf.d/*"}
)

// Check looks for the parts of the virtual card reader, and for the far ends of the card.
func (s *Service) Check(context.Context) []service.Finding {
	return []service.Finding{s.checkPcscd(), s.checkDriver(), s.checkConfig(), s.checkListening(), s.checkRelay()}
}

func (s *Service) checkPcscd() service.Finding {
	f := service.Finding{What: "pcscd"}
	if path := s.first(pcscdPaths); path != "" {
		f.OK, f.Detail = true, path
		return f
	}
	f.Detail, f.Advice = "not installed", installAdvice()
	return f
}

func (s *Service) checkDriver() service.Finding {
	f := service.Finding{What: "vpcd driver"}
	if path := s.first(driverGlobs); path != "" {
		f.OK, f.Detail = true, path
		return f
	}
	f.Detail, f.Advice = "libifdvpcd.so not found", installAdvice()
	return f
}

func (s *Service) checkConfig() service.Finding {
	f := service.Finding{What: "vpcd configuration"}
	path, device := s.vpcdConfig()
	if path == "" {
		f.Detail, f.Advice = "no file in /etc/reader.conf.d names libifdvpcd", installAdvice()
		return f
	}
	host, port, ok := splitDevice(device)
	f.Detail = fmt.Sprintf("%s: DEVICENAME %s", path, device)
	_, want, _ := net.SplitHostPort(s.config.VpcdAddr)
	listens := host == "/dev/null"
	switch {
	case !ok:
		f.Advice = "Write DEVICENAME /dev/null:0x8C7B, and start pcscd again."
	case listens && s.config.VpcdListen:
		f.Advice = "This vpcd listens: run ghostaux without --smartcard-vpcd-listen."
	case !listens && !s.config.VpcdListen:
		f.Advice = fmt.Sprintf("Write DEVICENAME /dev/null:0x8C7B and start pcscd again, or run ghostaux with --smartcard-vpcd-listen "+
			"--smartcard-vpcd-addr %s:%d (not with Debian 12's vpcd, whose pcscd ends when the card is removed).", host, port)
	case strconv.Itoa(port) != want:
		f.Advice = fmt.Sprintf("Run ghostaux with --smartcard-vpcd-addr 127.0.0.1:%d, or change DEVICENAME.", port)
	default:
		f.OK = true
	}
	return f
}

func (s *Service) checkListening() service.Finding {
	f := service.Finding{What: "vpcd", OK: true}
	there, err := s.vpcdListens()
	switch {
	case s.config.VpcdListen:
		f.Detail = "will connect to " + s.config.VpcdAddr
	case err != nil:
		f.Detail = fmt.Sprintf("nobody knows whether it listens at %s: %v", s.config.VpcdAddr, err)
	case there:
		f.Detail = "listens at " + s.config.VpcdAddr
	default:
		f.OK, f.Detail = false, "does not listen at "+s.config.VpcdAddr
		f.Advice = "Start pcscd: " + installLines[1]
	}
	return f
}

func (s *Service) checkRelay() service.Finding {
	f := service.Finding{What: "smart card relay"}
	if s.config.Relay == off {
		f.OK, f.Detail = true, "off; the card comes from ghostaux card-agent"
		return f
	}
	if err := relay.Probe(s.config.Relay); err != nil {
		f.Detail = err.Error()
		f.Advice = "Start KasmVNC's Xvnc with -UnixRelay smartcard:" + s.config.Relay + ", or run `ghostaux card-agent` at the desk where the card is."
		return f
	}
	f.OK, f.Detail = true, s.config.Relay
	return f
}

// first returns the first file that one of the patterns matches.
func (s *Service) first(patterns []string) string {
	for _, pattern := range patterns {
		if found, _ := filepath.Glob(filepath.Join(s.root, pattern)); len(found) > 0 {
			return strings.TrimPrefix(found[0], s.root)
		}
	}
	return ""
}

// vpcdConfig returns the configuration that names vpcd's driver, and its DEVICENAME.
func (s *Service) vpcdConfig() (path, device string) {
	for _, pattern := range configGlobs {
		files, _ := filepath.Glob(filepath.Join(s.root, pattern))
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil || !bytes.Contains(text, []byte("libifdvpcd")) {
				continue
			}
			return strings.TrimPrefix(file, s.root), deviceName(text)
		}
	}
	return "", ""
}

// deviceName is the value of DEVICENAME in a reader's configuration, reader.conf(5).
func deviceName(text []byte) string {
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "DEVICENAME" {
			return strings.Trim(fields[1], `"`)
		}
	}
	return ""
}

// splitDevice splits /dev/null:PORT or HOST:PORT; vpcd takes a port in decimal, octal or hexadecimal, and 0x8C7B when there is none.
func splitDevice(device string) (host string, port int, ok bool) {
	host, number, found := strings.Cut(device, ":")
	if !found {
		return host, 0x8C7B, host != ""
	}
	n, err := strconv.ParseUint(number, 0, 16)
	return host, int(n), err == nil && host != ""
}

// vpcdListens reports whether something listens at VpcdAddr. An error is that it cannot be known: vpcd may be on another
// machine, or the kernel does not tell.
func (s *Service) vpcdListens() (bool, error) {
	host, port, err := net.SplitHostPort(s.config.VpcdAddr)
	if err != nil {
		return false, err
	}
	ips := []string{host}
	if host == "localhost" {
		ips = []string{"127.0.0.1", "::1"}
	}
	for _, ip := range ips {
		addr, err := netip.ParseAddrPort(net.JoinHostPort(ip, port))
		if err != nil || !addr.Addr().IsLoopback() {
			return false, errors.New("it is on another machine")
		}
		if there, err := listens(addr); there || err != nil {
			return there, err
		}
	}
	return false, nil
}
