package testkit

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// archive is an initramfs in the making: the "newc" form of cpio, uncompressed, which is quickest where the guest's
// processor is emulated.
type archive struct {
	buf  bytes.Buffer
	ino  int
	dirs map[string]bool
}

// add adds a file with the directories above it.
func (a *archive) add(name string, mode uint32, data []byte) {
	name = strings.TrimPrefix(path.Clean(name), "/")
	var above []string
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		above = append(above, dir)
	}
	slices.Reverse(above)
	for _, dir := range above {
		a.mkdir(dir)
	}
	a.entry(name, 0o100000|mode, data)
}

func (a *archive) mkdir(name string) {
	name = strings.TrimPrefix(name, "/")
	if a.dirs == nil {
		a.dirs = map[string]bool{}
	}
	if !a.dirs[name] {
		a.dirs[name] = true
		a.entry(name, 0o040755, nil)
	}
}

func (a *archive) addFile(name, host string) error {
	b, err := os.ReadFile(host)
	if err != nil {
		return err
	}
	a.add(name, 0o755, b)
	return nil
}

func (a *archive) entry(name string, mode uint32, data []byte) {
	a.ino++
	// ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
	fields := []int{a.ino, int(mode), 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0}
	a.buf.WriteString("070701")
	for _, f := range fields {
		fmt.Fprintf(&a.buf, "%08X", f)
	}
	a.buf.WriteString(name + "\x00")
	a.pad()
	a.buf.Write(data)
	a.pad()
}

func (a *archive) pad() {
	for a.buf.Len()%4 != 0 {
		a.buf.WriteByte(0)
	}
}

func (a *archive) bytes() []byte {
	a.entry("TRAILER!!!", 0, nil)
	return a.buf.Bytes()
}
