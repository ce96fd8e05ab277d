package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// killedAt is ghostaux with the upload service only, which the kernel ends at a system call on the directory, before that
// does anything. strace stands aside, so that the process is ghostaux itself.
func killedAt(t *testing.T, dir, call string) *uploader {
	t.Helper()
	return &uploader{T: t, dir: dir, client: testkit.Client(t), g: testkit.StartGhostauxWith(t, testkit.Start{
		Under: strings.Fields("strace -D -f -q -o /dev/null -P " + dir + " -e trace=" + call + " -e inject=" + call + ":signal=KILL"),
		Args:  []string{"--only", "upload", "--upload-dir", dir},
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
			u := killedAt(t, dir, moment.call)
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
