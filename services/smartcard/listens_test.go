package smartcard

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestListens(t *testing.T) {
	for _, tt := range []struct {
		name, network, listen, ask string
		want                       bool
	}{
		{"loopback", "tcp4", "127.0.0.1:0", "127.0.0.1", true},
		{"every IPv4 address, as vpcd does", "tcp4", "0.0.0.0:0", "127.0.0.1", true},
		{"every address of both kinds", "tcp", "[::]:0", "127.0.0.1", true},
		{"IPv6 loopback", "tcp6", "[::1]:0", "::1", true},
		{"only IPv6", "tcp6", "[::1]:0", "127.0.0.1", false},
		{"another address", "tcp4", "127.0.0.2:0", "127.0.0.1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen(tt.network, tt.listen)
			if err != nil {
				t.Fatal(err)
			}
			addr := netip.AddrPortFrom(netip.MustParseAddr(tt.ask), uint16(l.Addr().(*net.TCPAddr).Port))
			if got, err := listens(addr); got != tt.want || err != nil {
				t.Errorf("listens at %v: %v, %v; want %v", addr, got, err, tt.want)
			}
			_ = l.Close()
			if got, err := listens(addr); got || err != nil {
				t.Errorf("after the listener's end %v, %v", got, err)
			}
		})
	}
}

// TestListensToNoConnection: a socket that is connected from the port does not listen at it.
func TestListensToNoConnection(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	addr := conn.LocalAddr().(*net.TCPAddr).AddrPort()
	if got, err := listens(addr); got || err != nil {
		t.Errorf("a connection's own port: %v, %v", got, err)
	}
}

// TestListAnswer: what is no list says nothing about who listens, least of all that nobody does.
func TestListAnswer(t *testing.T) {
	message := func(kind uint16, body ...byte) []byte {
		b := binary.NativeEndian.AppendUint32(nil, uint32(unix.NLMSG_HDRLEN+len(body)))
		b = binary.NativeEndian.AppendUint16(b, kind)
		return append(append(b, make([]byte, unix.NLMSG_HDRLEN-len(b))...), body...)
	}
	loopback := netip.MustParseAddr("127.0.0.1")
	socket := make([]byte, diagAnswer)
	socket[0], socket[1] = unix.AF_INET, stateListen
	copy(socket[diagSource:], loopback.AsSlice())
	mapped := make([]byte, diagAnswer)
	mapped[0] = unix.AF_INET6
	whole := loopback.As16()
	copy(mapped[diagSource:], whole[:])
	noSuch := binary.NativeEndian.AppendUint32(nil, ^uint32(unix.ENOENT)+1)
	for name, tt := range map[string]struct {
		answer      []byte
		found, done bool
		fails       bool
	}{
		"nobody":               {message(unix.NLMSG_DONE, 0, 0, 0, 0), false, true, false},
		"one, and more comes":  {message(unix.SOCK_DIAG_BY_FAMILY, socket...), true, false, false},
		"one, and the end":     {append(message(unix.SOCK_DIAG_BY_FAMILY, socket...), message(unix.NLMSG_DONE, 0, 0, 0, 0)...), true, true, false},
		"IPv4 in IPv6":         {message(unix.SOCK_DIAG_BY_FAMILY, mapped...), true, false, false},
		"no tcp_diag":          {message(unix.NLMSG_DONE, noSuch...), false, true, true},
		"no sock_diag":         {message(unix.NLMSG_ERROR, append(noSuch, make([]byte, 16)...)...), false, true, true},
		"a socket that is cut": {message(unix.SOCK_DIAG_BY_FAMILY, socket[:20]...), false, true, true},
		"a message that is":    {message(unix.NLMSG_DONE, 0, 0, 0, 0)[:18], false, true, true},
		"nothing":              {nil, false, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			found, done, err := listAnswer(tt.answer, loopback)
			if found != tt.found || done != tt.done || errors.Is(err, errNoAnswer) != tt.fails {
				t.Errorf("found %v, done %v, %v", found, done, err)
			}
		})
	}
}

func BenchmarkListens(b *testing.B) {
	addr := netip.MustParseAddrPort("127.0.0.1:9")
	for b.Loop() {
		if there, err := listens(addr); there || err != nil {
			b.Fatal(there, err)
		}
	}
}
