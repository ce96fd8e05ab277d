package upload

import (
	"crypto/rand"
	"strconv"
	"strings"
	"unicode"
)

// The keys of uploads, by what tells them apart. A client that sends Dropzone's fields without its id is known by the
// file's name and size; a plain form is one request and has nothing to be known by.
const (
	dropzoneKey = "dz:"
	tusKey      = "tus:"
	nameKey     = "name:"
	formKey     = "form:"
)

const (
	totalMax = 1 << 60 // bytes; beyond any file system
	idMax    = 128     // bytes of a client's id
)

// fields are what a form says beside the file. The dz ones are Dropzone's; relativePath is ours: the file's path in
// the folder that was chosen, as browsers give it in webkitRelativePath, to keep the folder's shape.
type fields map[string]string

const (
	fieldID       = "dzuuid"
	fieldIndex    = "dzchunkindex"
	fieldTotal    = "dztotalfilesize"
	fieldSize     = "dzchunksize"
	fieldCount    = "dztotalchunkcount"
	fieldOffset   = "dzchunkbyteoffset"
	fieldRelative = "relativePath"
)

func knownField(name string) bool {
	switch name {
	case fieldID, fieldIndex, fieldTotal, fieldSize, fieldCount, fieldOffset, fieldRelative:
		return true
	}
	return false
}

// chunk is one request's piece of a file.
type chunk struct {
	spec
	offset int64
	length int64 // bytes that the fields promise, or unknown
	whole  bool  // it is the file, whose size nobody has told
}

// chunkOf reads the fields and the file's name. Need is how long the file can be at most when it comes whole.
func chunkOf(f fields, filename string, need int64) (chunk, error) {
	c := chunk{length: unknown}
	var err error
	if path := f[fieldRelative]; path != "" {
		c.place, err = cleanPlace(path)
	} else {
		c.place.name, err = cleanName(filename)
	}
	if !f.dropzone() {
		c.whole = true
		c.spec.key, c.total, c.need = formKey+rand.Text(), unknown, need
		return c, err
	}
	if err := f.numbers(&c); err != nil { // told before a bad name is, as the original does
		return c, err
	}
	if err != nil {
		return c, err
	}
	c.key, err = f.key(c)
	return c, err
}

// dropzone reports whether any of Dropzone's fields is there.
func (f fields) dropzone() bool {
	for name := range f {
		if name != fieldRelative {
			return true
		}
	}
	return false
}

// numbers reads the numbers and what follows from them. An empty file has one chunk, or none in some betas of Dropzone.
func (f fields) numbers(c *chunk) error {
	index, err := f.number(fieldIndex)
	if err != nil {
		return err
	}
	if c.total, err = f.number(fieldTotal); err != nil {
		return err
	}
	count, err := f.number(fieldCount)
	if err != nil {
		return err
	}
	if c.offset, err = f.number(fieldOffset); err != nil {
		return err
	}
	size := int64(0)
	if _, sent := f[fieldSize]; sent {
		if size, err = f.number(fieldSize); err != nil {
			return err
		}
	}
	switch {
	case index >= max(count, 1):
		return badNumber(fieldIndex)
	case c.offset > c.total:
		return badNumber(fieldOffset)
	}
	switch rest := c.total - c.offset; {
	case size > 0:
		c.length = min(size, rest)
	case index+1 >= count:
		c.length = rest
	}
	c.need = c.total
	return nil
}

func (f fields) number(name string) (int64, error) {
	text, ok := f[name]
	if !ok {
		return 0, missingField(name)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > totalMax || strings.HasPrefix(text, "+") {
		return 0, badNumber(name)
	}
	return n, nil
}

func (f fields) key(c chunk) (string, error) {
	id, ok := f[fieldID]
	if !ok || id == "" {
		return nameKey + strconv.FormatInt(c.total, 10) + ":" + c.place.path(), nil
	}
	if len(id) > idMax || strings.ContainsFunc(id, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", badNumber(fieldID)
	}
	return dropzoneKey + id, nil
}
