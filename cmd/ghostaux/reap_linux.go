package main

import (
	"context"
	"encoding/binary"
	"os"
	"os/signal"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reapGrace is how long a dead child is left for whoever started it here; those who did wait for it all the time.
const reapGrace = time.Second

// siginfoPID is where struct siginfo has si_pid for SIGCHLD: behind three numbers and, on 64-bit machines, padding.
const siginfoPID = 12 + (unsafe.Sizeof(uintptr(0)) - 4)

// reapOrphans buries the children of others when this process is the first of its container, which inherits them all. It does nothing
// where it is not.
func reapOrphans(ctx context.Context) {
	if os.Getpid() != 1 {
		return
	}
	died := make(chan os.Signal, 1)
	signal.Notify(died, unix.SIGCHLD)
	defer signal.Stop(died)
	for {
		for pid := deadChild(); pid != 0; pid = deadChild() {
			select {
			case <-time.After(reapGrace):
			case <-ctx.Done():
				return
			}
			if pid == deadChild() {
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
			}
		}
		select {
		case <-died:
		case <-ctx.Done():
			return
		}
	}
}

// deadChild is the PID of a child that has ended and was not waited for, which it leaves as it is; 0 when there is none.
func deadChild() int {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil || info.Signo != int32(unix.SIGCHLD) {
		return 0
	}
	bytes := (*[unsafe.Sizeof(info)]byte)(unsafe.Pointer(&info))
	return int(binary.NativeEndian.Uint32(bytes[siginfoPID:]))
}
