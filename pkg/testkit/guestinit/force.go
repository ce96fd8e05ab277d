package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Requests about force feedback.
const (
	eviocsFF  = 0x40304580 // struct ff_effect, 48 bytes
	eviocrmFF = 0x40044581
	ffRumble  = 0x50
	ffGain    = 0x60
)

// games are the open nodes of games that play effects: effects last as long as the node is open.
type games struct {
	mu    sync.Mutex // guards the following field
	nodes map[string]*os.File
}

func newGames() *games { return &games{nodes: map[string]*os.File{}} }

// forceRequest does one thing to a device's motors.
type forceRequest struct {
	Node          string // "event3"
	Do            string // upload, play, stop, erase, gain, close
	ID            int    // of the effect; -1 uploads a new one
	Strong, Weak  uint16
	Length, Delay uint16 // ms
	Value         int32  // of play: repetitions; of gain
}

// force answers with the id of the effect.
func (g *games) force(in forceRequest) (any, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f := g.nodes[in.Node]
	if f == nil {
		var err error
		if f, err = os.OpenFile(filepath.Join("/dev/input", in.Node), os.O_RDWR, 0); err != nil {
			return nil, err
		}
		g.nodes[in.Node] = f
	}
	switch in.Do {
	case "upload":
		return upload(f, in)
	case "play":
		return in.ID, write(f, in.ID, in.Value)
	case "stop":
		return in.ID, write(f, in.ID, 0)
	case "gain":
		return in.ID, write(f, ffGain, in.Value)
	case "erase":
		return in.ID, set(f, eviocrmFF, in.ID)
	case "close":
		delete(g.nodes, in.Node)
		return in.ID, f.Close()
	}
	return nil, fmt.Errorf("cannot %q", in.Do)
}

func upload(f *os.File, in forceRequest) (int, error) {
	var b [48]byte
	put := func(at int, v uint16) { binary.NativeEndian.PutUint16(b[at:], v) }
	put(0, ffRumble)
	put(2, uint16(in.ID))
	put(10, in.Length)
	put(12, in.Delay)
	put(16, in.Strong)
	put(18, in.Weak)
	err := ioctl(f, eviocsFF, b[:])
	return int(int16(binary.NativeEndian.Uint16(b[2:]))), err
}

// write sends an event of type EV_FF.
func write(f *os.File, code int, value int32) error {
	var b [24]byte
	binary.NativeEndian.PutUint16(b[16:], 0x15)
	binary.NativeEndian.PutUint16(b[18:], uint16(code))
	binary.NativeEndian.PutUint32(b[20:], uint32(value))
	_, err := f.Write(b[:])
	return err
}
