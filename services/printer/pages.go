package printer

// How KasmVNC's client keeps documents (1.3.4 and 1.5.1, measured): it never forgets a chunk, so the second document of a
// page's life is handed to the viewer behind the first, in one file. Chromium's viewer then goes by the last startxref. Its
// offset counts from the beginning of the file; where that finds nothing, which is the rule, the viewer collects all
// objects anew and shows the newest. But where it happens to find a table of an earlier document, as with two documents of one
// size and layout, it shows that one again. The last startxref of such a document is therefore sent as zeros.

const (
	maxRemembered = 64 // documents that a page may have before the next one
	nearby        = 16 // a viewer skips white space before a table
)

// shown is what a browser keeps of one document.
type shown struct {
	size   int64
	tables []table
}

// pages are the documents that a browser may have now, oldest first. A page may have begun with any of them.
type pages struct {
	shown []shown
}

// add remembers a document, or the part of it that was sent.
func (p *pages) add(size int64, tables []table) {
	if len(p.shown) == maxRemembered {
		p.shown = append(p.shown[:0], p.shown[1:]...)
	}
	p.shown = append(p.shown, shown{size: size, tables: tables})
}

// misleads reports whether a viewer that follows the offset from the beginning of the file would find a table of an
// earlier document.
func (p *pages) misleads(offset int64) bool {
	for first := range p.shown {
		rest := offset
		for _, s := range p.shown[first:] {
			if rest < s.size+nearby && s.hasTable(rest) {
				return true
			}
			if rest -= s.size; rest < -nearby {
				break
			}
		}
	}
	return false
}

func (s shown) hasTable(offset int64) bool {
	for _, t := range s.tables {
		if d := t.offset - offset; d > -nearby && d < nearby && t.offset < s.size {
			return true
		}
	}
	return false
}
