package integration

import (
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// TestCoresFollowTheWork: the process runs on one core, and on all while an upload lasts.
func TestCoresFollowTheWork(t *testing.T) {
	t.Parallel()
	if chosen, ok := os.LookupEnv("GOMAXPROCS"); ok {
		t.Fatalf("GOMAXPROCS=%s is in the environment, which ghostaux would heed", chosen)
	}
	g := testkit.StartGhostaux(t, "--only", "upload", "--upload-dir", t.TempDir())
	cores := func(want int) func() bool {
		return func() bool {
			return strings.Contains(string(g.Get(t, "/metrics")), "\ngo_gomaxprocs "+strconv.Itoa(want)+"\n")
		}
	}
	testkit.Eventually(t, 20*time.Second, "one core", cores(1))
	body, file := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL(t, "upload", "/upload"), body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", testkit.Authorization(testkit.Token))
	req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	status := make(chan int, 1)
	client := testkit.Client(t)
	go func() {
		resp, err := client.Do(req)
		if err != nil {
			status <- -1
			return
		}
		_ = resp.Body.Close()
		status <- resp.StatusCode
	}()
	_, _ = io.WriteString(file, "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nslow")
	testkit.Eventually(t, 20*time.Second, "all cores", cores(runtime.GOMAXPROCS(0)))
	_, _ = io.WriteString(file, "ly\r\n--b--\r\n")
	_ = file.Close()
	if code := <-status; code != http.StatusOK {
		t.Errorf("upload: %d", code)
	}
	testkit.Eventually(t, 30*time.Second, "one core again", cores(1))
}
