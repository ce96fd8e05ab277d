package upload

import (
	"errors"
	"fmt"
	"time"
)

// What to do when a finished file's name is taken.
const (
	conflictFail      = "fail"
	conflictRename    = "rename"
	conflictOverwrite = "overwrite"
)

// Config is what the service can be told. Its flags begin with --upload-.
type Config struct {
	Addr     string        `help:"Address of uploads; off for none." default:":4902" env:"ADDR"`
	Dir      string        `help:"Directory that uploads go to. Made when it is absent. Default: Uploads in the home directory." type:"path" placeholder:"DIR" env:"DIR"`
	Conflict string        `help:"When the name is taken: ${enum}. fail refuses the upload, rename makes 'a (1).txt', overwrite replaces the file." enum:"fail,rename,overwrite" default:"fail" env:"CONFLICT"`
	MaxSize  Size          `help:"Largest file, such as 500M or 2G; 0 for no limit." default:"0" env:"MAX_SIZE"`
	Quota    Size          `help:"Most that the directory may hold, unfinished uploads included; 0 for no limit." default:"0" env:"QUOTA"`
	Rate     Size          `help:"Bytes a second that all uploads together may take; 0 for no limit." default:"0" env:"RATE"`
	PartTTL  time.Duration `help:"How long an unfinished upload is kept after its last byte." default:"24h" env:"PART_TTL"`
	Sync     bool          `help:"Answer the last byte of a file only when the file is on the disk." default:"true" negatable:"" env:"SYNC"`
	Page     bool          `help:"Serve a small page for uploads at the root of the address." env:"PAGE"`
}

// Validate reports every value that cannot be meant.
func (c Config) Validate() error {
	var errs []error
	switch c.Conflict {
	case conflictFail, conflictRename, conflictOverwrite:
	default:
		errs = append(errs, fmt.Errorf("--upload-conflict %q: want fail, rename or overwrite", c.Conflict))
	}
	if c.PartTTL < time.Second {
		errs = append(errs, fmt.Errorf("--upload-part-ttl %v: want at least 1s", c.PartTTL))
	}
	if c.Rate != 0 && c.Rate < 1024 {
		errs = append(errs, fmt.Errorf("--upload-rate %d: want at least 1K, or 0 for no limit", c.Rate))
	}
	if c.Quota != 0 && c.MaxSize > c.Quota {
		errs = append(errs, fmt.Errorf("--upload-max-size %d is more than --upload-quota %d", c.MaxSize, c.Quota))
	}
	return errors.Join(errs...)
}
