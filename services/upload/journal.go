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
// the boot in the header, and a journal of another boot is not believed. Before the file gets its name a line
// "= INODE NAME" says which: when the process is killed between that and its answer, the next one finds the file there
// and knows that it is this upload's, so that the chunk that comes again is no second file. The journal goes when
// the answer is on its way.
type journal struct {
	header
	have  ranges
	named naming // of the last such line
}

// naming is the step from part file to file. The inode stays the same in it.
type naming struct {
	inode uint64 // 0: not known
	name  string // in the upload's folder
}

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

func (n naming) encode() []byte { return fmt.Appendf(nil, "= %d %s\n", n.inode, n.name) }

// parseJournal reads a journal. The end of a kill may have cut the last line short: it is not counted.
func parseJournal(content []byte) (journal, error) {
	var j journal
	first, rest, ok := bytes.Cut(content, []byte("\n"))
	if !ok || json.Unmarshal(first, &j.header) != nil || j.Key == "" || j.Total < 0 {
		return journal{}, errJournal
	}
	if !cleanAlready(place{j.Folder, j.Name}) {
		return journal{}, errJournal
	}
	for {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		if !whole {
			return j, nil
		}
		rest = after
		if err := j.parseLine(string(line)); err != nil {
			return journal{}, err
		}
	}
}

func (j *journal) parseLine(line string) error {
	if rest, ok := strings.CutPrefix(line, "= "); ok {
		inode, name, ok := strings.Cut(rest, " ")
		n, err := strconv.ParseUint(inode, 10, 64)
		if !ok || err != nil || !cleanAlready(place{j.Folder, name}) {
			return errJournal
		}
		j.named = naming{n, name}
		return nil
	}
	from, to, ok := strings.Cut(line, " ")
	a, errA := strconv.ParseInt(from, 10, 64)
	b, errB := strconv.ParseInt(to, 10, 64)
	if !ok || errA != nil || errB != nil || a < 0 || b < a || b > j.Total {
		return errJournal
	}
	j.have.add(a, b)
	return nil
}

// cleanAlready reports whether the place is one that cleanPlace makes.
func cleanAlready(at place) bool {
	clean, err := cleanPlace(at.path())
	return err == nil && clean == at
}

// bootID names this run of the machine; containers see their host's.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(id))
}
