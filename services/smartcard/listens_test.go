package smartcard

import (
	"net"
	"net/netip"
	"testing"
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

func BenchmarkListens(b *testing.B) {
	addr := netip.MustParseAddrPort("127.0.0.1:9")
	for b.Loop() {
		if there, err := listens(addr); there || err != nil {
			b.Fatal(there, err)
		}
	}
}
