package integration

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// A container that must not go on without a part of it, by DLP_PROCESS_FAIL_SECURE=1, ends when a service has failed: ghostaux ends with 1,
// and the start script's loop ends the container over that, whether one process runs or the six. A machine without any device
// is no failure, nor is a failure one where the variable is not set.
func TestStartScriptFailSecure(t *testing.T) {
	fragment := `source "` + filepath.Join(testkit.Root(t), "deploy/startup/ghostaux.sh") + `"` + "\n"
	sixNames := `
start_upload() {
  "$D/upload_server/kasm_upload_server" --ssl --auth-token "kasm_user:$VNC_PW" --port 0 --upload_dir "$GHOSTAUX_UPLOAD_DIR" &
  KASM_PROCS['upload_server']=$!
}
start_audio_out_websocket() { :; }; start_audio_out() { :; }; start_audio_in() { :; }; start_gamepad() { :; }
start_printer() { :; }; start_smartcard() { :; }
`
	start := func(functions, uploads string, env ...string) *startScript {
		m := newImage(t)
		path := filepath.Join(m.home, uploads)
		if err := os.WriteFile(filepath.Join(m.home, "file"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return runScript(t, m, functions, append(env, "D="+m.dir, "GHOSTAUX="+testkit.Binary(t), "GHOSTAUX_UPLOAD_DIR="+path,
			"GHOSTAUX_ADDR=127.0.0.1:0", "GHOSTAUX_AUDIOOUT_ADDR=off", "GHOSTAUX_AUDIOOUT_INGEST_ADDR=off", "GHOSTAUX_UPLOAD_ADDR=off",
			"GHOSTAUX_AUDIOIN_ADDR=off", "GHOSTAUX_GAMEPAD_ADDR=off", "PULSE_SERVER=unix:/nonexistent", "GHOSTAUX_PRINTER_DIR=/nonexistent/PDF",
			"GHOSTAUX_PRINTER_RELAY="+m.home+"/printer", "GHOSTAUX_SMARTCARD_RELAY="+m.home+"/smartcard", "GHOSTAUX_SMARTCARD_VPCD_ADDR=127.0.0.1:1")...)
	}
	const secure = "DLP_PROCESS_FAIL_SECURE=1"
	// These start first, and so have been as they are for longer than those that end.
	stay := map[string]*startScript{
		"no device": start(fragment, "Uploads", secure), "not secure": start(fragment, "file"), "six names, not secure": start(sixNames, "file"),
	}
	for name, s := range map[string]*startScript{"one process": start(fragment, "file", secure), "six names": start(sixNames, "file", secure)} {
		goesOn := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) })
		for s.pids.Scan() { // until the script and what it has started have ended
		}
		goesOn.Stop()
		err := s.cmd.Wait()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("%s: the script ends with %v", name, err)
		}
		if said := s.said.String(); !strings.Contains(said, " has ended with 1, and so does the container") ||
			!strings.Contains(said, "ending, since --fail-secure is set and upload is degraded") {
			t.Errorf("%s: the script said:\n%s", name, said)
		}
	}
	for name, s := range stay {
		// A script whose ghostaux has ended is not there to be stopped, or has started another one.
		if said := s.stop(t); strings.Count(said, "msg=\"service degraded\"") == 0 || strings.Contains(said, "ending, since") {
			t.Errorf("%s: the script said:\n%s", name, said)
		}
	}
}
