package upload

import "slices"

// span is the bytes [from, to) of a file.
type span struct{ from, to int64 }

// ranges are the bytes of a file that have arrived: sorted, apart from each other, none empty.
type ranges []span

// add puts [from, to) in, joining what touches or overlaps it.
func (r *ranges) add(from, to int64) {
	if from >= to {
		return
	}
	list := *r
	i, _ := slices.BinarySearchFunc(list, from, func(s span, at int64) int {
		if s.to < at {
			return -1
		}
		return 1
	})
	j := i
	for j < len(list) && list[j].from <= to {
		from, to = min(from, list[j].from), max(to, list[j].to)
		j++
	}
	*r = slices.Replace(list, i, j, span{from, to})
}

// cover reports whether every byte of a file of this size is there.
func (r ranges) cover(size int64) bool {
	return size == 0 || len(r) == 1 && r[0].from == 0 && r[0].to >= size
}

// bytes is how many bytes are there.
func (r ranges) bytes() (n int64) {
	for _, s := range r {
		n += s.to - s.from
	}
	return n
}

// prefix is how many bytes are there from the start without a gap.
func (r ranges) prefix() int64 {
	if len(r) == 0 || r[0].from != 0 {
		return 0
	}
	return r[0].to
}
