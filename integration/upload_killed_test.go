package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ghostaux/pkg/testkit"
)

// faulty is ghostaux with the upload service only, to which a system call on the directory does not happen, but what
// strace injects instead. strace stands aside, so that the process is ghostaux itself.
func faulty(t *testing.T, dir, call, instead string, args ...string) *uploader {
	t.Helper()
	return &uploader{T: t, dir: dir, client: testkit.Client(t), g: testkit.StartGhostauxWith(t, testkit.Start{
		Under: strings.Fields("strace -D -f -q -o /dev/null -P " + dir + " -e trace=" + call + " -e inject=" + call + ":" + instead),
		Args:  append([]string{"--only", "upload", "--upload-dir", dir}, args...),
	})}
}

// TestUploadKilledBeforeTheAnswer: kill -9 when the file has its name and nobody has the answer, and again when
// the answer is out and the journal is not removed. The client sends its last chunk again, and there is one file.
func TestUploadKilledBeforeTheAnswer(t *testing.T) {
	for name, moment := range map[string]struct {
		call     string
		answered bool
	}{
		"renamed":  {"fsync", false}, // of the directory, after the file's own
		"answered": {"unlinkat", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := chunked{id: "k", name: "k.bin", size: 1000, chunk: 600}
			content := randomContent(4, file.size)
			u := faulty(t, dir, moment.call, "signal=KILL")
			if status, text, err := u.send(file, 0, content[:600]); err != nil || status != 200 {
				t.Fatalf("first chunk: %d %q %v", status, text, err)
			}
			if status, text, err := u.send(file, 1, content[600:]); (err == nil) != moment.answered {
				t.Fatalf("last chunk: %d %q %v", status, text, err)
			}
			select {
			case <-u.g.Exited():
			case <-time.After(20 * time.Second):
				t.Fatal("nothing has killed it")
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) != 2 || left[1].Name() != file.name {
				t.Fatalf("after the kill: %v %v; want the file and its journal", left, err)
			}
			u = startUploader(t, dir)
			if status, text, err := u.send(file, 1, content[600:]); err != nil || status != 200 {
				t.Fatalf("last chunk again: %d %q %v", status, text, err)
			}
			if names := u.names(); !slices.Equal(names, []string{file.name}) {
				t.Errorf("%q", names)
			}
			if got, err := os.ReadFile(filepath.Join(dir, file.name)); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%v, equal %v", err, bytes.Equal(got, content))
			}
		})
	}
}

// TestUploadWithoutAnExclusiveRename: NFS and some FUSE do not know RENAME_NOREPLACE; then a hard link gives the name, or
// an empty file keeps it where there are no links either. The rule for names that are taken holds, also for many at once.
func TestUploadWithoutAnExclusiveRename(t *testing.T) {
	for calls, errno := range map[string]string{"renameat2": "EINVAL", "renameat2,linkat": "EOPNOTSUPP"} {
		t.Run(calls, func(t *testing.T) {
			t.Parallel()
			manyOfOneName(t, calls, "error="+errno)
		})
	}
}

func manyOfOneName(t *testing.T, calls, fault string) {
	const count = 8
	for conflict, want := range map[string]struct {
		answers map[string]int
		files   int
	}{
		"fail":   {map[string]int{"uploaded Chunk": 1, "File already exists": count - 1}, 1},
		"rename": {map[string]int{"uploaded Chunk": count}, count},
	} {
		t.Run(conflict, func(t *testing.T) {
			u := faulty(t, t.TempDir(), calls, fault, "--upload-conflict", conflict)
			var all sync.WaitGroup
			var mu sync.Mutex
			answers, sent := map[string]int{}, map[string]bool{}
			for i := range int64(count) {
				all.Go(func() {
					content := randomContent(i, 1000+i)
					_, text, err := u.send(chunked{id: fmt.Sprint(i), name: "same.bin", size: 1000 + i, chunk: 2000}, 0, content)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					answers[text]++
					sent[string(content)] = true
				})
			}
			all.Wait()
			if diff := cmp.Diff(want.answers, answers); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			names := u.names() // hidden ones too: nothing is left of the parts
			if len(names) != want.files || !slices.Contains(names, "same.bin") {
				t.Fatalf("%q", names)
			}
			for _, name := range names {
				got, err := os.ReadFile(filepath.Join(u.dir, name))
				if err != nil || !sent[string(got)] {
					t.Errorf("%s: %v; it is none of the files that were sent, or one of them twice", name, err)
				}
				delete(sent, string(got))
			}
		})
	}
}
