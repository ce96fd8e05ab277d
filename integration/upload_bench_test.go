package integration

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// The benchmark sends one gibibyte in chunks of 10 MB over TLS 1.3 on loopback, as one file and as ten at once, to
// ghostaux and to nginx's DAV PUT (a file for every chunk), in turns. It reports throughput, the processor time of the server for
// a gibibyte, and the server's peak memory.
//
//	go test -run '^$' -bench Upload -benchtime 3x ./integration
const (
	benchTotal = 1 << 30
	benchChunk = 10_000_000
)

// receiver is a server that takes chunks.
type receiver struct {
	name string
	addr string
	pid  int
	dir  string
	head func(file string, index int64) (head, tail string) // of one request around its chunk
}

func BenchmarkUpload(b *testing.B) {
	receivers := []receiver{benchNginx(b), benchGhostaux(b, "ghostaux", "--no-upload-sync"), benchGhostaux(b, "ghostaux-durable")}
	for _, files := range []int{1, 10} {
		for _, r := range receivers {
			b.Run(fmt.Sprintf("%s/files=%d", r.name, files), func(b *testing.B) { r.bench(b, files) })
		}
	}
}

func (r receiver) bench(b *testing.B, files int) {
	b.SetBytes(benchTotal)
	chunk := make([]byte, benchChunk)
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", r.pid), []byte("5"), 0) // the peak begins anew
	cpu := cpuSeconds(b, r.pid)
	for n := range b.N {
		var senders sync.WaitGroup
		for f := range files {
			senders.Go(func() { r.send(b, fmt.Sprintf("%s-%d-%d-%d", r.name, files, n, f), chunk, benchTotal/int64(files)) })
		}
		senders.Wait()
		b.StopTimer()
		left, _ := filepath.Glob(filepath.Join(r.dir, "*"))
		for _, path := range left {
			_ = os.Remove(path)
		}
		b.StartTimer()
	}
	b.ReportMetric((cpuSeconds(b, r.pid)-cpu)/float64(b.N), "cpu-s/GiB")
	b.ReportMetric(float64(peakMemory(b, r.pid))/(1<<20), "peak-MiB")
}

