package upload

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestDropzoneFileInOrder(t *testing.T) {
	g := start(t, nil)
	f := file{"u-1", "a b.bin", randomBytes(1, 700_001), 200_000}
	for i := range f.count() {
		g.want(g.chunk(f, i), 200, "uploaded Chunk")
		if i < f.count()-1 && slices.Contains(g.files(), f.name) {
			t.Fatal("visible before its last chunk")
		}
	}
	g.wantFile(f.name, f.content)
	g.wantFiles(f.name)
}

// TestChunksOutOfOrderInParallel: chunks of one file by eight workers, the last one first.
func TestChunksOutOfOrderInParallel(t *testing.T) {
	g := start(t, nil)
	f := file{"u-1", "big.bin", randomBytes(2, 10_000_019), 1_000_000}
	g.want(g.chunk(f, 10), 200, "uploaded Chunk")
	order := make(chan int, f.count())
	for _, i := range []int{0, 5, 9, 1, 8, 2, 7, 3, 6} {
		order <- i
	}
	close(order)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for i := range order {
				if a := g.chunk(f, i); a.status != 200 {
					t.Errorf("chunk %d: %v", i, a)
				}
			}
		})
	}
	workers.Wait()
	if slices.Contains(g.files(), f.name) {
		t.Fatal("visible before its last chunk")
	}
	g.want(g.chunk(f, 4), 200, "uploaded Chunk")
	g.wantFile(f.name, f.content)
	g.wantFiles(f.name)
	g.want(g.chunk(f, 4), 200, "uploaded Chunk") // again, after the end
	g.wantFiles(f.name)
}

func TestWholeFileForm(t *testing.T) {
	g := start(t, nil)
	content := randomBytes(3, 300_000)
	g.want(g.post("x.bin", content), 200, "uploaded Chunk")
	g.want(g.post("empty", nil), 200, "uploaded Chunk")
	g.want(g.post("deep.txt", []byte("x"), "relativePath", "photos/2024/deep.txt"), 200, "uploaded Chunk")
	g.wantFile("x.bin", content)
	g.wantFile("empty", nil)
	g.wantFile("photos/2024/deep.txt", []byte("x"))
	g.wantFiles("x.bin", "empty", "photos")
	for _, total := range []string{"0", "1"} {
		a := g.post("none"+total, nil, fieldID, "e"+total, fieldIndex, "0", fieldTotal, "0", fieldCount, total, fieldOffset, "0")
		g.want(a, 200, "uploaded Chunk")
		g.wantFile("none"+total, nil)
	}
}

func TestBodyWithoutLength(t *testing.T) {
	g := start(t, nil)
	content := randomBytes(4, 500_000)
	body, kind := formBody("x.bin", content)
	a := g.do(http.MethodPost, "/upload", struct{ *bytes.Buffer }{bytes.NewBuffer(body)}, "Content-Type", kind)
	g.want(a, 200, "uploaded Chunk")
	g.wantFile("x.bin", content)
}

func TestNumbersOfNoSense(t *testing.T) {
	g := start(t, nil)
	good := map[string]string{fieldID: "u", fieldIndex: "0", fieldTotal: "5", fieldSize: "5", fieldCount: "1", fieldOffset: "0"}
	for _, c := range []struct{ field, value string }{
		{fieldTotal, "-5"},
		{fieldTotal, "x"},
		{fieldTotal, ""},
		{fieldTotal, "9223372036854775808"},
		{fieldTotal, "9223372036854775807"},
		{fieldTotal, "4.5"},
		{fieldTotal, "0x5"},
		{fieldTotal, " 5"},
		{fieldTotal, "+5"},
		{fieldTotal, "absent"},
		{fieldOffset, "-1"},
		{fieldOffset, "6"},
		{fieldOffset, "absent"},
		{fieldIndex, "1"},
		{fieldIndex, "-1"},
		{fieldIndex, "absent"},
		{fieldCount, "-1"},
		{fieldCount, "absent"},
		{fieldSize, "-1"},
		{fieldID, strings.Repeat("x", 200)},
		{fieldID, "a\x01b"},
	} {
		var pairs []string
		for k, v := range good {
			if k == c.field {
				v = c.value
			}
			if v != "absent" {
				pairs = append(pairs, k, v)
			}
		}
		if a := g.post("n.txt", []byte("hello"), pairs...); a.status != 400 || !strings.HasPrefix(a.body, c.field) {
			t.Errorf("%s=%q: %d %q", c.field, c.value, a.status, a.body)
		}
	}
	g.wantFiles()
}

