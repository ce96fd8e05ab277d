package printer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Limits of --printer-chunk in bytes: Chromium loses a chunk whose data is longer than about 124,000 bytes, silently,
// and below a kilobyte a document of a megabyte would take half a minute.
const (
	minChunk = 1 << 10
	maxChunk = 120_000
	maxPace  = 10 * time.Second
	maxPath  = 107 // bytes of a Unix socket's address
)

// Config is what the flags --printer-* and the variables GHOSTAUX_PRINTER_* say.
type Config struct {
	Dir      string        `help:"Directory whose new PDF files are sent to the browser; cups-pdf writes into it." default:"~/PDF" env:"DIR"`
	Relay    string        `help:"KasmVNC's socket, as in Xvnc -UnixRelay printer:PATH." default:"/tmp/printer" env:"RELAY"`
	Chunk    int           `help:"Bytes of a document in one message." default:"65528" env:"CHUNK"`
	Pace     time.Duration `help:"Time between two messages. Browsers stall below 20ms; 0 is for other receivers." default:"20ms" env:"PACE"`
	Grace    time.Duration `help:"Time that browsers have to come back after KasmVNC has restarted." default:"3s" env:"GRACE"`
	Existing bool          `help:"Print the documents too that are in the directory at start." env:"EXISTING"`
}

// Validate names every value that cannot work.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Dir == "" {
		bad("--printer-dir: want a directory")
	}
	if !filepath.IsAbs(c.Relay) || len(c.Relay) > maxPath {
		bad("--printer-relay %q: want an absolute path of at most %d bytes", c.Relay, maxPath)
	}
	if c.Chunk < minChunk || c.Chunk > maxChunk {
		bad("--printer-chunk %d: want %d to %d bytes", c.Chunk, minChunk, maxChunk)
	}
	if c.Pace < 0 || c.Pace > maxPace {
		bad("--printer-pace %v: want 0 to %v", c.Pace, maxPace)
	}
	if c.Grace < 0 || c.Grace > time.Minute {
		bad("--printer-grace %v: want 0 to 1m", c.Grace)
	}
	return errors.Join(errs...)
}

// directory is the absolute path of Dir; a leading ~ is the home directory.
func (c Config) directory() (string, error) {
	rest, ok := strings.CutPrefix(c.Dir, "~")
	if !ok || rest != "" && rest[0] != '/' {
		return filepath.Abs(c.Dir)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the directory %s: %w", c.Dir, err)
	}
	return filepath.Join(home, rest), nil
}
