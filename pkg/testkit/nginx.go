package testkit

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Nginx is a private nginx of one process.
type Nginx struct {
	Addr string // of its server, on loopback
	Dir  string // where its server block may put files
	Cmd  *exec.Cmd
}

// StartNginx starts nginx until the test ends. The server block stands without its listen line; flags follow the
// address in that line: "" or "ssl".
func StartNginx(t testing.TB, flags, block string) *Nginx {
	t.Helper()
	n := &Nginx{Dir: ShortDir(t)}
	for range 5 { // nginx takes no port 0; another program may take the free one that we found
		n.Addr = freeAddr(t)
		if n.start(t, flags, block) {
			t.Cleanup(n.kill)
			return n
		}
	}
	t.Fatal("nginx does not start")
	return nil
}

func (n *Nginx) start(t testing.TB, flags, block string) bool {
	t.Helper()
	config := `daemon off; master_process off; pid nginx.pid; error_log stderr; user root;
events { worker_connections 256; }
http {
	access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
	server { listen ` + n.Addr + " " + flags + ";\n" + strings.ReplaceAll(block, "DIR", n.Dir) + "\n} }\n"
	path := filepath.Join(n.Dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	n.Cmd = exec.Command("nginx", "-p", n.Dir, "-c", path)
	n.Cmd.Stderr = t.Output()
	if err := n.Cmd.Start(); err != nil {
		t.Fatalf("start nginx: %v", err)
	}
	for range 200 {
		if c, err := net.Dial("tcp", n.Addr); err == nil {
			_ = c.Close()
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	n.kill()
	return false
}

func (n *Nginx) kill() {
	_ = n.Cmd.Process.Kill()
	_ = n.Cmd.Wait()
}

// freeAddr is an address on loopback that nobody listened on a moment ago.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