// send sends one file over one connection.
func (r receiver) send(b *testing.B, file string, chunk []byte, total int64) {
	conn, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	if err != nil {
		b.Error(err)
		return
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for i := int64(0); i*benchChunk < total; i++ {
		content := chunk[:min(benchChunk, total-i*benchChunk)]
		head, tail := r.head(file, i)
		length := strconv.Itoa(len(content) + len(tail))
		if body := strings.Index(head, "\r\n\r\n") + 4; body < len(head) {
			length = strconv.Itoa(len(content) + len(tail) + len(head) - body)
		}
		_, err := conn.Write([]byte(strings.Replace(head, "LENGTH", length, 1)))
		if err == nil {
			_, err = conn.Write(content)
		}
		if err == nil {
			_, err = conn.Write([]byte(tail))
		}
		if err != nil {
			b.Errorf("%s: %v", r.name, err)
			return
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil || resp.StatusCode >= 300 {
			b.Errorf("%s: %v %v", r.name, err, resp)
			return
		}
		_, _ = bufio.NewReader(resp.Body).WriteTo(discard{})
		resp.Body.Close()
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func benchGhostaux(b *testing.B, name string, args ...string) receiver {
	dir := b.TempDir()
	g := testkit.StartGhostaux(b, append([]string{"--only", "upload", "--upload-dir", dir, "--log-level", "info"}, args...)...)
	testkit.Eventually(b, 10*time.Second, "ready", func() bool { return len(g.Get(b, "/readyz")) > 0 })
	return receiver{name: name, addr: g.Addr(b, "upload"), pid: g.Cmd.Process.Pid, dir: dir, head: dropzoneHead}
}

// dropzoneHead is what stands around a chunk in Dropzone's request; names of one of ten files have -10- in them.
func dropzoneHead(file string, i int64) (head, tail string) {
	total := int64(benchTotal)
	if strings.Contains(file, "-10-") {
		total /= 10
	}
	body := ""
	for _, f := range [][2]string{
		{"dzuuid", file},
		{"dzchunkindex", strconv.FormatInt(i, 10)},
		{"dztotalfilesize", strconv.FormatInt(total, 10)},
		{"dzchunksize", strconv.Itoa(benchChunk)},
		{"dztotalchunkcount", strconv.FormatInt((total+benchChunk-1)/benchChunk, 10)},
		{"dzchunkbyteoffset", strconv.FormatInt(i*benchChunk, 10)},
	} {
		body += "------WebKitFormBoundary7MA4YWxkTrZu0gW\r\nContent-Disposition: form-data; name=\"" + f[0] + "\"\r\n\r\n" + f[1] + "\r\n"
	}
	body += "------WebKitFormBoundary7MA4YWxkTrZu0gW\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + file + "\"\r\n" +
		"Content-Type: application/octet-stream\r\n\r\n"
	return "POST /upload HTTP/1.1\r\nHost: bench\r\nAuthorization: " + testkit.Authorization(testkit.Token) + "\r\n" +
			"Content-Type: multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW\r\nContent-Length: LENGTH\r\n\r\n" + body,
		"\r\n------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n"
}

func benchNginx(b *testing.B) receiver {
	cert, key := writeCertificate(b)
	n := testkit.StartNginx(b, "ssl", `ssl_certificate `+cert+`; ssl_certificate_key `+key+`; ssl_protocols TLSv1.3;
		client_max_body_size 0; client_body_buffer_size 128k; keepalive_requests 100000; root DIR/files; dav_methods PUT;`)
	dir := filepath.Join(n.Dir, "files")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	return receiver{name: "nginx", addr: n.Addr, pid: n.Cmd.Process.Pid, dir: dir, head: func(file string, i int64) (string, string) {
		return fmt.Sprintf("PUT /%s-%d HTTP/1.1\r\nHost: bench\r\nContent-Length: LENGTH\r\n\r\n", file, i), ""
	}}
}

// BenchmarkUploadBesideSound measures the time of a sound packet through the relay, first alone and then while the same
// process takes an upload at full speed; of three rounds the best, since other work on the machine only makes it worse.
func BenchmarkUploadBesideSound(b *testing.B) {
	for _, uploading := range []bool{false, true} {
		b.Run(fmt.Sprintf("uploading=%v", uploading), func(b *testing.B) {
			for b.Loop() {
				var rounds []figures
				for range benchRounds {
					rounds = append(rounds, measure(b, func(b *testing.B) (*relay, func()) { return soundAndUpload(b, uploading) }, 4))
				}
				f := best(rounds)
				b.ReportMetric(us(f.p50), "p50-us")
				b.ReportMetric(us(f.p99), "p99-us")
			}
		})
	}
}

// soundAndUpload starts ghostaux with both services, and a sender that goes on until the end.
func soundAndUpload(b *testing.B, uploading bool) (*relay, func()) {
	dir := b.TempDir()
	g := testkit.StartGhostaux(b, "--only", "audioout,upload", "--audioout-source", "ingest", "--upload-dir", dir,
		"--upload-conflict", "overwrite", "--no-upload-sync", "--log-level", "info")
	r := receiver{name: "beside", addr: g.Addr(b, "upload"), pid: g.Cmd.Process.Pid, dir: dir, head: dropzoneHead}
	stop := make(chan struct{})
	var sending sync.WaitGroup
	if uploading {
		sending.Go(func() {
			chunk := make([]byte, benchChunk)
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					r.send(b, fmt.Sprintf("beside-10-%d", n), chunk, benchTotal/10)
					_ = os.Remove(filepath.Join(dir, fmt.Sprintf("beside-10-%d", n)))
				}
			}
		})
	}
	return &relay{g.Cmd.Process.Pid, g.Addr(b, "audioout/ingest"), g.Addr(b, "audioout")}, func() {
		close(stop)
		sending.Wait()
		g.Kill()
	}
}
