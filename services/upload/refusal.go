package upload

import (
	"errors"
	"fmt"
	"net/http"
)

// refusal is an error with its answer. Only the texts of refusals go to a peer; the page shows them as they are, so
// they are short and plain. Those in `quotes` of the table below are the original helper's.
type refusal struct {
	status int
	reason string // in metrics
	text   string
}

// Error is the text for the peer.
func (r *refusal) Error() string { return r.text }

// The table from error to answer.
var (
	errNameEmpty    = &refusal{http.StatusBadRequest, "name", "The file has no name"}
	errNameDots     = &refusal{http.StatusBadRequest, "name", "A file cannot be named . or .."}
	errNameControl  = &refusal{http.StatusBadRequest, "name", "The file's name has control characters"}
	errNameUTF8     = &refusal{http.StatusBadRequest, "name", "The file's name is not valid UTF-8"}
	errNameReserved = &refusal{http.StatusBadRequest, "name", "Names of this form are kept for uploads in progress"}
	errTooDeep      = &refusal{http.StatusBadRequest, "name", "The path has too many folders"}
	errSymlink      = &refusal{http.StatusBadRequest, "name", "A folder of the path is not a folder"}

	errNotForm   = &refusal{http.StatusBadRequest, "form", "The request is not a multipart/form-data form"}
	errMalformed = &refusal{http.StatusBadRequest, "form", "The form is malformed"}
	errNoFile    = &refusal{http.StatusBadRequest, "form", "The form has no part named file"}
	errTwoFiles  = &refusal{http.StatusBadRequest, "form", "Send one file a request"}
	errLateField = &refusal{http.StatusBadRequest, "form", "Send the fields before the file"}

	errSize     = &refusal{http.StatusBadRequest, "size", "Size mismatch"} // `Size mismatch`, there 500
	errOther    = &refusal{http.StatusBadRequest, "mismatch", "This upload id belongs to another file"}
	errGaps     = &refusal{http.StatusBadRequest, "mismatch", "The file arrives in too many pieces"}
	errExists   = &refusal{http.StatusBadRequest, "exists", "File already exists"} // `File already exists`
	errIsFolder = &refusal{http.StatusBadRequest, "exists", "A folder has this name"}

	errTorn      = &refusal{http.StatusBadRequest, "torn", "The connection ended before the form did"}
	errIdle      = &refusal{http.StatusRequestTimeout, "idle", "Nothing came for too long; send it again"}
	errPreempted = &refusal{http.StatusConflict, "preempted", "Another request sends this part of the file"}
	errBusy      = &refusal{http.StatusServiceUnavailable, "busy", "Another request still writes this file; try again"}
	errLost      = &refusal{http.StatusGone, "lost", "The earlier parts of this file are gone; upload it again"}

	errTooMany = &refusal{http.StatusServiceUnavailable, "busy", "Too many uploads are open; try again later"}
	errDisk    = &refusal{http.StatusInternalServerError, "disk", "Couldn't write the file to disk"} // `Couldn't write the file to disk`
)

func tooLarge(limit int64) *refusal {
	return &refusal{http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("The file is larger than the limit of %v", Size(limit))}
}

// noSpace begins with the original's `No Space available`, which was a 400.
func noSpace(need, free int64) *refusal {
	return &refusal{
		http.StatusInsufficientStorage, "space",
		fmt.Sprintf("No Space available: the file needs %v, %v are free", Size(need), Size(max(free, 0))),
	}
}

func diskFull() *refusal {
	return &refusal{http.StatusInsufficientStorage, "space", "No Space available: the disk became full"}
}

func overQuota(quota, used int64) *refusal {
	return &refusal{
		http.StatusInsufficientStorage, "quota",
		fmt.Sprintf("No Space available: uploads may take %v, %v are taken", Size(quota), Size(used)),
	}
}

func badNumber(field string) *refusal {
	return &refusal{http.StatusBadRequest, "number", field + " is not a possible number"}
}

func missingField(field string) *refusal {
	return &refusal{http.StatusBadRequest, "number", field + " is missing"}
}

func unavailable(why string) *refusal {
	return &refusal{http.StatusServiceUnavailable, "unavailable", why}
}

// asRefusal returns the answer to any error: those that have none of their own are faults of ours or of the disk.
func asRefusal(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	return errDisk
}

// reasons are all values of refusal.reason, so that each counter exists from the start.
func reasons() []string {
	return []string{
		"name", "form", "size", "mismatch", "exists", "torn", "idle", "preempted", "busy", "lost", "disk",
		"too_large", "space", "quota", "number", "unavailable", "access",
	}
}
