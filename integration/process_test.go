package integration

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ghostaux/pkg/testkit"
)

// weird has what passwords have in them.
const weird = "a:b@%+/ü x"

// guarded are the listeners and paths that want the token, and the status of a wrong one.
var guarded = []struct {
	listener, path string
	socket         bool
	refused        int
}{
	{"audioout", "/", true, 401},
	{"audioout", "/stream.ts", false, 401},
	{"upload", "/upload", false, 403},
	{"audioin", "/?sample_rate=48000", true, 401},
	{"gamepad", "/", true, 401},
	{"frontdoor", "/audio/", true, 401},
	{"frontdoor", "/uploads/upload", false, 403},
	{"frontdoor", "/audio_input/?sample_rate=44100", true, 401},
	{"frontdoor", "/gamepad/", true, 401},
	{"frontdoor", "/printer/documents", false, 401},
	{"frontdoor", "/smartcard/", true, 401},
	{"frontdoor", "/status", false, 401},
	{"frontdoor", "/metrics", false, 401},
	{"frontdoor", "/", false, 401},
}

// The token from VNC_PW opens every address; nothing else opens any, and it is written nowhere.
func TestTokenOnEveryAddress(t *testing.T) {
	g := testkit.StartGhostauxWith(t, testkit.Start{Env: []string{"GHOSTAUX_AUTH_TOKEN=", "VNC_PW=" + weird}})
	for _, p := range guarded {
		url := g.URL(t, p.listener, p.path)
		for _, credential := range []string{"", "kasm_user:", "kasm_user:wrong", "kasm_user:" + weird + "x", "kasm-user:" + weird} {
			if status := knock(t, url, credential, p.socket); status != p.refused {
				t.Errorf("%s as %q: %d, want %d", url, credential, status, p.refused)
			}
			if p.listener == "frontdoor" { // one address may be wrong 60 times in a row only; these paths share the guard of their own address
				break
			}
		}
		if status := knock(t, url, "kasm_user:"+weird, p.socket); status == 401 || status == 403 || status == 429 || p.socket && status != 101 {
			t.Errorf("%s with the right token: %d", url, status)
		}
	}
	if strings.Contains(g.Log(), weird) {
		t.Errorf("the log has the password")
	}
}

// knock is the status that a request with the credential gets.
func knock(t *testing.T, url, credential string, socket bool) int {
	t.Helper()
	if socket {
		conn, resp, err := testkit.TryDial(t, url, credential)
		if err == nil {
			_ = conn.CloseNow()
			return http.StatusSwitchingProtocols
		}
		if resp == nil {
			t.Fatalf("%s: %v", url, err)
		}
		return resp.StatusCode
	}
	method := http.MethodGet
	if strings.HasSuffix(url, "/upload") {
		method = http.MethodPost
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if credential != "" {
		req.Header.Set("Authorization", testkit.Authorization(credential))
	}
	resp, err := testkit.Client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// An address that another program has takes one service out, by name, and it comes back when the address is free.
func TestAddressTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	g := testkit.StartGhostaux(t, "--upload-addr", taken.Addr().String())
	for _, other := range []string{"audioout", "audioin", "gamepad"} {
		g.Addr(t, other)
	}
	g.WaitState(t, "upload", "degraded")
	if st := g.Status(t, "upload"); !strings.Contains(st.Reason, taken.Addr().String()) || !strings.Contains(st.Reason, "in use") {
		t.Errorf("reason %q", st.Reason)
	}
	taken.Close()
	g.WaitState(t, "upload", "ready")
}

// The container's own switches: exactly 1, or nothing, is on.
func TestSwitches(t *testing.T) {
	g := testkit.StartGhostauxWith(t, testkit.Start{Env: []string{"KASM_SVC_UPLOADS=0", "KASM_SVC_GAMEPAD=false", "KASM_SVC_AUDIO=1", "KASM_SVC_PRINTER="}})
	for name, off := range map[string]bool{"upload": true, "gamepad": true, "audioout": false, "printer": false} {
		if st := g.Status(t, name); off != (st.State == "off") {
			t.Errorf("%s is %s", name, st.State)
		}
	}
	if strings.Contains(g.Log(), `"service":"upload","endpoint"`) {
		t.Error("upload listens although it is off")
	}
}

// The mode for debugging: one service, nothing of the container around it.
func TestOnlyUpload(t *testing.T) {
	g := testkit.StartGhostaux(t, "--only", "upload", "--addr", "off", "--upload-dir", t.TempDir())
	if status := knock(t, g.URL(t, "upload", "/upload"), testkit.Token, false); status != 400 {
		t.Errorf("an empty POST: %d, want 400", status)
	}
	testkit.Eventually(t, 10*time.Second, "the request is told at debug level", func() bool {
		return strings.Contains(g.Log(), `"path":"/upload"`)
	})
}

// SIGTERM: every socket is told 1001, and nothing is left, not even ffmpeg.
func TestStop(t *testing.T) {
	pulse := testkit.StartPulse(t)
	g := testkit.StartGhostauxWith(t, testkit.Start{Env: []string{"PULSE_SERVER=" + pulse.Server}})
	g.WaitState(t, "audioin", "ready")
	codes := make(chan websocket.StatusCode, 3)
	for _, p := range []string{"/audio/", "/audio_input/?sample_rate=48000", "/audio/"} {
		conn := testkit.Dial(t, g.URL(t, "frontdoor", p))
		go func() {
			var err error
			for err == nil {
				_, _, err = conn.Read(context.Background())
			}
			codes <- websocket.CloseStatus(err)
		}()
	}
	testkit.Eventually(t, 20*time.Second, "ffmpeg runs", func() bool { return len(children(t, g.Cmd.Process.Pid)) > 0 })
	before := children(t, g.Cmd.Process.Pid)
	start := time.Now()
	if code := g.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	t.Logf("stopped in %v", time.Since(start))
	for range 3 {
		if code := <-codes; code != websocket.StatusGoingAway {
			t.Errorf("closed with %d, want 1001", code)
		}
	}
	for _, pid := range before {
		if _, err := os.Stat("/proc/" + pid); err == nil {
			t.Errorf("process %s is still there", pid)
		}
	}
	if !strings.Contains(g.Log(), `"msg":"stopped"`) {
		t.Error("the log does not say that it stopped")
	}
}

// children are the processes that pid has started.
func children(t *testing.T, pid int) []string {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, file := range files {
		b, _ := os.ReadFile(file) // the thread may have gone
		pids = append(pids, strings.Fields(string(b))...)
	}
	return pids
}

// A network without IPv6 is no trouble.
func TestWithoutIPv6(t *testing.T) {
	cmd := exec.Command("unshare", "-n", "sh", "-c",
		`ip link set lo up; echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null; exec "$0" "$@"`,
		testkit.Binary(t), "--log-format", "json", "--only", "audioout,gamepad", "--audioout-addr", ":4901", "--audioout-ingest-addr", "off")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GHOSTAUX_AUTH_TOKEN=" + testkit.Token}
	var log strings.Builder
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	defer func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
	}()
	listening := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1024)
		for {
			n, err := stderr.Read(buf)
			log.Write(buf[:n])
			if strings.Count(log.String(), `"msg":"listening"`) == 3 && listening != nil {
				close(listening)
				listening = nil
			}
			if err != nil {
				return
			}
		}
	}()
	select {
	case <-listening:
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		<-done
		t.Fatalf("not listening:\n%s", log.String())
	}
}

