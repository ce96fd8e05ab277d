package integration

import (
	"bufio"
	"bytes"
	"fmt"
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

// The shape of an image's start script: a password that is not exported, functions that start a program and note its PID, a loop that
// starts again what it knows (microphone and gamepad it does not) or, with DLP_PROCESS_FAIL_SECURE, ends the container when any of them has
// ended, and an end that ends all. Every round prints the processes.
const (
	scriptBegin = `#!/bin/bash
set -e
declare -A KASM_PROCS
tmpval=$VNC_PW
unset VNC_PW
VNC_PW=$tmpval
`
	scriptEnd = `
cleanup() { kill "${KASM_PROCS[@]}" 2>/dev/null || true; wait; exit; }
trap cleanup TERM
start_audio_out_websocket; start_audio_out; start_audio_in; start_upload; start_gamepad; start_printer; start_smartcard
while :; do
  for process in "${!KASM_PROCS[@]}"; do
    if ! kill -0 "${KASM_PROCS[$process]}" 2>/dev/null; then
      if [[ ${DLP_PROCESS_FAIL_SECURE:-0} == 1 ]]; then
        wait "${KASM_PROCS[$process]}" || echo "$process has ended with $?, and so does the container" >&2
        exit 1
      fi
      case $process in
        kasm_audio_out_websocket) start_audio_out_websocket ;;
        kasm_audio_out) start_audio_out ;;
        upload_server) start_upload ;;
        kasm_printer) start_printer ;;
        *) echo "unknown service $process" >&2 ;;
      esac
    fi
    echo "$process ${KASM_PROCS[$process]}"
  done
  sleep 0.2
done
`
)

// startScript is a start script that runs.
type startScript struct {
	cmd  *exec.Cmd
	pids *bufio.Scanner
	said bytes.Buffer
}

func runScript(t *testing.T, m image, functions string, env ...string) *startScript {
	t.Helper()
	path := filepath.Join(m.home, "start.sh")
	if err := os.WriteFile(path, []byte(scriptBegin+functions+scriptEnd), 0o755); err != nil {
		t.Fatal(err)
	}
	s := &startScript{cmd: exec.Command("bash", path)}
	s.cmd.Stderr = &s.said
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.pids = bufio.NewScanner(out)
	s.cmd.Env = append([]string{"HOME=" + m.home, "PATH=" + os.Getenv("PATH"), "VNC_PW=geheim"}, env...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) }) // also what it has started
	return s
}

// next reads what the script prints until the process of that name is another than the old one.
func (s *startScript) next(t *testing.T, name string, old int) int {
	t.Helper()
	for s.pids.Scan() {
		process, number, _ := strings.Cut(s.pids.Text(), " ")
		if pid, err := strconv.Atoi(number); err == nil && process == name && pid != old {
			return pid
		}
	}
	t.Fatalf("the script has ended without another %s", name)
	return 0
}

// stop ends the script as a container's end does, and returns what it has said on standard error.
func (s *startScript) stop(t *testing.T) string {
	t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	for s.pids.Scan() { // until all who have its standard output have ended
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the script ends with %v", err)
	}
	if err := syscall.Kill(-s.cmd.Process.Pid, 0); err == nil {
		t.Error("a process of the script is still there")
	}
	return s.said.String()
}

// kill ends a process as kill -9 does.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// The untouched script starts the six names, with its own ffmpeg, starts again what has died, and ends them all.
func TestStartScriptWithSixNames(t *testing.T) {
	m, p := newImage(t), freePorts(t, 5)
	functions := fmt.Sprintf(`
run() { name=$1; shift; "$@" & KASM_PROCS[$name]=$!; }
tls="--ssl --auth-token kasm_user:$VNC_PW --cert $HOME/.vnc/self.pem --certkey $HOME/.vnc/self.pem"
start_audio_out_websocket() { run kasm_audio_out_websocket $D/jsmpeg/kasm_audio_out-linux kasmaudio %[1]s %[2]s $HOME/.vnc/self.pem $HOME/.vnc/self.pem "kasm_user:$VNC_PW"; }
start_audio_out() {
  no_proxy=127.0.0.1 run kasm_audio_out ffmpeg -v verbose -f pulse -fragment_size ${PULSEAUDIO_FRAGMENT_SIZE:-2000} -ar 44100 -i default -f mpegts \
    -correct_ts_overflow 0 -codec:a mp2 -b:a 128k -ac 1 -muxdelay 0.001 http://127.0.0.1:%[1]s/kasmaudio >/dev/null 2>&1
}
start_audio_in() { run kasm_audio_in $D/audio_input/kasm_audio_input_server $tls --port %[3]s; }
start_upload() { run upload_server $D/upload_server/kasm_upload_server --ssl --auth-token "kasm_user:$VNC_PW" --port=%[4]s --upload-dir=$HOME/Uploads --debug true --brand new; }
start_gamepad() { run kasm_gamepad $D/gamepad/kasm_gamepad_server $tls --port %[5]s; }
start_printer() { run kasm_printer $D/printer/kasm_printer_service --debug --directory $HOME/PDF --relay $HOME/printer; }
start_smartcard() { run kasm_smartcard $D/smartcard/kasm_smartcard_bridge --relay $HOME/smartcard; }
`, p[0], p[1], p[2], p[3], p[4])
	s := runScript(t, m, functions, "D="+m.dir, "PULSE_SERVER="+testkit.StartPulse(t).Server, "GHOSTAUX_SMARTCARD_VPCD_ADDR=127.0.0.1:1")
	m.guardsPorts(t, p[1:], "kasm_user:geheim")
	m.uploads(t, "https://127.0.0.1:"+p[3]+"/upload", "kasm_user:geheim")
	refusesPad(t, "https://127.0.0.1:"+p[4]+"/", "kasm_user:geheim")
	listensAs(t, "https://127.0.0.1:"+p[1]+"/", "kasm_user:geheim")

	for name, back := range map[string]string{"upload_server": p[3], "kasm_audio_out_websocket": p[1], "kasm_printer": ""} {
		first := s.next(t, name, 0)
		kill(t, first)
		s.next(t, name, first)
		if back != "" {
			waitAccepting(t, "127.0.0.1:"+back)
		}
	}
	listensAs(t, "https://127.0.0.1:"+p[1]+"/", "kasm_user:geheim") // ffmpeg has ended with the relay and is there again
	said := s.stop(t)
	if !strings.Contains(said, "kasm_upload_server: --brand is not known: left out") || strings.Contains(said, "unknown service") {
		t.Errorf("the script said:\n%s", said)
	}
}

