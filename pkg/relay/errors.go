package relay

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

var (
	// ErrAbsent is what errors.Is finds in the error of a Send that found no relay, or whose relay is not the one of the
	// last Send any more.
	ErrAbsent = errors.New("no relay")
	// ErrTooLarge is a datagram that this machine does not send in one piece, or that Xvnc would cut.
	ErrTooLarge = errors.New("datagram too large for the relay")
	// ErrEmpty is a datagram without a byte, which Xvnc ignores.
	ErrEmpty = errors.New("empty datagram")

	// ErrBusy is a TrySend that would have to wait.
	ErrBusy = errors.New("no room in the relay's queue")

	errReplaced = errors.New("its socket was replaced by a new one")
	errUnbound  = errors.New("the socket file for its answers was removed")
)

// AbsentError says why there is no relay. errors.Is(err, ErrAbsent) holds.
type AbsentError struct {
	Path string
	Err  error
}

// Error names the path and the cause.
func (e *AbsentError) Error() string {
	if errors.Is(e.Err, unix.ECONNREFUSED) || errors.Is(e.Err, unix.ENOTCONN) {
		return fmt.Sprintf("no relay at %s: the socket file is there, but nobody listens", e.Path)
	}
	return fmt.Sprintf("no relay at %s: %v", e.Path, e.Err)
}

// Unwrap returns the cause and ErrAbsent.
func (e *AbsentError) Unwrap() []error { return []error{e.Err, ErrAbsent} }

// Advice says what a person can do about it, in one sentence.
func (e *AbsentError) Advice() string {
	switch {
	case errors.Is(e.Err, fs.ErrPermission):
		return "Run ghostaux as the user that Xvnc runs as: the socket lets nobody else send."
	case errors.Is(e.Err, unix.EPROTOTYPE):
		return "Give the path of a relay: this socket is of another kind."
	default:
		return "Start KasmVNC's Xvnc with -UnixRelay NAME:" + e.Path + "; it is found by itself then."
	}
}
