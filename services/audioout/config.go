package audioout

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// The values of Config.Source.
const (
	sourceAuto   = "auto"
	sourceFFmpeg = "ffmpeg"
	sourceIngest = "ingest"
)

// Config is the audio-out service's flags.
type Config struct {
	Addr       string        `help:"Address for players, which are JSMpeg over WebSocket; off for none." default:":4901" env:"ADDR"`
	IngestAddr string        `help:"Address where an MPEG-TS publisher such as ffmpeg may POST; off for none." default:"127.0.0.1:8081" env:"INGEST_ADDR"`
	Secret     string        `help:"First path segment that a publisher must know." default:"kasmaudio" env:"SECRET"`
	Source     string        `help:"Where the sound comes from: auto takes a publisher when there is one and our own ffmpeg otherwise; ffmpeg and ingest choose one for good." default:"auto" env:"SOURCE"`
	SourceIdle time.Duration `help:"How long our own ffmpeg stays after the last player left." default:"10s" env:"SOURCE_IDLE"`
	MaxLag     time.Duration `help:"Sound that a slow player may be behind before it is put to the live edge." default:"500ms" env:"MAX_LAG"`
	FFmpeg     string        `help:"The ffmpeg program." name:"ffmpeg" default:"ffmpeg" env:"FFMPEG"`
	Channels   int           `help:"Channels of our own ffmpeg's sound: 1 or 2." default:"1" env:"CHANNELS"`
	Bitrate    string        `help:"Bitrate of our own ffmpeg's MP2 sound." default:"128k" env:"BITRATE"`
}

// bitrates are those that MPEG-1 Layer II has in kbit/s, ISO/IEC 11172-3 section 2.4.2.3; the largest four are for
// two channels only, the smallest for one only.
var bitrates = [...]string{"32k", "48k", "56k", "64k", "80k", "96k", "112k", "128k", "160k", "192k", "224k", "256k", "320k", "384k"}

// Validate names every flag whose value cannot be.
func (c Config) Validate() error {
	var errs []error
	fault := func(flag string, value any, want string) {
		errs = append(errs, fmt.Errorf("--audioout-%s %v: want %s", flag, value, want))
	}
	if !validAddr(c.Addr) {
		fault("addr", c.Addr, "host:port, :port or off")
	}
	if !validAddr(c.IngestAddr) {
		fault("ingest-addr", c.IngestAddr, "host:port, :port or off")
	}
	if !validSecret(c.Secret) {
		fault("secret", "(hidden)", "1 to 200 letters, digits or any of - . _ ~")
	}
	if !slices.Contains([]string{sourceAuto, sourceFFmpeg, sourceIngest}, c.Source) {
		fault("source", c.Source, "auto, ffmpeg or ingest")
	}
	if c.Source == sourceIngest && isOff(c.IngestAddr) {
		fault("source", c.Source, "an --audioout-ingest-addr that is not off")
	}
	if c.SourceIdle < 0 {
		fault("source-idle", c.SourceIdle, "0s or more")
	}
	if c.MaxLag < 50*time.Millisecond || c.MaxLag > 10*time.Second {
		fault("max-lag", c.MaxLag, "50ms to 10s")
	}
	if c.FFmpeg == "" {
		fault("ffmpeg", `""`, "the name or path of ffmpeg")
	}
	if c.Channels != 1 && c.Channels != 2 {
		fault("channels", c.Channels, "1 or 2")
	}
	if want := c.validBitrates(); !slices.Contains(want, c.Bitrate) {
		fault("bitrate", c.Bitrate, fmt.Sprintf("one of %s with %d channels", strings.Join(want, ", "), c.Channels))
	}
	return errors.Join(errs...)
}

func (c Config) validBitrates() []string {
	if c.Channels == 2 {
		return slices.DeleteFunc(slices.Clone(bitrates[:]), func(b string) bool {
			return b == "32k" || b == "48k" || b == "56k" || b == "80k"
		})
	}
	return bitrates[:10]
}

func isOff(addr string) bool { return addr == "" || addr == "off" }

func validAddr(addr string) bool {
	if isOff(addr) {
		return true
	}
	_, port, err := net.SplitHostPort(addr)
	return err == nil && port != ""
}

// validSecret wants a path segment that needs no escaping, since publishers compare badly otherwise.
func validSecret(s string) bool {
	const harmless = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	return s != "" && len(s) <= 200 && strings.Trim(s, harmless) == "" && s != "." && s != ".."
}