// listensAs waits for whole TS packets, as long as no publisher is there yet too.
func listensAs(t *testing.T, url, credential string) {
	t.Helper()
	conn, _, err := testkit.TryDial(t, url, credential)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	defer func() { _ = conn.CloseNow() }()
	if got := readFor(t, conn, 188); got[0] != 0x47 || len(got)%188 != 0 {
		t.Errorf("the player got %d bytes, beginning with %#x", len(got), got[0])
	}
}

// A start script with the fragment runs one process for all six, starts it again when it dies, and ends it. HOME of
// PulseAudio, /var/run/pulse, is not made here: a stand-in only notes its call.
func TestStartScriptWithOneProcess(t *testing.T) {
	m, front := newImage(t), freePorts(t, 1)[0]
	functions := `
start_upload() { echo "the original is started" >&2; }
start_gamepad() { echo "the original is started" >&2; }
source "` + filepath.Join(testkit.Root(t), "deploy/startup/ghostaux.sh") + `"
pulseaudio() { echo "PulseAudio is started: $* in $HOME" >&2; }
`
	s := runScript(t, m, functions, "GHOSTAUX="+testkit.Binary(t), "START_PULSEAUDIO=1", "KASM_SVC_GAMEPAD=0",
		"GHOSTAUX_ADDR=127.0.0.1:"+front, "GHOSTAUX_AUDIOOUT_ADDR=off", "GHOSTAUX_AUDIOOUT_INGEST_ADDR=off", "GHOSTAUX_UPLOAD_ADDR=off",
		"GHOSTAUX_AUDIOIN_ADDR=off", "GHOSTAUX_GAMEPAD_ADDR=off", "PULSE_SERVER=unix:/nonexistent",
		"GHOSTAUX_PRINTER_RELAY="+m.home+"/printer", "GHOSTAUX_SMARTCARD_RELAY="+m.home+"/smartcard")
	first := s.next(t, "kasm_audio_out_websocket", 0)
	var status string
	answers := func() bool { // and knows the password
		status = statusAs(t, "127.0.0.1:"+front, "kasm_user:geheim")
		return status != ""
	}
	testkit.Eventually(t, 20*time.Second, "it answers", answers)
	if !serviceIs(status, "gamepad", "off") || serviceIs(status, "upload", "off") {
		t.Errorf("KASM_SVC_GAMEPAD=0 is not honoured: %s", status)
	}
	kill(t, first)
	s.next(t, "kasm_audio_out_websocket", first)
	testkit.Eventually(t, 20*time.Second, "it answers again", answers)
	said := s.stop(t)
	if strings.Contains(said, "the original") || strings.Contains(said, "unknown service") ||
		!strings.Contains(said, "PulseAudio is started: --start in /var/run/pulse\n") {
		t.Errorf("the script said:\n%s", said)
	}
}

// The fragment starts one process and does not export the password; with GHOSTAUX_ELSEWHERE it starts none. A PulseAudio that
// does not start ends no script, not even one that ends at the first failure.
func TestStartScriptSwitches(t *testing.T) {
	m := newImage(t)
	fragment := "source '" + filepath.Join(testkit.Root(t), "deploy/startup/ghostaux.sh") + "'\n"
	env := append(os.Environ(), "GHOSTAUX=/bin/echo", "HOME="+m.home)
	out := func(script string, more ...string) string {
		t.Helper()
		cmd := exec.Command("bash", "-c", "set -e; declare -A KASM_PROCS; "+fragment+script)
		cmd.Env = append(env, more...)
		said, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", script, err, said)
		}
		return string(said)
	}
	all := "start_audio_out_websocket; start_audio_out; start_audio_in; start_upload; start_gamepad; start_printer; start_smartcard; wait; echo \"${#KASM_PROCS[@]} $(env | grep -c VNC_PW || true)\""
	if got := out("VNC_PW=x; " + all); got != "\n1 0\n" {
		t.Errorf("by itself: %q", got)
	}
	if got := out(all, "GHOSTAUX_ELSEWHERE=1"); got != "0 0\n" {
		t.Errorf("with GHOSTAUX_ELSEWHERE: %q", got)
	}
	if got := out("pulseaudio() { return 1; }; "+all, "GHOSTAUX_ELSEWHERE=1", "START_PULSEAUDIO=1"); !strings.HasSuffix(got, "\n0 0\n") {
		t.Errorf("PulseAudio that does not start has ended the script: %q", got)
	}
}

// statusAs is /status of a front door, or "" while nobody answers.
func statusAs(t *testing.T, addr, credential string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+addr+"/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", testkit.Authorization(credential))
	resp, err := testkit.Client(t).Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	return text.String()
}
