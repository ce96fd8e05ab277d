package upload

import (
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The limits of Linux: bytes of one element of a path, and what we allow below the upload directory.
const (
	nameMax      = 255
	extensionMax = 32 // bytes of ".ext" that survive the cutting of a long name
	folderDepth  = 64
)

// place is where a finished file goes: a name in a folder below the upload directory, "" being itself.
type place struct {
	folder string // elements joined with /
	name   string
}

func (p place) path() string {
	if p.folder == "" {
		return p.name
	}
	return p.folder + "/" + p.name
}

// cleanName makes the name of a file from what a client sent: the last element of a path with / or \,
// byte for byte, cut to 255 bytes. The original helper only deleted the slashes, so that
// ../../etc/x became ....etcx; the last element is what the person meant.
func cleanName(sent string) (string, error) {
	name := sent[strings.LastIndexAny(sent, `/\`)+1:]
	if err := checkElement(name); err != nil {
		return "", err
	}
	name = cut(name, nameMax)
	if isOurs(name) {
		return "", errNameReserved
	}
	return name, nil
}

// cleanPlace makes a place from a relative path such as browsers give for the files of a folder. Every element
// passes the rules of names; a leading or doubled slash is nothing.
func cleanPlace(path string) (place, error) {
	elements := strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' })
	if len(elements) == 0 || strings.HasSuffix(path, "/") || strings.HasSuffix(path, `\`) {
		return place{}, errNameEmpty
	}
	if len(elements) > folderDepth {
		return place{}, errTooDeep
	}
	for i, e := range elements {
		clean, err := cleanName(e)
		if err != nil {
			return place{}, err
		}
		elements[i] = clean
	}
	last := len(elements) - 1
	return place{folder: strings.Join(elements[:last], "/"), name: elements[last]}, nil
}

// steps are the folders on the way to a folder, and itself: a, a/b, a/b/c.
func steps(folder string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if folder == "" {
			return
		}
		for i, c := range folder + "/" {
			if c == '/' && !yield(folder[:i]) {
				return
			}
		}
	}
}

func checkElement(name string) error {
	switch {
	case name == "":
		return errNameEmpty
	case name == "." || name == "..":
		return errNameDots
	case !utf8.ValidString(name):
		return errNameUTF8
	case strings.ContainsFunc(name, unicode.IsControl):
		return errNameControl
	}
	return nil
}

// cut shortens a name to limit bytes on a rune boundary; the extension stays.
func cut(name string, limit int) string {
	if len(name) <= limit {
		return name
	}
	stem, ext := splitExtension(name)
	return cutRunes(stem, limit-len(ext)) + ext
}

// splitExtension returns a name as stem and extension with its dot. What is too long to be an extension, or is all
// there is of the name, is none.
func splitExtension(name string) (stem, ext string) {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 || len(name)-i > extensionMax {
		return name, ""
	}
	return name[:i], name[i:]
}

func cutRunes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// numbered is the n-th other name for a file whose name is taken: "a (1).txt". The 0th is the name itself.
func numbered(name string, n int) string {
	if n == 0 {
		return name
	}
	stem, ext := splitExtension(name)
	suffix := fmt.Sprintf(" (%d)%s", n, ext)
	return cutRunes(stem, nameMax-len(suffix)) + suffix
}

// The files of an upload in progress are .NAME.ID.uploading, its bytes, and .NAME.ID.uploading.ranges, its journal.
// NAME is there for people who look; the journal has the real one.
const (
	partSuffix    = ".uploading"
	journalSuffix = ".uploading.ranges"
	partIDLength  = 16 // hexadecimal digits
)

func partName(name, id string) string {
	room := nameMax - len(".") - len(".") - partIDLength - len(journalSuffix)
	return "." + cutRunes(name, room) + "." + id + partSuffix
}

func journalName(part string) string { return strings.TrimSuffix(part, partSuffix) + journalSuffix }

// isOurs reports whether the name is one of an upload in progress.
func isOurs(name string) bool {
	rest, ok := strings.CutSuffix(name, partSuffix)
	if !ok {
		rest, ok = strings.CutSuffix(name, journalSuffix)
	}
	if !ok || len(rest) < len(".x.")+partIDLength || rest[0] != '.' {
		return false
	}
	id := rest[len(rest)-partIDLength:]
	return rest[len(rest)-partIDLength-1] == '.' && strings.Trim(id, "0123456789abcdef") == ""
}
