package integration

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
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

	"github.com/coder/websocket"

	"ghostaux/pkg/testkit"
)

// image is a directory as a KasmVNC image has it, with ghostaux in the place of the six programs.
type image struct {
	dir, home, pem string
	env            []string // of what is started in it, beside HOME and PATH
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
	cmd.Env = append([]string{"HOME=" + m.home, "PATH=" + os.Getenv("PATH")}, m.env...)
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
// directory, and a client of each gets what it wants.
func TestSixCommandLines(t *testing.T) {
	m, p := newImage(t), freePorts(t, 5)
	pulse := testkit.StartPulse(t)
	d := &desk{
		pcscd: testkit.StartPcscd(t), card: &farCard{},
		xvnc: testkit.StartXvnc(t, "printer:"+m.home+"/printer", "smartcard:"+m.home+"/smartcard"),
	}
	d.subscribe(t)
	m.env = []string{"PULSE_SERVER=" + pulse.Server, "GHOSTAUX_SMARTCARD_VPCD_ADDR=" + d.pcscd.Addr}
	token := "kasm_user:CorrectHorseBatteryStaple"
	started := []*exec.Cmd{
		m.start(t, fmt.Sprintf("jsmpeg/kasm_audio_out-linux kasmaudio %s %s %s %s %s", p[0], p[1], m.pem, m.pem, token)),
		m.start(t, fmt.Sprintf("audio_input/kasm_audio_input_server --ssl --auth-token %s --cert %s --certkey %s --port %s", token, m.pem, m.pem, p[2])),
		m.start(t, fmt.Sprintf("upload_server/kasm_upload_server --ssl --auth-token %s --port %s --upload_dir %s/Uploads", token, p[3], m.home)),
		m.start(t, fmt.Sprintf("gamepad/kasm_gamepad_server --ssl --auth-token %s --cert %s --certkey %s --port %s", token, m.pem, m.pem, p[4])),
		m.start(t, fmt.Sprintf("printer/kasm_printer_service --directory %s/PDF --relay %s/printer", m.home, m.home)),
		m.start(t, fmt.Sprintf("smartcard/kasm_smartcard_bridge --relay %s/smartcard", m.home)),
	}
	m.guardsPorts(t, p[1:], token)
	m.uploads(t, "https://127.0.0.1:"+p[3]+"/upload", token)
	m.publishes(t, p[0], p[1], token)
	speaks(t, pulse, "https://127.0.0.1:"+p[2]+"/?sample_rate=48000", token)
	refusesPad(t, "https://127.0.0.1:"+p[4]+"/", token)
	m.prints(t, d.xvnc)
	d.card.set(atrOne)
	waitATR(t, client(t, d.pcscd), atrOne)
	for _, cmd := range started {
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid))
		if err != nil || len(cmdline) == 0 {
			t.Fatalf("%s has ended", cmd.Path)
		}
		if bytes.Contains(cmdline, []byte("CorrectHorse")) {
			t.Errorf("the token is in the process list: %q", cmdline)
		}
	}
}

// guardsPorts knocks at the ports of players, microphone, upload and gamepad with a wrong token and with the right one, and looks at their
// certificates. The upload server was given none.
func (m image) guardsPorts(t *testing.T, ports []string, token string) {
	t.Helper()
	for i, want := range []struct {
		path    string
		refused int
	}{{"/", 401}, {"/?sample_rate=48000", 401}, {"/upload", 403}, {"/", 401}} {
		addr := "127.0.0.1:" + ports[i]
		waitAccepting(t, addr)
		url, socket := "https://"+addr+want.path, want.refused == 401
		if status := knock(t, url, "kasm_user:wrong", socket); status != want.refused {
			t.Errorf("%s with a wrong token: %d", url, status)
		}
		if status := knock(t, url, token, socket); status != 101 && status != 400 {
			t.Errorf("%s with the token: %d", url, status)
		}
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		if name := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; socket && name != "kasm" {
			t.Errorf("%s has the certificate of %q", url, name)
		}
		_ = conn.Close()
	}
}

// speaks waits until what a microphone says is heard in PulseAudio.
func speaks(t *testing.T, pulse *testkit.Pulse, url, credential string) {
	t.Helper()
	conn := dialMicrophone(t, url, credential)
	defer func() { _ = conn.CloseNow() }()
	defer speakTone(t, conn, 48000)()
	rec := pulse.Record(t, "ghostaux_mic", microphoneRate)
	testkit.Eventually(t, 20*time.Second, "the microphone is heard", func() bool { return hears(t, rec, 1000) })
}

// dialMicrophone connects to a microphone service as soon as that has PulseAudio.
func dialMicrophone(t *testing.T, url, credential string) (conn *websocket.Conn) {
	t.Helper()
	testkit.Eventually(t, 30*time.Second, "the microphone's socket stays", func() bool {
		first, _, err := testkit.TryDial(t, url, credential)
		if err != nil {
			t.Fatalf("%s: %v", url, err)
		}
		defer func() { _ = first.CloseNow() }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := first.Read(ctx); websocket.CloseStatus(err) == websocket.StatusTryAgainLater {
			return false
		}
		conn, _, err = testkit.TryDial(t, url, credential)
		return err == nil
	})
	return conn
}

// refusesPad sees that messages and close codes of the gamepad's socket come through; this machine may have no uinput.
func refusesPad(t *testing.T, url, credential string) {
	t.Helper()
	conn, _, err := testkit.TryDial(t, url, credential)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	defer func() { _ = conn.CloseNow() }()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, msg, err := conn.Read(ctx)
	var said struct {
		Type string `json:"message_type"`
	}
	if err != nil || json.Unmarshal(msg, &said) != nil || said.Type != "unavailable" {
		t.Fatalf("the pad got %q, %v", msg, err)
	}
	if _, _, err = conn.Read(ctx); websocket.CloseStatus(err) != websocket.StatusTryAgainLater {
		t.Errorf("the pad's socket ends with %v", err)
	}
}

// prints waits until a document that lies in the directory has come to a browser, whole.
func (m image) prints(t *testing.T, x *testkit.Xvnc) {
	t.Helper()
	p, document := testkit.WatchPrintouts(t, x), testkit.PDF(100_000, 8)
	if err := os.WriteFile(m.home+"/PDF/a.pdf", document, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := p.Wait(t, 30*time.Second, 1); got[0].SHA256 != sumOf(document) {
		t.Errorf("the browser got %d bytes of %d, or others", got[0].Size, len(document))
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
