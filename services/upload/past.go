package upload

import (
	"errors"
	"time"
)

const (
	pastMax = 4096      // ended uploads that are remembered
	pastFor = time.Hour // and for how long
)

// errFinished says that the file of this upload is complete: what comes again of it is read and thrown away.
var errFinished = errors.New("the file is complete already")

// ending is how an upload ended: err is nil when its file was published.
type ending struct {
	err   error
	total int64
	place place
	at    time.Time
}

// past remembers ended uploads, the newest pastMax of them.
type past struct {
	endings map[string]ending
	order   []string // keys, oldest first; may have some that were forgotten
}

func newPast() past { return past{endings: make(map[string]ending)} }

func (p *past) remember(key string, e ending) {
	for len(p.order) >= pastMax {
		delete(p.endings, p.order[0])
		p.order = p.order[1:]
	}
	p.endings[key] = e
	p.order = append(p.order, key)
}

func (p *past) find(key string) (ending, bool) {
	e, ok := p.endings[key]
	if ok && time.Since(e.at) > pastFor {
		delete(p.endings, key)
		return ending{}, false
	}
	return e, ok
}

func (p *past) forget(key string) { delete(p.endings, key) }
