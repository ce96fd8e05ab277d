package upload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A journal stands beside the bytes of an unfinished upload. Its first line is the header in JSON; each further line
// is a range of bytes, "FROM TO", that had been written to the file before the line was. So after a kill at any
// moment the lines that are there are true. A crash of the machine can keep the line and lose the bytes: hence
// the boot in the header, and a journal of another boot is not believed.
type header struct {
	Key    string            `json:"key"`
	Total  int64             `json:"total"` // bytes
	Folder string            `json:"folder,omitempty"`
	Name   string            `json:"name"`
	Meta   map[string]string `json:"meta,omitempty"` // what a tus client said of the file
	Boot   string            `json:"boot"`
}

const journalMax = 64 << 20 // bytes of a journal that are read

var errJournal = errors.New("not a journal of an upload")

func (h header) encode() ([]byte, error) {
	line, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode journal: %w", err)
	}
	return append(line, '\n'), nil
}

func encodeSpan(s span) []byte {
	line := strconv.AppendInt(make([]byte, 0, 40), s.from, 10)
	line = append(line, ' ')
	line = strconv.AppendInt(line, s.to, 10)
	return append(line, '\n')
}

// parseJournal reads a journal. The end of a kill may have cut the last line short: it is not counted.
func parseJournal(content []byte) (header, ranges, error) {
	var h header
	first, rest, ok := bytes.Cut(content, []byte("\n"))
	if !ok || json.Unmarshal(first, &h) != nil || h.Key == "" || h.Total < 0 {
		return header{}, nil, errJournal
	}
	where, err := cleanPlace(place{h.Folder, h.Name}.path())
	if err != nil || where != (place{h.Folder, h.Name}) {
		return header{}, nil, errJournal
	}
	var have ranges
	for {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if !whole {
			return h, have, nil
		}
		rest = after
		from, to, ok := strings.Cut(string(line), " ")
		a, errA := strconv.ParseInt(from, 10, 64)
		b, errB := strconv.ParseInt(to, 10, 64)
		if !ok || errA != nil || errB != nil || a < 0 || b < a || b > h.Total {
			return header{}, nil, errJournal
		}
		have.add(a, b)
	}
}

// bootID names this run of the machine; containers see their host's.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(id))
}
