package integration

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ghostaux/pkg/testkit"
)

// emulator is a card that sits directly in a vpcd: no ghostaux in between.
type emulator struct {
	conn  net.Conn
	ended chan struct{}
}

// startEmulator puts a card into a reader. With quick it acknowledges at once what arrives.
func startEmulator(t testing.TB, addr string, quick bool) *emulator {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	e := &emulator{conn: conn, ended: make(chan struct{})}
	var in io.Reader = conn
	if quick {
		in = quickAckReader{conn.(*net.TCPConn)}
	}
	go e.serve(in)
	t.Cleanup(e.remove)
	return e
}

func (e *emulator) remove() {
	_ = e.conn.Close()
	<-e.ended
}

func (e *emulator) serve(in io.Reader) {
	defer close(e.ended)
	header, buf := make([]byte, 2), make([]byte, 1<<16)
	for {
		if _, err := io.ReadFull(in, header); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(header))
		if _, err := io.ReadFull(in, buf[:n]); err != nil {
			return
		}
		answer := atrTwo
		switch {
		case n == 1 && buf[0] <= 2:
			continue
		case n != 1 || buf[0] != 4:
			answer = response(buf[:n])
		}
		if _, err := e.conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// quickAckReader sets TCP_QUICKACK before every read.
type quickAckReader struct{ *net.TCPConn }

func (q quickAckReader) Read(b []byte) (int, error) {
	raw, err := q.SyscallConn()
	if err != nil {
		return 0, err
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
	return q.TCPConn.Read(b)
}

// startAgent runs `ghostaux card-agent` at a desk whose pcscd is given.
func startAgent(t testing.TB, g *testkit.Ghostaux, p *testkit.Pcscd, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(testkit.Binary(t), append([]string{
		"card-agent", g.URL(t, "frontdoor", "/smartcard/"), "--insecure", "--pcscd", p.Socket, "--reader", "Virtual PCD 00 00",
	}, args...)...)
	cmd.Env = []string{"GHOSTAUX_AUTH_TOKEN=" + testkit.Token, "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// A card at a desk without KasmVNC: emulated, in a second pcscd, through the agent.
func TestSmartcardAgent(t *testing.T) {
	far := testkit.StartPcscd(t)
	near := testkit.StartPcscd(t)
	g := testkit.StartGhostaux(t, "--only", "smartcard", "--smartcard-relay", "off", "--smartcard-vpcd-addr", near.Addr, "--smartcard-poll", "200ms")
	card := startEmulator(t, far.Addr, true)
	c := client(t, near)
	first := startAgent(t, g, far)
	waitATR(t, c, atrTwo)
	out, err := near.Command("opensc-tool", "-r", "0", "-c", "default", "-s", "00:CA:01:02:05").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "SW1=0x90, SW2=0x00") {
		t.Fatalf("opensc-tool: %v: %s", err, out)
	}
	conn := connect(t, c)
	var got []byte
	for i := range 200 {
		exchange(t, conn, []byte{0, 0xB0, byte(i), 7, 0, byte(i)}, &got)
	}
	card.remove()
	t.Logf("a removal is seen after %v", waitATR(t, c, nil))
	startEmulator(t, far.Addr, true)
	waitATR(t, c, atrTwo)

	second := startAgent(t, g, far) // the newest wins, and the older does not come back
	if err := first.Wait(); err == nil || second.ProcessState != nil {
		t.Error("the first agent should have ended with an error, and not the second")
	}
	testkit.Eventually(t, 10*time.Second, "the card is back", func() bool {
		conn, err := c.Connect("Virtual PCD 00 00")
		if err != nil {
			return false
		}
		got, err := conn.Transmit([]byte{0, 0xB0, 0, 0, 1}, nil, 10*time.Second)
		return err == nil && bytes.Equal(got, response([]byte{0, 0xB0, 0, 0, 1}))
	})
	_ = second.Process.Signal(syscall.SIGTERM)
	if err := second.Wait(); err != nil {
		t.Errorf("the agent ended with %v after SIGTERM", err)
	}
	waitATR(t, c, nil)
	if log := g.Log(); strings.Contains(log, "9000") || strings.Contains(log, "panic") {
		t.Errorf("log: %s", log)
	}
}
