package integration

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// TestUploadKilled: kill -9 in the middle, twice, with chunks on the way in parallel; then on from there.
func TestUploadKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "Uploads")
	file := chunked{id: "7c9e6679-7425-40de-944b-e07fc1f90ae7", name: "whole.bin", size: 60_000_019, chunk: 1_000_000}
	content := randomContent(1, file.size)
	part := func(i int64) []byte { return content[i*file.chunk : min((i+1)*file.chunk, file.size)] }
	answered := map[int64]bool{}
	for _, until := range []int{15, 35} {
		u := startUploader(t, dir)
		var mu sync.Mutex
		var workers sync.WaitGroup
		for w := range int64(4) {
			workers.Go(func() {
				for i := w; i < file.count(); i += 4 {
					mu.Lock()
					done, enough := answered[i], len(answered) >= until
					mu.Unlock()
					if enough {
						u.g.Kill()
						return
					}
					if done {
						continue
					}
					status, _, err := u.send(file, i, part(i))
					mu.Lock()
					answered[i] = err == nil && status == http.StatusOK || answered[i]
					if !answered[i] {
						delete(answered, i)
					}
					mu.Unlock()
				}
			})
		}
		workers.Wait()
		if names := u.visible(); len(names) != 0 {
			t.Fatalf("visible half-made: %q", names)
		}
		if len(answered) >= int(file.count()) {
			t.Fatal("nothing was left to do after the kill")
		}
	}
	u := startUploader(t, dir)
	for i := range file.count() { // only what was never answered
		if !answered[i] {
			u.mustSend(file, i, part(i))
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, file.name))
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%v, equal %v", err, bytes.Equal(got, content))
	}
	if names := u.names(); len(names) != 1 {
		t.Errorf("left: %q", names)
	}
}

