package audioin

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/jfreymuth/pulse/proto"

	"ghostaux/pkg/pulse"
)

// publishers are the recording streams that must hear the desktop and not the microphone, though they asked for the
// default source: those that followed the default before the microphone became it, and those of programs that publish
// the desktop's sound to a server on this machine.
type publishers struct {
	proc   string              // /proc, or a stand-in of it
	pinned map[uint32]struct{} // indices of streams that have been moved to the desktop's monitor
}

func newPublishers(proc string) publishers {
	return publishers{proc: proc, pinned: make(map[uint32]struct{})}
}

// sendBack moves the streams that a new default source has taken with it to the monitor. Before is how all streams were.
func (p publishers) sendBack(client *pulse.Client, before []pulse.SourceOutput, monitor string) error {
	now, err := client.SourceOutputs()
	if err != nil {
		return err
	}
	was := make(map[uint32]uint32, len(before))
	for _, o := range before {
		was[o.Index] = o.Source
	}
	for _, o := range now {
		if source, known := was[o.Index]; known && source != o.Source && !o.Internal {
			if err := p.move(client, o, monitor); err != nil {
				return err
			}
		}
	}
	return nil
}

// pin moves every publisher that records the microphone to the monitor, and those that were moved before when the
// desktop has another sink by now.
func (p publishers) pin(client *pulse.Client, microphone uint32, monitor string) error {
	outputs, err := client.SourceOutputs()
	if err != nil {
		return err
	}
	sources, err := client.Sources()
	if err != nil {
		return err
	}
	names := make(map[uint32]string, len(sources))
	for _, s := range sources {
		names[s.Index] = s.Name
	}
	alive := make(map[uint32]struct{}, len(outputs))
	for _, o := range outputs {
		alive[o.Index] = struct{}{}
		_, pinned := p.pinned[o.Index]
		switch {
		case o.Internal, names[o.Source] == monitor:
		case pinned, o.Source == microphone && p.publishes(o.Process):
			if err := p.move(client, o, monitor); err != nil {
				return err
			}
		}
	}
	for index := range p.pinned {
		if _, ok := alive[index]; !ok {
			delete(p.pinned, index)
		}
	}
	return nil
}

// move moves one stream. One that has ended meanwhile, or that may not be moved, is left alone.
func (p publishers) move(client *pulse.Client, o pulse.SourceOutput, monitor string) error {
	err := client.MoveSourceOutput(o.Index, monitor)
	if _, refused := errors.AsType[proto.Error](err); refused {
		return nil
	}
	if err == nil {
		p.pinned[o.Index] = struct{}{}
	}
	return err
}

// publishes reports whether a process is ffmpeg or avconv sending to a server on this machine, as the start script's
// does: ffmpeg -f pulse -i default ... http://127.0.0.1:8081/kasmaudio.
func (p publishers) publishes(pid int) bool {
	if pid <= 0 {
		return false
	}
	cmdline, err := os.ReadFile(filepath.Join(p.proc, strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return false
	}
	args := bytes.Split(cmdline, []byte{0})
	name := filepath.Base(string(args[0]))
	if name != "ffmpeg" && name != "avconv" {
		return false
	}
	for _, arg := range args[1:] {
		for _, here := range []string{"http://127.", "http://localhost:", "http://[::1]:"} {
			if bytes.HasPrefix(arg, []byte(here)) {
				return true
			}
		}
	}
	return false
}
