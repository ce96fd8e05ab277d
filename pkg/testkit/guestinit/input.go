package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of linux/input.h.
const (
	eviocgID   = 0x80084502
	eviocgName = 0x80004506
	eviocgPhys = 0x80004507
	eviocgKey  = 0x80004518 // state of the keys
	eviocgBit  = 0x80004520
	eviocgAbs  = 0x80184540
)

func ioctl(f *os.File, request uint, arg []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), uintptr(request), uintptr(unsafe.Pointer(unsafe.SliceData(arg))))
	if errno != 0 {
		return errno
	}
	return nil
}

// device is an input device as its node describes it.
type device struct {
	Node       string // "event3"
	Name, Phys string
	ID         [4]uint16        // bus, vendor, product, version
	Keys, FF   []int            // codes
	Abs        map[int][6]int32 // by code: value, minimum, maximum, fuzz, flat, resolution
	Pressed    []int            // keys down now
	JS         string           // its joystick node, "" for none
}

// devices lists every event device that is there.
func devices() ([]device, error) {
	nodes, err := filepath.Glob("/dev/input/event*")
	if err != nil {
		return nil, err
	}
	list := []device{}
	for _, node := range nodes {
		d, err := describe(node)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

func describe(node string) (device, error) {
	f, err := os.Open(node)
	if err != nil {
		return device{}, err
	}
	defer f.Close()
	d := device{Node: filepath.Base(node), Abs: map[int][6]int32{}}
	var id [8]byte
	if err := ioctl(f, eviocgID, id[:]); err != nil {
		return d, err
	}
	for i := range d.ID {
		d.ID[i] = binary.NativeEndian.Uint16(id[2*i:])
	}
	d.Name, d.Phys = text(f, eviocgName), text(f, eviocgPhys)
	d.Keys, d.FF = bits(f, eviocgBit+1, 0x2ff), bits(f, eviocgBit+0x15, 0x7f)
	d.Pressed = bits(f, eviocgKey, 0x2ff)
	for _, code := range bits(f, eviocgBit+3, 0x3f) {
		var info [24]byte
		if err := ioctl(f, eviocgAbs+uint(code), info[:]); err != nil {
			return d, err
		}
		var values [6]int32
		for i := range values {
			values[i] = int32(binary.NativeEndian.Uint32(info[4*i:]))
		}
		d.Abs[code] = values
	}
	if js, _ := filepath.Glob(filepath.Join("/sys/class/input", d.Node, "device", "js*")); len(js) > 0 {
		d.JS = filepath.Base(js[0])
	}
	return d, nil
}

func text(f *os.File, request uint) string {
	var b [256]byte
	if ioctl(f, request|uint(len(b))<<16, b[:]) != nil {
		return ""
	}
	s, _, _ := bytes.Cut(b[:], []byte{0})
	return string(s)
}

func bits(f *os.File, request uint, highest int) []int {
	mask := make([]byte, highest/8+1)
	list := []int{}
	if ioctl(f, request|uint(len(mask))<<16, mask) != nil {
		return list
	}
	for code := range highest + 1 {
		if mask[code/8]>>(code%8)&1 != 0 {
			list = append(list, code)
		}
	}
	return list
}

// mknod makes another node of a device, as a container gets those that are mapped into it, for everybody.
func mknod(in struct{ Of, Path string }) (any, error) {
	var st unix.Stat_t
	if err := unix.Stat(in.Of, &st); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(in.Path), 0o755); err != nil {
		return nil, err
	}
	_ = os.Remove(in.Path)
	if err := unix.Mknod(in.Path, unix.S_IFCHR|0o600, int(st.Rdev)); err != nil {
		return nil, err
	}
	return nil, os.Chmod(in.Path, 0o666)
}

// event is what a game reads of an event or joystick node. Type -1 in a stream means that what happens from now on will
// be read: joydev drops what happens before the reader has taken the initial events.
type event struct {
	Micros     int64 // since 1970; for a joystick node, when it was read
	Type, Code int
	Value      int32
	ReadMicros int64 // when it was read
}

// read streams the events of a node until the peer goes or the device does, which is told as type -2.
func read(w http.ResponseWriter, r *http.Request) {
	var in struct{ Node string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f, err := os.OpenFile(filepath.Join("/dev/input", in.Node), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	go func() {
		<-r.Context().Done()
		_ = f.Close()
	}()
	parse, size := parseEvent, 24
	if strings.HasPrefix(in.Node, "js") {
		parse, size = parseJS, 8
	}
	enc, flush := json.NewEncoder(w), http.NewResponseController(w).Flush
	buf := make([]byte, 64*size)
	for initial, begun := size == 8, false; ; initial = false {
		if !initial && !begun {
			begun = enc.Encode(event{Type: -1}) == nil
		}
		if flush() != nil {
			return
		}
		n, err := f.Read(buf)
		if err != nil {
			_ = enc.Encode(event{Type: -2})
			return
		}
		now := time.Now().UnixMicro()
		for b := buf[:n]; len(b) >= size; b = b[size:] {
			_ = enc.Encode(parse(b, now))
		}
	}
}

func parseEvent(b []byte, now int64) event {
	return event{
		Micros: int64(binary.NativeEndian.Uint64(b))*1e6 + int64(binary.NativeEndian.Uint64(b[8:])),
		Type:   int(binary.NativeEndian.Uint16(b[16:])), Code: int(binary.NativeEndian.Uint16(b[18:])),
		Value: int32(binary.NativeEndian.Uint32(b[20:])), ReadMicros: now,
	}
}

// parseJS reads struct js_event: time 4, value 2, type 1, number 1.
func parseJS(b []byte, now int64) event {
	return event{
		Micros: now, ReadMicros: now, Type: int(b[6]), Code: int(b[7]),
		Value: int32(int16(binary.NativeEndian.Uint16(b[4:]))),
	}
}
