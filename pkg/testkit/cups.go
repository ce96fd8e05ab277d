package testkit

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Cups is a private cupsd with one queue, which cups-pdf prints into a directory.
type Cups struct {
	Queue  string
	server string // value of CUPS_SERVER
}

// What cupsd is told; everything is below the directory %[1]s. Sandboxing relaxed lets the backend write there.
const (
	cupsdConf = `LogLevel debug
Listen %[1]s/cups.sock
Browsing No
WebInterface No
DefaultAuthType None
MaxLogSize 0
<Policy default>
  JobPrivateAccess all
  JobPrivateValues none
  SubscriptionPrivateAccess all
  SubscriptionPrivateValues none
  <Limit All>
    Order deny,allow
  </Limit>
</Policy>
`
	cupsFilesConf = `ServerRoot %[1]s/etc
RequestRoot %[1]s/spool
TempDir %[1]s/spool/tmp
CacheDir %[1]s/cache
StateDir %[1]s/state
AccessLog %[1]s/access_log
ErrorLog %[1]s/error_log
PageLog %[1]s/page_log
DocumentRoot %[1]s
Sandboxing relaxed
SystemGroup root
`
	cupsPDFConf = `Out %[2]s
AnonDirName %[2]s
Spool %[1]s/cups-pdf
Log %[1]s
AnonUser root
Grp lp
UserUMask 0077
`
	cupsPPD = "/usr/share/ppd/cups-pdf/CUPS-PDF_opt.ppd"
)

// StartCups starts a cupsd whose queue prints into out, until the test ends. It needs root, as cups-pdf does.
func StartCups(t testing.TB, out string) *Cups {
	t.Helper()
	dir := ShortDir(t)
	name := "ghostaux-" + strings.ToLower(rand.Text()[:8])
	c := &Cups{Queue: "Kasm-Printer", server: filepath.Join(dir, "cups.sock")}
	backendConf := "/etc/cups/cups-pdf-" + name + ".conf" // the only place where the backend looks
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []string{"etc/ppd", "spool/tmp", "cache", "state", "cups-pdf"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil { // the backend works as the printing user
		t.Fatal(err)
	}
	write(filepath.Join(dir, "etc/cupsd.conf"), fmt.Sprintf(cupsdConf, dir))
	write(filepath.Join(dir, "etc/cups-files.conf"), fmt.Sprintf(cupsFilesConf, dir))
	write(backendConf, fmt.Sprintf(cupsPDFConf, dir, out))
	t.Cleanup(func() { _ = os.Remove(backendConf) })
	c.start(t, dir)
	c.Run(t, "lpadmin", "-p", c.Queue, "-E", "-v", "cups-pdf:/"+name, "-P", cupsPPD)
	return c
}

func (c *Cups) start(t testing.TB, dir string) {
	t.Helper()
	cmd := exec.Command("/usr/sbin/cupsd", "-f", "-c", filepath.Join(dir, "etc/cupsd.conf"), "-s", filepath.Join(dir, "etc/cups-files.conf"))
	cmd.Env = append(os.Environ(), "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start cupsd: %v", err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its filters and backends too
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "error_log"))
			t.Logf("log of cupsd, the end:\n%s", log[max(0, len(log)-8000):])
		}
	})
	Eventually(t, 20*time.Second, "cupsd answers", func() bool {
		out, err := c.command("lpstat", "-r").Output()
		return err == nil && strings.Contains(string(out), "is running")
	})
}

func (c *Cups) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "CUPS_SERVER="+c.server)
	return cmd
}

// Run runs a client program of this cupsd and returns what it prints.
func (c *Cups) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := c.command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Print prints a file on the queue.
func (c *Cups) Print(t testing.TB, path string) {
	t.Helper()
	c.Run(t, "lp", "-d", c.Queue, path)
}
