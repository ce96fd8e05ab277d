package smartcard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/nbio"
)

// Of linux/netlink.h and linux/inet_diag.h: lengths and offsets in bytes, behind the header of each message.
const (
	diagRequest = 56 // length of inet_diag_req_v2
	diagStates  = 4  // idiag_states of a request
	diagPort    = 8  // id.idiag_sport of a request
	diagSource  = 8  // id.idiag_src of an answer
	diagAnswer  = 72 // length of inet_diag_msg
	stateListen = 10 // TCP_LISTEN
)

// errNoAnswer is a kernel without sock_diag(7), or a sandbox that does not let it be asked.
var errNoAnswer = errors.New("the kernel does not say which sockets listen")

// listens reports whether a connection to addr on this machine would find a listening socket. It has the kernel list those
// of the port (sock_diag(7)): a connection would be a card to vpcd, and to read /proc/net/tcp costs milliseconds on a machine
// with much memory, whose whole table of connections is walked.
func listens(addr netip.AddrPort) (bool, error) {
	ip := addr.Addr().Unmap()
	families := []uint8{unix.AF_INET6}
	if ip.Is4() {
		families = []uint8{unix.AF_INET, unix.AF_INET6} // a socket for all addresses of both kinds is one of IPv6
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	// As its reads and writes, it does not wait; see package nbio.
	defer unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	for _, family := range families {
		found, err := listensIn(fd, family, netip.AddrPortFrom(ip, addr.Port()))
		if found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// listensIn asks on a netlink socket. The kernel answers while it is asked, so that there is nothing to wait for.
func listensIn(fd int, family uint8, addr netip.AddrPort) (found bool, err error) {
	if _, err := nbio.WriteNow(uintptr(fd), listQuestion(family, addr.Port())); err != nil {
		return false, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	for buf := make([]byte, 8<<10); ; {
		n, err := nbio.ReadNow(uintptr(fd), buf)
		if err != nil {
			return false, fmt.Errorf("%w: %w", errNoAnswer, err)
		}
		here, done, err := listAnswer(buf[:n], addr.Addr())
		found = found || here
		if done || err != nil {
			return found, err
		}
	}
}

// listQuestion asks for the list of a family's sockets that listen at the port. A question for a single socket would be
// answered with the same ENOENT by a kernel that has none and by one that knows no sock_diag.
func listQuestion(family uint8, port uint16) []byte {
	q := make([]byte, unix.NLMSG_HDRLEN+diagRequest)
	order := binary.NativeEndian
	order.PutUint32(q, uint32(len(q)))
	order.PutUint16(q[4:], unix.SOCK_DIAG_BY_FAMILY)
	order.PutUint16(q[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	r := q[unix.NLMSG_HDRLEN:]
	r[0], r[1] = family, unix.IPPROTO_TCP
	order.PutUint32(r[diagStates:], 1<<stateListen)
	binary.BigEndian.PutUint16(r[diagPort:], port)
	return q
}

// listAnswer looks into one datagram of the answer for a socket that takes connections to ip; done is the end of the list.
func listAnswer(b []byte, ip netip.Addr) (found, done bool, err error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			break
		}
		switch body := b[unix.NLMSG_HDRLEN:size]; binary.NativeEndian.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			if len(body) >= 4 && binary.NativeEndian.Uint32(body) != 0 { // an errno, negative
				return found, true, errNoAnswer
			}
			return found, true, nil
		case unix.SOCK_DIAG_BY_FAMILY:
			if len(body) < diagAnswer {
				return found, true, errNoAnswer
			}
			at := netip.AddrFrom16([16]byte(body[diagSource:]))
			if body[0] == unix.AF_INET {
				at = netip.AddrFrom4([4]byte(body[diagSource:]))
			}
			found = found || at.Unmap() == ip || at.IsUnspecified()
		default: // NLMSG_ERROR
			return found, true, errNoAnswer
		}
		if b = b[min((size+3)&^3, len(b)):]; len(b) == 0 {
			return found, false, nil
		}
	}
	return found, true, errNoAnswer
}
