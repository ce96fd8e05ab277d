package upload

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/sys/unix"
)

const (
	entriesMax = 10_000  // of a folder that are listed
	renameMax  = 8 << 10 // bytes of a PATCH
)

var (
	errAbsent  = &refusal{http.StatusNotFound, "name", "There is no such file"}
	errRequest = &refusal{http.StatusBadRequest, "form", `Send {"path": "NEW NAME"}`}
	errTaken   = &refusal{http.StatusConflict, "exists", "File already exists"}
	errContent = &refusal{http.StatusBadRequest, "form", "A folder has no content; send files to /upload"}
	errInside  = &refusal{http.StatusConflict, "name", "A folder cannot move into itself"}
)

// folderRoutes serve the upload directory to the console.
func (s *Service) folderRoutes(r chi.Router) {
	answer := func(f func(http.ResponseWriter, *http.Request, at) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			where, err := s.at(r)
			if err == nil {
				err = f(w, r, where)
			}
			if err != nil {
				s.fail(w, r, err)
			}
		}
	}
	for _, path := range []string{"/folder", "/folder/*"} {
		r.Get(path, answer(s.look))
		r.Head(path, answer(s.look))
		r.Put(path, s.makeFolder)
		r.Patch(path, answer(s.rename))
		r.Delete(path, answer(s.remove))
	}
}

// at is what a request to /folder/ is about: something in the upload directory, "" being itself.
type at struct {
	store *store
	place place
	info  fs.FileInfo
}

// at finds what the path names. Symbolic links are not followed, and uploads in progress are not shown.
func (s *Service) at(r *http.Request) (at, error) {
	st, err := s.current(r.Context())
	if err != nil {
		return at{}, err
	}
	path := pathOf(r)
	where := at{store: st}
	if path == "" {
		where.info, err = st.root.Lstat(".")
	} else {
		if where.place, err = cleanPlace(path); err != nil {
			return at{}, err
		}
		where.info, err = st.lstat(where.place)
	}
	if err != nil {
		return at{}, st.absent(err)
	}
	return where, nil
}

// pathOf is what a request to /folder/ names.
func pathOf(r *http.Request) string {
	return strings.Trim(strings.TrimPrefix(r.URL.Path, "/folder"), "/")
}

// lstat looks at the place; folders on the way must be folders.
func (s *store) lstat(p place) (fs.FileInfo, error) {
	for step := range steps(p.folder) {
		if info, err := s.root.Lstat(step); err != nil || !info.IsDir() {
			return nil, fs.ErrNotExist
		}
	}
	return s.root.Lstat(p.path())
}

func (s *store) absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errAbsent
	}
	return s.fault(err)
}

func (s *Service) look(w http.ResponseWriter, r *http.Request, where at) error {
	switch {
	case where.info.IsDir():
		return s.list(w, r, where)
	case where.info.Mode().IsRegular():
		return download(w, r, where)
	}
	return errAbsent
}

// listing is the JSON of a folder.
type listing struct {
	Path      string  `json:"path"`
	Entries   []entry `json:"entries"` // folders first, then by name
	Truncated bool    `json:"truncated,omitempty"`
}

type entry struct {
	Name     string    `json:"name"`
	Folder   bool      `json:"folder,omitempty"`
	Size     int64     `json:"size"` // bytes
	Modified time.Time `json:"modified"`
}

func (s *Service) list(w http.ResponseWriter, r *http.Request, where at) error {
	dir, err := where.store.root.Open(pathOr(where.place))
	if err != nil {
		return where.store.absent(err)
	}
	defer dir.Close()
	found, err := dir.ReadDir(entriesMax + 1)
	if err != nil && err != io.EOF {
		return where.store.fault(err)
	}
	page := listing{Path: where.place.path(), Entries: []entry{}, Truncated: len(found) > entriesMax}
	for _, e := range found {
		info, err := e.Info()
		if err != nil || isOurs(e.Name()) || !info.IsDir() && !info.Mode().IsRegular() {
			continue
		}
		page.Entries = append(page.Entries, entry{e.Name(), info.IsDir(), sizeOf(info), info.ModTime().UTC()})
	}
	slices.SortFunc(page.Entries, func(a, b entry) int {
		if a.Folder != b.Folder {
			if a.Folder {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name, b.Name)
	})
	body, err := json.Marshal(page)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	s.reply(w, r, http.StatusOK, "application/json", body)
	return nil
}

func sizeOf(info fs.FileInfo) int64 {
	if info.IsDir() {
		return 0
	}
	return info.Size()
}

func pathOr(p place) string {
	if p.name == "" {
		return "."
	}
	return p.path()
}

// makeFolder makes the folder of the path, and those on the way to it. One that is there already is as good as a new one.
func (s *Service) makeFolder(w http.ResponseWriter, r *http.Request) {
	if err := s.tryFolder(r); err != nil {
		s.fail(w, r, err)
		return
	}
	noContent(w, r)
}

func (s *Service) tryFolder(r *http.Request) error {
	st, err := s.current(r.Context())
	if err != nil {
		return err
	}
	if r.ContentLength != 0 { // somebody means a file
		return errContent
	}
	p, err := cleanPlace(pathOf(r))
	if err != nil {
		return err
	}
	if err := st.passable(p.folder); err != nil {
		return err
	}
	if info, err := st.root.Lstat(p.path()); err == nil && !info.IsDir() {
		return errTaken
	}
	return st.makeFolders(p.path())
}

// rename gives a file or folder another path, whose folders must exist.
func (s *Service) rename(w http.ResponseWriter, r *http.Request, where at) error {
	var want struct {
		Path string `json:"path"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, renameMax)).Decode(&want); err != nil || where.place.name == "" {
		return errRequest
	}
	to, err := cleanPlace(want.Path)
	if err != nil {
		return err
	}
	st := where.store
	if to.folder != "" {
		info, err := st.lstat(splitPlace(to.folder))
		if err != nil || !info.IsDir() {
			return errAbsent
		}
	}
	from, err := st.root.Open(where.place.folderPath())
	if err != nil {
		return st.absent(err)
	}
	defer from.Close()
	dir, err := st.root.Open(to.folderPath())
	if err != nil {
		return st.absent(err)
	}
	defer dir.Close()
	err = rename(from, where.place.name, renameTo{dir, to.name, false})
	switch {
	case errors.Is(err, fs.ErrExist):
		return errTaken
	case errors.Is(err, unix.EINVAL):
		return errInside
	case err != nil:
		return st.absent(err)
	}
	noContent(w, r)
	return nil
}

// splitPlace makes a place of a clean path.
func splitPlace(path string) place {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return place{name: path}
	}
	return place{folder: path[:i], name: path[i+1:]}
}

// remove removes a file, or a folder with what is in it.
func (s *Service) remove(w http.ResponseWriter, r *http.Request, where at) error {
	if where.place.name == "" {
		return errTusMethod
	}
	if err := where.store.root.RemoveAll(where.place.path()); err != nil {
		return where.store.fault(err)
	}
	noContent(w, r)
	return nil
}