// TestUploadBeyondFourGigabytes: 5 GiB and one byte. The chunks between those that matter are written into the part
// file and its journal while ghostaux is down, as an earlier run of it would have: as a hole.
func TestUploadBeyondFourGigabytes(t *testing.T) {
	const mib = 1 << 20
	dir := filepath.Join(t.TempDir(), "Uploads")
	file := chunked{id: "big", name: "big.img", size: 5<<30 + 1, chunk: mib}
	u := startUploader(t, dir)
	last := file.count() - 1
	seam := int64(2<<30)/mib - 1 // its last byte is the first beyond 31 bits less one
	chunks := map[int64][]byte{0: randomContent(1, mib), seam: randomContent(2, mib), seam + 1: randomContent(3, mib), last: {42}}
	u.mustSend(file, 0, chunks[0])
	u.g.Kill()
	var part string
	for _, n := range u.names() {
		if strings.HasSuffix(n, ".uploading") {
			part = filepath.Join(dir, n)
		}
	}
	if err := os.Truncate(part, file.size); err != nil {
		t.Fatal(err)
	}
	journal, err := os.OpenFile(part+".ranges", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(journal, "%d %d\n%d %d\n", mib, seam*mib, (seam+2)*mib, last*mib)
	_ = journal.Close()

	u = startUploader(t, dir)
	for _, i := range []int64{last, seam + 1, seam} {
		if names := u.visible(); len(names) != 0 {
			t.Fatalf("visible too early: %q", names)
		}
		u.mustSend(file, i, chunks[i])
	}
	f, err := os.Open(filepath.Join(dir, file.name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, _ := f.Stat(); info.Size() != file.size {
		t.Fatalf("%d bytes, want %d", info.Size(), file.size)
	}
	for i, want := range chunks {
		got := make([]byte, len(want))
		if _, err := f.ReadAt(got, i*mib); err != nil || !bytes.Equal(got, want) {
			t.Errorf("chunk %d: %v, equal %v", i, err, bytes.Equal(got, want))
		}
	}
}

// TestUploadDirectoryNotWritable: a clear answer in under a second, and no restart when it is mended.
func TestUploadDirectoryNotWritable(t *testing.T) {
	g := testkit.StartGhostauxWith(t, testkit.Start{UID: 65534, Args: []string{"--only", "upload"}})
	u := &uploader{T: t, g: g, dir: filepath.Join(g.Home, "Uploads"), client: testkit.Client(t)}
	u.g.WaitState(t, "upload", "ready")
	file := chunked{id: "a", name: "a", size: 2, chunk: 1}
	u.mustSend(file, 0, []byte("x"))
	if err := os.Chmod(u.dir, 0o555); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	status, text, err := u.send(chunked{id: "b", name: "b", size: 1, chunk: 1}, 0, []byte("x"))
	took := time.Since(begin)
	if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(text, u.dir+" cannot be written") {
		t.Fatalf("%d %q %v", status, text, err)
	}
	if took > 2*time.Second { // one is promised; this machine is shared
		t.Errorf("the answer took %v", took)
	}
	u.g.WaitState(t, "upload", "degraded")
	if s := u.g.Status(t, "upload"); !strings.Contains(s.Advice, "65534") || !strings.Contains(s.Reason, "permission denied") {
		t.Errorf("status: %+v", s)
	}
	if err := os.Chmod(u.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	u.mustSend(file, 1, []byte("y")) // the unfinished one goes on
	u.mustSend(chunked{id: "b", name: "b", size: 1, chunk: 1}, 0, []byte("x"))
	if names := u.names(); !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("%q", names)
	}
}

// peakMemory is the most that a process has had in memory, in bytes.
func peakMemory(t testing.TB, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// zeros is a form with one file of so many zero bytes.
func zeros(name string, n int64) (body io.Reader, kind string) {
	head := "--BoUnD\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name + "\"\r\n\r\n"
	return io.MultiReader(strings.NewReader(head), io.LimitReader(zeroReader{}, n), strings.NewReader("\r\n--BoUnD--\r\n")),
		"multipart/form-data; boundary=BoUnD"
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestUploadMemory: half a gigabyte in one request, and more in small ones, cost neither memory nor TMPDIR.
func TestUploadMemory(t *testing.T) {
	tmp := filepath.Join(t.TempDir(), "absent")
	dir := filepath.Join(t.TempDir(), "Uploads")
	g := testkit.StartGhostauxWith(t, testkit.Start{
		Env: []string{"TMPDIR=" + tmp}, Args: []string{"--only", "upload", "--upload-dir", dir, "--no-upload-sync"},
	})
	u := &uploader{T: t, g: g, dir: dir, client: testkit.Client(t)}
	u.g.WaitState(t, "upload", "ready")
	before := peakMemory(t, g.Cmd.Process.Pid)
	body, kind := zeros("one.bin", 512<<20)
	if status, text, err := u.post(u.g.URL(t, "upload", "/upload"), kind, body); err != nil || status != 200 {
		t.Fatalf("%d %q %v", status, text, err)
	}
	var clients sync.WaitGroup
	for i := range 10 {
		clients.Go(func() {
			file := chunked{id: strconv.Itoa(i), name: fmt.Sprintf("%d.bin", i), size: 16 << 20, chunk: 2 << 20}
			for c := range file.count() {
				if status, text, err := u.send(file, c, make([]byte, file.chunk)); err != nil || status != 200 {
					t.Errorf("%d %q %v", status, text, err)
				}
			}
		})
	}
	clients.Wait()
	grown := peakMemory(t, g.Cmd.Process.Pid) - before
	t.Logf("peak before %.1f MiB, grown by %.1f MiB", float64(before)/(1<<20), float64(grown)/(1<<20))
	if grown > 16<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	if _, err := os.Stat(tmp); err == nil {
		t.Error("TMPDIR was used")
	}
}

// TestUploadThroughNginx: a proxy that takes bodies of 2 MiB only, as Kasm's advice for proxies implies, and chunks of 1 MiB.
func TestUploadThroughNginx(t *testing.T) {
	u := startUploader(t, filepath.Join(t.TempDir(), "Uploads"))
	proxy := testkit.StartNginx(t, "", `client_max_body_size 2m;
		location / { proxy_pass https://`+u.g.Addr(t, "upload")+`; proxy_ssl_verify off; proxy_http_version 1.1; }`)
	file := chunked{id: "n", name: "n.bin", size: 5<<20 + 17, chunk: 1 << 20}
	content := randomContent(3, file.size)
	for i := range file.count() {
		body, kind := file.form(i, content[i*file.chunk:min((i+1)*file.chunk, file.size)])
		status, text, err := u.post("http://"+proxy.Addr+"/upload", kind, bytes.NewReader(body))
		if err != nil || status != 200 {
			t.Fatalf("chunk %d: %d %q %v", i, status, text, err)
		}
	}
	got, err := os.ReadFile(filepath.Join(u.dir, file.name))
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%v, equal %v", err, bytes.Equal(got, content))
	}
}

// TestUploadCurl: what scripts do.
func TestUploadCurl(t *testing.T) {
	u := startUploader(t, filepath.Join(t.TempDir(), "Uploads"), "--upload-conflict", "rename")
	path := writeRandom(t, t.TempDir(), "报告 \"x\".pdf", 3_000_000) // large enough for Expect: 100-continue
	curl := func(credential string, args ...string) string {
		args = append([]string{"-sk", "-u", credential, "-w", "|%{http_code}"}, append(args, u.g.URL(t, "upload", "/upload"))...)
		out, err := exec.CommandContext(t.Context(), "curl", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("curl %q: %v: %s", args, err, out)
		}
		return string(out)
	}
	for range 2 {
		if got := curl(testkit.Token, "-F", "file=@"+path); got != "uploaded Chunk|200" {
			t.Fatalf("got %q", got)
		}
	}
	if got := curl("kasm_user:wrong", "-F", "file=@"+path); got != "Access Denied!|403" {
		t.Errorf("got %q", got)
	}
	if got := curl(testkit.Token, "-H", "Accept: application/json", "-F", "file=@"+path+";filename=.."); got != `{"error":"A file cannot be named . or .."}|400` {
		t.Errorf("got %q", got)
	}
	for _, name := range []string{"报告 \"x\".pdf", "报告 \"x\" (1).pdf"} {
		if sum(t, path) != sum(t, filepath.Join(u.dir, name)) {
			t.Errorf("%s differs", name)
		}
	}
	if n := len(u.names()); n != 2 {
		t.Errorf("%q", u.names())
	}
}

// TestUploadTusClient: tus-js-client through the front door, with a kill -9 in the middle.
func TestUploadTusClient(t *testing.T) {
	testkit.NodeModules(t)
	dir := filepath.Join(t.TempDir(), "Uploads")
	u := startUploader(t, dir, "--upload-rate", "8M")
	path := writeRandom(t, t.TempDir(), "tus.bin", 12_345_678)
	addr := u.g.Addr(t, "frontdoor")
	cmd := exec.CommandContext(t.Context(), "node", "testdata/upload_tus.mjs",
		"https://"+addr+"/uploads/files/", testkit.Authorization(testkit.Token), path, "from tus.bin")
	cmd.Env = append(os.Environ(), "NODE_TLS_REJECT_UNAUTHORIZED=0")
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed, last := false, ""
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		last = lines.Text()
		sent, _ := strconv.Atoi(strings.Fields(last + " 0 0")[1])
		if !killed && sent > 4<<20 {
			killed = true
			u.g.Kill()
			u = startUploader(t, dir, "--addr", addr)
		}
	}
	if err := cmd.Wait(); err != nil || last != "done" || !killed {
		t.Fatalf("tus-js-client: %v, %q, killed %v", err, last, killed)
	}
	if sum(t, path) != sum(t, filepath.Join(dir, "from tus.bin")) {
		t.Error("content differs")
	}
	if n := len(u.names()); n != 1 {
		t.Errorf("%q", u.names())
	}
}
