package smartcard

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Of linux/netlink.h and linux/inet_diag.h: lengths and offsets in bytes.
const (
	diagHeader   = unix.NLMSG_HDRLEN
	diagRequest  = diagHeader + 56 // inet_diag_req_v2
	diagState    = diagHeader + 1  // idiag_state, of an answer
	diagNoCookie = ^uint64(0)      // any socket at this address
	stateListen  = 10              // TCP_LISTEN
)

// listens reports whether a connection to addr on this machine would find a listening socket. It asks the kernel for that one socket (sock_diag(7)):
// a connection would be a card to vpcd, and /proc/net/tcp costs milliseconds on a machine with much memory, whose whole
// table of connections is walked.
func listens(addr netip.AddrPort) (bool, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return false, err
	}
	if err := unix.Sendto(fd, socketAt(addr), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return false, err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return false, err
	}
	return listensFrom(answer[:n])
}

// socketAt is the question for the socket that takes what comes to addr.
func socketAt(addr netip.AddrPort) []byte {
	q := make([]byte, diagRequest)
	order := binary.NativeEndian
	order.PutUint32(q, diagRequest)
	order.PutUint16(q[4:], unix.SOCK_DIAG_BY_FAMILY)
	order.PutUint16(q[6:], unix.NLM_F_REQUEST)
	ip := addr.Addr().Unmap()
	r := q[diagHeader:]
	r[0], r[1] = unix.AF_INET6, unix.IPPROTO_TCP
	if ip.Is4() {
		r[0] = unix.AF_INET
	}
	order.PutUint32(r[4:], 1<<stateListen)
	binary.BigEndian.PutUint16(r[8:], addr.Port())
	copy(r[12:], ip.AsSlice())
	order.PutUint64(r[48:], diagNoCookie)
	return q
}

var errNoAnswer = errors.New("the kernel does not say which sockets listen")

func listensFrom(answer []byte) (bool, error) {
	if len(answer) < diagHeader+4 {
		return false, errNoAnswer
	}
	switch binary.NativeEndian.Uint16(answer[4:]) {
	case unix.SOCK_DIAG_BY_FAMILY:
		return answer[diagState] == stateListen, nil
	case unix.NLMSG_ERROR:
		errno := unix.Errno(-int32(binary.NativeEndian.Uint32(answer[diagHeader:])))
		if errno == unix.ENOENT {
			return false, nil
		}
		return false, errno
	}
	return false, errNoAnswer
}
