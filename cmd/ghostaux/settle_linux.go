package main

import (
	"bufio"
	"context"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/cores"
)

// settled is when everything that only start-up needs has been done.
const settled = time.Second

// gcPercent is half of Go's default: little is allocated once peers are there, so that memory costs more than collections.
// While the process starts, a collection would only delay its listeners.
const gcPercent = 50

// keepPagesSmall asks the kernel not to hold the heap in pages of 2 MiB, which it does for as little as one page in use where that is its
// default, as in Debian: with a player, a microphone and a pad 14 MiB were resident under such a kernel instead of 16 to 20. It needs
// no right, and costs only memory when it fails.
func keepPagesSmall() {
	_ = unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0)
}

// settle is for once the process has started. From then on one processor core is enough. It gives back the memory that only start-up
// needed: the heap's free pages, and the pages of this program's own code and constants. What goes on being used comes back from
// the page cache by itself, about half of it.
func settle(ctx context.Context, c *cores.Cores) {
	t := time.NewTimer(settled)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return
	case <-t.C:
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	c.Save()
	debug.FreeOSMemory()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return // no /proc: nothing is lost
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		if start, end, ok := readOnly(lines.Text(), exe); ok {
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_DONTNEED) // a failure costs only memory
		}
	}
}

// readOnly parses a line of /proc/PID/maps: a mapping of the file that nobody can have written to, so that its pages are
// all in the file. Of a writable one the changes would be lost.
//
//	00400000-00a3c000 r-xp 00000000 fe:00 1234   /usr/bin/ghostaux
func readOnly(line, file string) (start, end uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) != 6 || fields[5] != file || fields[1] != "r-xp" && fields[1] != "r--p" {
		return 0, 0, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	a, errA := strconv.ParseUint(from, 16, 64)
	b, errB := strconv.ParseUint(to, 16, 64)
	return uintptr(a), uintptr(b), errA == nil && errB == nil && a < b
}
