package integration

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// image is a directory as a KasmVNC image has it, with ghostaux in the place of the six programs.
type image struct {
	dir, home, pem string
}

func newImage(t testing.TB) image {
	t.Helper()
	m := image{dir: testkit.ShortDir(t), home: testkit.ShortDir(t)}
	for _, dir := range []string{".vnc", "Uploads", "PDF"} {
		if err := os.Mkdir(filepath.Join(m.home, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.pem = filepath.Join(m.home, ".vnc/self.pem")
	// KasmVNC's own way to make it: RSA, key and certificate in one file.
	out, err := exec.Command("openssl", "req", "-x509", "-nodes", "-days", "3650", "-newkey", "rsa:2048", "-subj", "/CN=kasm",
		"-keyout", m.pem, "-out", m.pem+".crt").CombinedOutput()
	if err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	crt, err := os.ReadFile(m.pem + ".crt")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(m.pem)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.pem, append(key, crt...), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(testkit.Binary(t), "install", m.dir).CombinedOutput(); err != nil {
		t.Fatalf("install: %v: %s", err, out)
	}
	return m
}

// start runs one of the six with its old arguments, as the start script does.
func (m image) start(t *testing.T, command string) *exec.Cmd {
	t.Helper()
	words := strings.Fields(command)
	cmd := exec.Command(filepath.Join(m.dir, words[0]), words[1:]...)
	cmd.Env = []string{"HOME=" + m.home, "PATH=" + os.Getenv("PATH"), "PULSE_SERVER=unix:" + m.home + "/none"}
	cmd.Stderr = t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s ends with %v", words[0], err)
		}
	})
	return cmd
}

// freePorts finds n ports that nobody listens on, below those that the kernel gives to clients, so that none is taken meanwhile.
func freePorts(t testing.TB, n int) []string {
	t.Helper()
	var ports []string
	for len(ports) < n {
		port := strconv.Itoa(15000 + rand.IntN(15000))
		ln, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			continue
		}
		defer ln.Close() // all are held until the last is found
		ports = append(ports, port)
	}
	return ports
}

// waitAccepting waits until somebody accepts at addr.
func waitAccepting(t *testing.T, addr string) {
	t.Helper()
	testkit.Eventually(t, 20*time.Second, addr+" accepts", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// The command lines of a running container (1.18), but for paths and ports: each starts its service, with its token, certificate, port and
// directory, and stays although its device is missing.
func TestSixCommandLines(t *testing.T) {
	m := newImage(t)
	p := freePorts(t, 5)
	token := "kasm_user:CorrectHorseBatteryStaple"
	started := []*exec.Cmd{
		m.start(t, fmt.Sprintf("jsmpeg/kasm_audio_out-linux kasmaudio %s %s %s %s %s", p[0], p[1], m.pem, m.pem, token)),
		m.start(t, fmt.Sprintf("audio_input/kasm_audio_input_server --ssl --auth-token %s --cert %s --certkey %s --port %s", token, m.pem, m.pem, p[2])),
		m.start(t, fmt.Sprintf("upload_server/kasm_upload_server --ssl --auth-token %s --port %s --upload_dir %s/Uploads", token, p[3], m.home)),
		m.start(t, fmt.Sprintf("gamepad/kasm_gamepad_server --ssl --auth-token %s --cert %s --certkey %s --port %s", token, m.pem, m.pem, p[4])),
		m.start(t, fmt.Sprintf("printer/kasm_printer_service --directory %s/PDF --relay %s/printer", m.home, m.home)),
		m.start(t, fmt.Sprintf("smartcard/kasm_smartcard_bridge --relay %s/smartcard", m.home)),
	}
	for i, port := range []string{p[1], p[2], p[3], p[4]} {
		url := "https://127.0.0.1:" + port
		waitAccepting(t, "127.0.0.1:"+port)
		socket := i != 2
		if !socket {
			url += "/upload"
		}
		refused := map[bool]int{true: 401, false: 403}[socket]
		if status := knock(t, url, "kasm_user:wrong", socket); status != refused {
			t.Errorf("%s with a wrong token: %d", url, status)
		}
		if status := knock(t, url, token, socket); status != 101 && status != 400 {
			t.Errorf("%s with the token: %d", url, status)
		}
	}
	m.uploads(t, "https://127.0.0.1:"+p[3]+"/upload", token)
	m.publishes(t, p[0], p[1], token)
	for _, cmd := range started {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
		if err != nil {
			t.Fatalf("%s has ended", cmd.Path)
		}
		if bytes.Contains(cmdline, []byte("CorrectHorse")) {
			t.Errorf("the token is in the process list: %q", cmdline)
		}
	}
}

// uploads sends a file as a plain client does.
func (m image) uploads(t *testing.T, url, token string) {
	t.Helper()
	var body bytes.Buffer
	body.WriteString("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nhello\r\n--b--\r\n")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	req.Header.Set("Authorization", testkit.Authorization(token))
	resp, err := testkit.Client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got, err := os.ReadFile(m.home + "/Uploads/a.txt"); resp.StatusCode != 200 || string(got) != "hello" {
		t.Errorf("upload: %s, file %q, %v", resp.Status, got, err)
	}
}

// publishes sends whole packets to the ingest until a player has some.
func (m image) publishes(t *testing.T, ingest, players, token string) {
	t.Helper()
	conn, _, err := testkit.TryDial(t, "https://127.0.0.1:"+players+"/", token)
	if err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 188)
	packet[0], packet[1], packet[2], packet[3] = 0x47, 0x1f, 0xff, 0x10 // a null packet
	publisher, err := net.Dial("tcp", "127.0.0.1:"+ingest)
	if err != nil {
		t.Fatal(err)
	}
	defer publisher.Close()
	fmt.Fprintf(publisher, "POST /kasmaudio HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if _, err := fmt.Fprintf(publisher, "%x\r\n%s\r\n", 5*188, bytes.Repeat(packet, 5)); err != nil {
				return
			}
			<-time.After(20 * time.Millisecond)
		}
	}()
	if _, msg, err := conn.Read(ctx); err != nil || len(msg) == 0 || len(msg)%188 != 0 {
		t.Errorf("the player got %d bytes, %v", len(msg), err)
	}
}

