package testkit

import (
	"os/exec"
	"regexp"
	"testing"
)

var linked = regexp.MustCompile(`(?m)^\t(?:\S+ => )?(/\S+) \(0x`)

// WithLibraries are the files that programs and plug-ins of this machine need to run in a guest, for GuestSpec.Files: they
// themselves and all that they are linked to, each at its own path.
func WithLibraries(t testing.TB, paths ...string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, path := range paths {
		out, err := exec.Command("ldd", path).CombinedOutput()
		if err != nil {
			t.Fatalf("ldd %s: %v: %s", path, err, out)
		}
		files[path] = path
		for _, m := range linked.FindAllStringSubmatch(string(out), -1) {
			files[m[1]] = m[1]
		}
	}
	return files
}
