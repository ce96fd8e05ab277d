package audioout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"ghostaux/pkg/service"
)

const (
	tailBytes        = 4 << 10 // of ffmpeg's stderr kept
	defaultFragment  = 2000    // bytes of sound that PulseAudio delivers at once; the start script's default
	killWait         = time.Second
	fragmentVariable = "PULSEAUDIO_FRAGMENT_SIZE" // the container's own, for the same
)

// encoder is one run of ffmpeg.
type encoder struct {
	source string // what it records
	pid    int
	since  time.Time
	cancel context.CancelFunc
	done   chan error // receives once, when the process and everything that served it is gone
}

// ffmpegArgs are those of the container's start script but for the input, which is named so that a microphone may
// become the default source, the output, which is a pipe, and -pes_payload_size 0: without it the muxer keeps each MP2
// frame until the next one comes, 26 ms of delay for nothing [measured, ffmpeg 5.1].
func ffmpegArgs(c Config, source string) []string {
	fragment, err := strconv.Atoi(os.Getenv(fragmentVariable))
	if err != nil || fragment <= 0 {
		fragment = defaultFragment
	}
	return []string{
		"-nostdin", "-hide_banner", "-nostats", "-v", "warning",
		"-f", "pulse", "-fragment_size", strconv.Itoa(fragment), "-ar", "44100", "-i", source,
		"-f", "mpegts", "-correct_ts_overflow", "0", "-codec:a", "mp2", "-b:a", c.Bitrate,
		"-ac", strconv.Itoa(c.Channels), "-muxdelay", "0.001", "-pes_payload_size", "0", "-flush_packets", "1", "pipe:1",
	}
}

// startFFmpeg records the source of the PulseAudio server that the environment names, and publishes it until stop is called, the process ends, or
// another publisher takes over.
func startFFmpeg(c Config, source string, to *publication, tail *tail) (*encoder, error) {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, c.FFmpeg, ffmpegArgs(c, source)...)
	cmd.Stderr = tail
	cmd.WaitDelay = killWait
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	e := &encoder{source: source, pid: cmd.Process.Pid, since: time.Now(), cancel: cancel, done: make(chan error, 1)}
	context.AfterFunc(ctx, func() { _ = out.Close() }) // whoever else holds the pipe's other end
	go func() {
		defer cancel()
		err := service.Protect(func() error { return receive(out, to) })
		if err != nil {
			cancel() // what it still sends goes nowhere
		}
		exit := cmd.Wait()
		if err == nil || errors.Is(err, os.ErrClosed) {
			err = exit
		}
		e.done <- err
	}()
	return e, nil
}

// stop kills ffmpeg and waits until nothing of it is left. It is not called after done was received from.
func (e *encoder) stop() {
	e.cancel()
	<-e.done
}

// exitError says how ffmpeg ended, in its own words where it had some.
func exitError(err error, tail *tail) error {
	how := "ended"
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		how = exit.String()
	}
	if line := tail.lastLine(); line != "" {
		return fmt.Errorf("ffmpeg: %s: %s", how, line)
	}
	return fmt.Errorf("ffmpeg: %s without a word", how)
}

// tail keeps the end of what ffmpeg writes to stderr, for ever reading.
type tail struct {
	mu  sync.Mutex // guards buf
	buf []byte
}

// Write never fails and never blocks.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - tailBytes; over > 0 {
		t.buf = t.buf[:copy(t.buf, t.buf[over:])]
	}
	return len(b), nil
}

// lines returns what is kept, line by line.
func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.buf), "?"))
	if text == "" {
		return nil
	}
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
}

func (t *tail) lastLine() string {
	lines := t.lines()
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}
