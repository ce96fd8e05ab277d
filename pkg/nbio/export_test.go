package nbio

import "golang.org/x/sys/unix"

// Told reports whether one of the two pollers has something to tell, which is what wakes the process.
func (s *Socket) Told() bool {
	for _, q := range []*queue{s.in, s.out} {
		told := false
		_ = q.raw.Control(func(fd uintptr) {
			n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			told = n > 0
		})
		if told {
			return true
		}
	}
	return false
}