func TestSizesThatDoNotMatch(t *testing.T) {
	g := start(t, nil)
	fields := func(total string) []string {
		return []string{fieldID, "u" + total, fieldIndex, "0", fieldTotal, total, fieldCount, "1", fieldOffset, "0"}
	}
	g.want(g.post("long", []byte("hello!"), fields("5")...), 400, "Size mismatch")
	g.want(g.post("short", []byte("hell"), fields("6")...), 400, "Size mismatch")
	for _, name := range g.files() {
		if !isOurs(name) {
			t.Fatalf("%s was published", name)
		}
	}
	g.want(g.post("other", []byte("hell"), fields("6")...), 400, "belongs to another file")
	g.want(g.post("short", []byte("hello!"), fields("6")...), 200, "uploaded Chunk")
	g.wantFile("short", []byte("hello!"))
}

// Lengths that are wrong by what a closing boundary may vary by, and by more, are found, and nothing is published.
func TestLongSizesThatDoNotMatch(t *testing.T) {
	g := start(t, nil)
	for _, total := range []int{3 * writeSize, noteEvery} { // where a write ends and where a note is due
		for _, wrong := range []int{-writeSize, -4, -3, -2, -1, 1, 2, 3, 4, writeSize} {
			name := fmt.Sprint(total, wrong)
			a := g.post(name, randomBytes(1, total+wrong),
				fieldID, name, fieldIndex, "0", fieldTotal, strconv.Itoa(total), fieldCount, "1", fieldOffset, "0")
			g.want(a, 400, "Size mismatch")
		}
	}
	for _, name := range g.files() {
		if !isOurs(name) {
			t.Errorf("%s was published", name)
		}
	}
}

func TestFormsOfNoUse(t *testing.T) {
	g := start(t, nil)
	post := func(kind, body string) answer {
		return g.do(http.MethodPost, "/upload", strings.NewReader(crlf(body)), "Content-Type", kind)
	}
	g.want(post("text/plain", "x"), 400, "not a multipart/form-data form")
	g.want(post(testType, ""), 400, "ended before")
	g.want(post(testType, "--BoUnD|Content-Disposition: form-data; name=x||y|--BoUnD--"), 400, "no part named file")
	g.want(post(testType, "--BoUnD|Content-Disposition: form-data; name=file||y|--BoUnD--"), 400, "no part named file")
	g.want(post(testType, oneFile+"x|"+oneFile+"y|--BoUnD--"), 400, "one file a request")
	g.want(post(testType, oneFile+"x|--BoUnD|Content-Disposition: form-data; name=dzuuid||y|--BoUnD--"), 400, "before the file")
	g.want(post(testType, oneFile+"x"), 400, "ended before")
	g.wantFiles()
	g.want(post(testType, oneFile+"x|--BoUnD|Content-Disposition: form-data; name=note||y|--BoUnD--"), 200, "uploaded Chunk")
	g.wantFiles("a.txt")
}

