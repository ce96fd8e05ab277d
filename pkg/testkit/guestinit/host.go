package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// hosts are the devices that a container's host, or its hardware, has made.
type hosts struct {
	mu    sync.Mutex // guards the following field
	nodes map[string]*os.File
}

func newHosts() *hosts { return &hosts{nodes: map[string]*os.File{}} }

// madeDevice is a device to make through uinput.
type madeDevice struct {
	Name, Phys string
	ID         [4]uint16 // bus, vendor, product, version
	Keys       []int
	Abs        map[int][2]int32 // by code: minimum, maximum
}

func set(f *os.File, request uint, value int) error {
	return unix.IoctlSetInt(int(f.Fd()), request, value)
}

// make answers with the node, such as "event3".
func (h *hosts) make(in madeDevice) (any, error) {
	f, err := os.OpenFile("/dev/uinput", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	node, err := create(f, in)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nodes[node] = f
	return node, nil
}

func create(f *os.File, in madeDevice) (string, error) {
	for request, codes := range map[uint][]int{0x40045564: {1, 3}, 0x40045565: in.Keys} { // UI_SET_EVBIT, UI_SET_KEYBIT
		for _, code := range codes {
			if err := set(f, request, code); err != nil {
				return "", fmt.Errorf("set bit: %w", err)
			}
		}
	}
	if in.Phys != "" {
		if err := ioctl(f, 0x4008556c, append([]byte(in.Phys), 0)); err != nil { // UI_SET_PHYS
			return "", fmt.Errorf("phys: %w", err)
		}
	}
	var setup [92]byte
	for i, v := range in.ID {
		binary.NativeEndian.PutUint16(setup[2*i:], v)
	}
	copy(setup[8:87], in.Name)
	if err := ioctl(f, 0x405c5503, setup[:]); err != nil { // UI_DEV_SETUP
		return "", fmt.Errorf("setup: %w", err)
	}
	for code, limits := range in.Abs {
		var abs [28]byte
		binary.NativeEndian.PutUint16(abs[:], uint16(code))
		binary.NativeEndian.PutUint32(abs[8:], uint32(limits[0]))
		binary.NativeEndian.PutUint32(abs[12:], uint32(limits[1]))
		if err := ioctl(f, 0x401c5504, abs[:]); err != nil { // UI_ABS_SETUP
			return "", fmt.Errorf("axis: %w", err)
		}
	}
	if err := ioctl(f, 0x5501, nil); err != nil { // UI_DEV_CREATE
		return "", fmt.Errorf("create: %w", err)
	}
	name := make([]byte, 64)
	if err := ioctl(f, 0x8040552c, name); err != nil { // UI_GET_SYSNAME
		return "", fmt.Errorf("sysname: %w", err)
	}
	return eventNode(string(name[:clen(name)]))
}

func clen(b []byte) int {
	for i, c := range b {
		if c == 0 {
			return i
		}
	}
	return len(b)
}

func eventNode(sysname string) (string, error) {
	for range 100 {
		if found, _ := filepath.Glob("/sys/devices/virtual/input/" + sysname + "/event*"); len(found) > 0 {
			return filepath.Base(found[0]), nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return "", fmt.Errorf("%s has no event node", sysname)
}

// remove takes a device away.
func (h *hosts) remove(in struct{ Node string }) (any, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.nodes[in.Node]
	if f == nil {
		return nil, fmt.Errorf("no device %s was made", in.Node)
	}
	delete(h.nodes, in.Node)
	return nil, f.Close()
}
