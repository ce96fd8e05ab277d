package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// places are where the six programs are below the start script's directory, in images 1.12 to 1.18.
var places = []string{
	"jsmpeg/kasm_audio_out-linux",
	"upload_server/kasm_upload_server",
	"audio_input/kasm_audio_input_server",
	"gamepad/kasm_gamepad_server",
	"printer/kasm_printer_service",
	"smartcard/kasm_smartcard_bridge",
}

const keptSuffix = ".before-ghostaux"

type installCommand struct {
	Dir  string `arg:"" optional:"" default:"/dockerstartup" help:"The start script's directory." type:"path"`
	Undo bool   `help:"Put the originals back."`
}

// Run puts links to this program in the places of the six, and keeps the originals beside them; or undoes that. Doing it twice
// changes nothing more.
func (c installCommand) Run(out *output) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if info, err := os.Stat(c.Dir); err != nil || !info.IsDir() {
		return fmt.Errorf("%s is not a directory: name the one that holds vnc_startup.sh", c.Dir)
	}
	var errs []error
	for _, place := range places {
		path := filepath.Join(c.Dir, place)
		act := func() (string, error) { return link(path, self) }
		if c.Undo {
			act = func() (string, error) { return unlink(path) }
		}
		done, err := act()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintf(out.stdout, "%s: %s\n", path, done)
	}
	return errors.Join(errs...)
}

// link makes path a link to the program, and says what it did.
func link(path, program string) (string, error) {
	if target, err := os.Readlink(path); err == nil && target == program {
		return "was ghostaux already", nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	done := "is ghostaux now"
	_, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", err
	default:
		kept := path + keptSuffix
		if _, err := os.Lstat(kept); err == nil {
			return "", fmt.Errorf("%s and %s are both there: remove the one that is not the original", path, kept)
		}
		if err := os.Rename(path, kept); err != nil {
			return "", err
		}
		done += ", the original is " + filepath.Base(kept)
	}
	return done, os.Symlink(program, path)
}

// unlink puts the original back, or removes the link where there was none.
func unlink(path string) (string, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return "is not ghostaux", nil
	}
	if err != nil {
		return "", err
	}
	target, err := os.Readlink(path)
	if err != nil {
		return "", err
	}
	if filepath.Base(target) != "ghostaux" {
		if self, err := os.Executable(); err != nil || target != self {
			return "is not ghostaux", nil
		}
	}
	if err := os.Remove(path); err != nil {
		return "", err
	}
	err = os.Rename(path+keptSuffix, path)
	if errors.Is(err, fs.ErrNotExist) {
		_ = os.Remove(filepath.Dir(path)) // it was made for the link, where nothing else is in it
		return "is gone, as before", nil
	}
	return "is the original again", err
}
