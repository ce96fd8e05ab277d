package printer

import "crypto/sha256"

// maxForgotten bounds the records of files whose names are gone.
const maxForgotten = 4096

// record is a file of the directory that needs no printing, or no more.
type record struct {
	stamp  stamp
	sum    [sha256.Size]byte
	hashed bool // sum is known: not for what was there at start
}

// ledger knows which files of the directory are not new. It belongs to Run, and survives it: a file that comes while the
// directory cannot be watched is new afterwards.
type ledger struct {
	begun bool // the files that were there at start are in it
	names map[string]record
	inode map[uint64]record // by number, also of names that are gone: a file that has another name too is not new
	moved move
}

// move is the first half of the last renaming, or moving away; record is empty when the name was not known.
type move struct {
	cookie uint32
	record record
}

func newLedger() *ledger {
	return &ledger{names: map[string]record{}, inode: map[uint64]record{}}
}

// put records the file under its name.
func (l *ledger) put(name string, r record) {
	l.names[name] = r
	l.inode[r.stamp.ino] = r
	if len(l.inode) > 2*len(l.names)+maxForgotten {
		clear(l.inode)
		for _, r := range l.names {
			l.inode[r.stamp.ino] = r
		}
	}
}

// moveFrom forgets the name until moveTo with the same cookie, which joins the two events of a renaming.
func (l *ledger) moveFrom(name string, cookie uint32) {
	l.moved = move{cookie: cookie, record: l.names[name]}
	l.forget(name)
}

// moveTo reports whether it is a known file that was renamed, as it was. Names of what is written elsewhere and then
// renamed into place are not known. A scan may have come before the events, and have found it under its new name already, or
// under neither, since a directory can change while it is listed.
func (l *ledger) moveTo(name string, cookie uint32, now stamp) bool {
	if r, ok := l.names[name]; ok && r.stamp == now {
		return true
	}
	if cookie == 0 || l.moved.cookie != cookie {
		return false
	}
	r := l.moved.record
	if r == (record{}) {
		r = l.inode[now.ino]
	}
	if r.stamp != now {
		return false
	}
	l.put(name, r)
	return true
}

// forget is for a name that was removed: a file that gets it later is new.
func (l *ledger) forget(name string) { delete(l.names, name) }

// knows reports whether the file is in this state already, under this name or another one.
func (l *ledger) knows(name string, now stamp) bool {
	if r, ok := l.names[name]; ok && r.stamp == now {
		return true
	}
	if r, ok := l.inode[now.ino]; ok && r.stamp == now {
		l.put(name, r) // linked, or renamed while nobody watched
		return true
	}
	return false
}

// touched reports whether a file that nothing was written to is a known one, and remembers its new time.
func (l *ledger) touched(name string, now stamp) bool {
	r, ok := l.names[name]
	if !ok || !r.stamp.sameSize(now) {
		if r, ok = l.inode[now.ino]; !ok || !r.stamp.sameSize(now) {
			return false
		}
	}
	r.stamp = now
	l.put(name, r)
	return true
}

func (s stamp) sameSize(o stamp) bool { return s.dev == o.dev && s.ino == o.ino && s.size == o.size }

// same reports whether the name had these bytes before.
func (l *ledger) same(name string, sum [sha256.Size]byte) bool {
	r, ok := l.names[name]
	return ok && r.hashed && r.sum == sum
}

// keep forgets the names for which there is no file.
func (l *ledger) keep(present map[string]bool) {
	for name := range l.names {
		if !present[name] {
			delete(l.names, name)
		}
	}
}