// A start script with the fragment runs one process for all six, starts it again when it dies, and stops it.
func TestStartScriptWithOneProcess(t *testing.T) {
	m := newImage(t)
	script := filepath.Join(m.home, "start.sh")
	// The shape of the image's script: a password that is not exported, functions that start a program and note its PID, and a
	// loop that starts again what it knows. HOME of PulseAudio, /var/run/pulse, is not made here: a stand-in only notes its call.
	content := `#!/bin/bash
set -e
declare -A KASM_PROCS
tmpval=$VNC_PW
unset VNC_PW
VNC_PW=$tmpval
start_upload() { echo "the original is started" >&2; }
start_gamepad() { echo "the original is started" >&2; }
source "` + filepath.Join(testkit.Root(t), "deploy/startup/ghostaux.sh") + `"
pulseaudio() { echo "PulseAudio is started: $*" >&2; }
cleanup() { kill "${KASM_PROCS[kasm_audio_out_websocket]}"; wait "${KASM_PROCS[kasm_audio_out_websocket]}"; exit; }
trap cleanup TERM
start_audio_out_websocket; start_audio_out; start_audio_in; start_upload; start_gamepad; start_printer; start_smartcard
while :; do
  for process in "${!KASM_PROCS[@]}"; do
    if ! kill -0 "${KASM_PROCS[$process]}" 2>/dev/null; then
      case $process in
        kasm_audio_out_websocket) start_audio_out_websocket ;;
        kasm_audio_out) start_audio_out ;;
        upload_server) start_upload ;;
        *) echo "unknown service $process" >&2 ;;
      esac
    fi
    echo "$process ${KASM_PROCS[$process]}"
  done
  sleep 0.2
done
`
	if err := os.WriteFile(script, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", script)
	var out bytes.Buffer
	cmd.Stderr = &out
	pids, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	front := freePorts(t, 1)[0]
	cmd.Env = []string{
		"HOME=" + m.home, "PATH=" + os.Getenv("PATH"), "VNC_PW=geheim", "GHOSTAUX=" + testkit.Binary(t), "START_PULSEAUDIO=1",
		"GHOSTAUX_ADDR=127.0.0.1:" + front, "GHOSTAUX_AUDIOOUT_ADDR=off", "GHOSTAUX_AUDIOOUT_INGEST_ADDR=off", "GHOSTAUX_UPLOAD_ADDR=off",
		"GHOSTAUX_AUDIOIN_ADDR=off", "GHOSTAUX_GAMEPAD_ADDR=off", "PULSE_SERVER=unix:/nonexistent",
		"GHOSTAUX_PRINTER_RELAY=" + m.home + "/printer", "GHOSTAUX_SMARTCARD_RELAY=" + m.home + "/smartcard",
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	first := nextPID(t, pids, 0)
	answers := func() bool { // and knows the password
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://127.0.0.1:"+front+"/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", testkit.Authorization("kasm_user:geheim"))
		resp, err := testkit.Client(t).Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == 200
	}
	testkit.Eventually(t, 20*time.Second, "it answers", answers)
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second := nextPID(t, pids, first)
	testkit.Eventually(t, 20*time.Second, "it answers again", answers)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	go func() { _, _ = bytes.NewBuffer(nil).ReadFrom(pids) }()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the script ends with %v", err)
	}
	if syscall.Kill(second, 0) == nil {
		t.Error("ghostaux is still there")
	}
	if said := out.String(); strings.Contains(said, "the original") || strings.Contains(said, "unknown service") || !strings.Contains(said, "PulseAudio is started: --start") {
		t.Errorf("the script said:\n%s", said)
	}
}

// nextPID reads what the script prints until the process is another than the old one.
func nextPID(t *testing.T, r interface{ Read([]byte) (int, error) }, old int) int {
	t.Helper()
	for {
		var name string
		var pid int
		if _, err := fmt.Fscan(r, &name, &pid); err != nil {
			t.Fatal(err)
		}
		if pid != old {
			return pid
		}
	}
}
