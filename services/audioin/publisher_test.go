package audioin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPublishes(t *testing.T) {
	proc := t.TempDir()
	p := newPublishers(proc)
	for pid, tc := range map[string]struct {
		cmdline string
		want    bool
	}{
		"10": {"ffmpeg -v verbose -f pulse -fragment_size 2000 -ar 44100 -i default -f mpegts http://127.0.0.1:8081/kasmaudio", true},
		"11": {"/usr/bin/ffmpeg -f pulse -i default -f mpegts http://localhost:8081/x", true},
		"12": {"ffmpeg -f pulse -i default http://[::1]:8081/x", true},
		"13": {"ffmpeg -f pulse -i default /home/u/take.wav", false},
		"14": {"ffmpeg -f pulse -i default https://radio.example/live", false},
		"15": {"chromium http://127.0.0.1:8081/kasmaudio", false},
		"16": {"", false},
	} {
		dir := filepath.Join(proc, pid)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		raw := strings.ReplaceAll(tc.cmdline, " ", "\x00") + "\x00"
		if err := os.WriteFile(filepath.Join(dir, "cmdline"), []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		n := int(pid[0]-'0')*10 + int(pid[1]-'0')
		if got := p.publishes(n); got != tc.want {
			t.Errorf("%q: %v, want %v", tc.cmdline, got, tc.want)
		}
	}
	for _, pid := range []int{0, -1, 99} {
		if p.publishes(pid) {
			t.Errorf("process %d publishes", pid)
		}
	}
}