func TestNamesThroughHTTP(t *testing.T) {
	g := start(t, nil)
	if err := os.Symlink("/tmp/out-of-here", filepath.Join(g.dir, "l")); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("あ", 300) + ".pdf"
	for sent, want := range map[string]string{
		"karlštejn.jpg": "karlštejn.jpg", "报告 (1).pdf": "报告 (1).pdf", "a–b’c.txt": "a–b’c.txt", "../../.bashrc": ".bashrc",
		`..\\..\\x`: "x", "/etc/passwd": "passwd", "CON": "CON", long: strings.Repeat("あ", 83) + ".pdf",
	} {
		body := strings.Replace(oneFile, "a.txt", sent, 1) + sent + "|--BoUnD--"
		g.want(g.do(http.MethodPost, "/upload", strings.NewReader(crlf(body)), "Content-Type", testType), 200, "uploaded Chunk")
		g.wantFile(want, []byte(sent))
	}
	for _, sent := range []string{"..", "", "x/", "x\x01.txt", "l"} {
		body := strings.Replace(oneFile, "a.txt", sent, 1) + "|--BoUnD--"
		a := g.do(http.MethodPost, "/upload", strings.NewReader(crlf(body)), "Content-Type", testType)
		if a.status != 400 {
			t.Errorf("%q: %v", sent, a)
		}
	}
	for _, path := range []string{"l/x", "../x", "passwd/x"} {
		if a := g.post("x", []byte("x"), fieldRelative, path); a.status != 400 {
			t.Errorf("%q: %v", path, a)
		}
	}
	if _, err := os.Lstat("/tmp/out-of-here"); err == nil {
		t.Fatal("a symbolic link was followed")
	}
	if parent, _ := os.ReadDir(filepath.Dir(g.dir)); len(parent) != 1 {
		t.Fatalf("something landed outside: %v", parent)
	}
}

func TestSymlinkIsReplacedNotFollowed(t *testing.T) {
	g := start(t, func(c *Config) { c.Conflict = conflictOverwrite })
	target := filepath.Join(t.TempDir(), "target")
	if err := os.Symlink(target, filepath.Join(g.dir, "l")); err != nil {
		t.Fatal(err)
	}
	g.want(g.post("l", []byte("x")), 200, "")
	g.wantFile("l", []byte("x"))
	if _, err := os.Lstat(target); err == nil {
		t.Fatal("a symbolic link was followed")
	}
}

// TestSameNameTwentyTimes: under each rule, twenty uploads of one name at once.
func TestSameNameTwentyTimes(t *testing.T) {
	for _, rule := range []string{conflictFail, conflictRename, conflictOverwrite} {
		t.Run(rule, func(t *testing.T) {
			g := start(t, func(c *Config) { c.Conflict = rule })
			var mu sync.Mutex
			statuses := map[int]int{}
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					a := g.chunk(file{"id" + strconv.Itoa(i), "a.txt", []byte(strconv.Itoa(i) + strings.Repeat("x", 20-i)), 100}, 0)
					mu.Lock()
					defer mu.Unlock()
					statuses[a.status]++
				})
			}
			all.Wait()
			contents := map[string]bool{}
			for _, name := range g.files() {
				b, _ := os.ReadFile(filepath.Join(g.dir, name))
				contents[string(b)] = true
				if n, _, _ := strings.Cut(string(b), "x"); len(b) != len(n)+20-atoi(n) {
					t.Errorf("%s has %q: a mix", name, b)
				}
			}
			switch rule {
			case conflictFail:
				if statuses[200] != 1 || statuses[400] != 19 || len(g.files()) != 1 {
					t.Errorf("%v, %v", statuses, g.files())
				}
			case conflictRename:
				if statuses[200] != 20 || len(contents) != 20 || !slices.Contains(g.files(), "a (19).txt") {
					t.Errorf("%v, %d contents, %v", statuses, len(contents), g.files())
				}
			case conflictOverwrite:
				if statuses[200] != 20 || len(g.files()) != 1 {
					t.Errorf("%v, %v", statuses, g.files())
				}
			}
		})
	}
}

func atoi(s string) int { n, _ := strconv.Atoi(s); return n }

func TestShorterOverLongerLeavesNoTail(t *testing.T) {
	g := start(t, func(c *Config) { c.Conflict = conflictOverwrite })
	g.want(g.post("a", randomBytes(6, 100_000)), 200, "")
	g.want(g.post("a", []byte("short")), 200, "")
	g.wantFile("a", []byte("short"))
	g.wantFiles("a")
	if err := os.Mkdir(filepath.Join(g.dir, "dir"), 0o777); err != nil {
		t.Fatal(err)
	}
	g.want(g.post("dir", []byte("x")), 400, "folder")
	g.wantFiles("a", "dir")
}
