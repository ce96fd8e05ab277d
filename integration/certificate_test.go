package integration

import (
	"context"
	"crypto/tls"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ghostaux/pkg/testkit"
)

// A renewed certificate is served by a process that runs, when the directory of a secret is swapped as Kubernetes does it: the files are
// links through one link, which is replaced. A socket that is open stays open.
func TestRotatedCertificateIsServed(t *testing.T) {
	dir := testkit.ShortDir(t)
	for _, version := range []string{"..one", "..two"} {
		if err := os.Mkdir(filepath.Join(dir, version), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("openssl", "req", "-x509", "-nodes", "-days", "30", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
			"-subj", "/CN="+version[2:], "-keyout", "tls.key", "-out", "tls.crt")
		cmd.Dir = filepath.Join(dir, version)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl: %v: %s", err, out)
		}
	}
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..one", "..data")
	link("..data/tls.crt", "tls.crt")
	link("..data/tls.key", "tls.key")
	g := testkit.StartGhostaux(t, "--cert", filepath.Join(dir, "tls.crt"), "--certkey", filepath.Join(dir, "tls.key"))
	served := func(listener string) string {
		conn, err := tls.Dial("tcp", g.Addr(t, listener), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	player := testkit.Dial(t, g.URL(t, "audioout", "/"))
	reading := player.CloseRead(t.Context())
	if name := served("frontdoor"); name != "one" {
		t.Fatalf("it serves %q", name)
	}
	link("..two", "..data.new")
	if err := os.Rename(filepath.Join(dir, "..data.new"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	for _, listener := range []string{"frontdoor", "audioout", "upload", "audioin", "gamepad"} {
		testkit.Eventually(t, 10*time.Second, listener+" serves the new one", func() bool { return served(listener) == "two" })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := player.Ping(ctx); err != nil || reading.Err() != nil {
		t.Errorf("the socket from before: %v", err)
	}
}
