package relay

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/nbio"
)

// prefix of the names of the sockets that answers come to. The relay's own name and a random part follow.
const prefix = "ghostaux-relay-"

// staleAfter is how old a socket file must be before it is judged: between its making and its listening a
// socket looks like one that was left behind.
const staleAfter = time.Second

// socket opens a datagram socket, bound to path unless that is "", with a send buffer of so many bytes unless that is 0.
func socket(path string, sendBuffer int) (*nbio.Socket, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a datagram socket: %w", err)
	}
	if sendBuffer > 0 { // the kernel doubles it; a smaller one is slower and no fault
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer/2)
	}
	if path != "" {
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
			_ = unix.Close(fd)
			return nil, fmt.Errorf("bind the socket for the relay's answers to %s: %w", path, err)
		}
	}
	conn, err := nbio.Open(fd)
	if err != nil {
		return nil, fmt.Errorf("open a datagram socket: %w", err)
	}
	return conn, nil
}

// connect makes path the peer of the socket; the peer it had before is forgotten, and so is what that has sent.
func connect(raw interface{ Control(func(uintptr)) error }, path string) error {
	var err error
	controlErr := raw.Control(func(fd uintptr) {
		err = unix.Connect(int(fd), &unix.SockaddrUnix{Name: path})
	})
	return errors.Join(controlErr, err)
}

// probe connects a socket of its own to path, which tells whether somebody listens there and troubles nobody.
func probe(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
}

// identity is the inode of a socket file: a new Xvnc binds a new one. Its number is not given away again while
// the socket lives, and a socket that is dead refuses by itself.
type identity struct{ dev, ino uint64 }

func identify(path string) (identity, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return identity{}, err
	}
	return identity{dev: uint64(st.Dev), ino: st.Ino}, nil
}

// answerPath is a name that no other process has, in dir, for the relay at path.
func answerPath(dir, path string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	name := filepath.Base(path)
	if len(name) > 20 {
		name = name[:20] // an address holds 107 bytes
	}
	return filepath.Join(abs, prefix+name+"-"+rand.Text()[:10]+".sock"), nil
}

// removeStale unlinks the sockets in dir that a process which was killed left behind. One that somebody listens on stays,
// whoever that is; one that we may not remove stays too.
func removeStale(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || e.Type() != os.ModeSocket {
			continue
		}
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < staleAfter {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if errors.Is(probe(path), unix.ECONNREFUSED) {
			_ = os.Remove(path)
		}
	}
}