// With --fail-secure what is broken ends the process; a device that is missing does not, nor does anything without it.
func TestFailSecure(t *testing.T) {
	pulse := testkit.StartPulse(t)
	broken := []string{"PULSE_SERVER=" + pulse.Server, "GHOSTAUX_AUDIOOUT_FFMPEG=/nonexistent"}
	stays := testkit.StartGhostauxWith(t, testkit.Start{Env: broken, Args: []string{"--only", "audioout"}})
	absent := testkit.StartGhostauxWith(t, testkit.Start{Args: []string{"--only", "audioout,smartcard", "--fail-secure"}})
	ends := testkit.StartGhostauxWith(t, testkit.Start{Env: append(broken, "DLP_PROCESS_FAIL_SECURE=1"), Args: []string{"--only", "audioout"}})
	select {
	case <-ends.Exited():
	case <-time.After(60 * time.Second):
		t.Fatal("it goes on")
	}
	if code := ends.Cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(ends.Log(), "audioout") {
		t.Errorf("exit code %d", code)
	}
	for _, g := range []*testkit.Ghostaux{stays, absent} {
		if st := g.Status(t, "audioout"); st.State != "degraded" {
			t.Errorf("audioout is %s", st.State)
		}
	}
}

// As the first process of a container it buries what others leave.
func TestReapsOrphans(t *testing.T) {
	home := testkit.ShortDir(t)
	cmd := exec.Command("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", testkit.Binary(t),
		"--only", "upload", "--addr", "off", "--upload-addr", "127.0.0.1:0", "--upload-dir", home)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GHOSTAUX_AUTH_TOKEN=" + testkit.Token}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	var first string
	testkit.Eventually(t, 20*time.Second, "it runs", func() bool {
		if kids := children(t, cmd.Process.Pid); len(kids) == 1 {
			first = kids[0]
		}
		return first != "" && strings.Contains(commandLine(first), "upload-dir")
	})
	// A shell in the container starts a child and ends first: the child becomes one of the first process.
	out, err := exec.Command("nsenter", "-t", first, "-p", "-m", "sh", "-c", "(sleep 0.3 & exec true) & wait").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var pid int
	if _, err := fmt.Sscan(first, &pid); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 20*time.Second, "the orphan is there", func() bool { return len(children(t, pid)) == 1 })
	testkit.Eventually(t, 20*time.Second, "the orphan is buried", func() bool { return len(children(t, pid)) == 0 })
}

func commandLine(pid string) string {
	b, _ := os.ReadFile("/proc/" + pid + "/cmdline") // it may have gone
	return string(b)
}
