package gamepad

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"ghostaux/pkg/host"
)

// Values of Config.Device.
const (
	DeviceAuto   = "auto"
	DeviceUinput = "uinput"
	DeviceAttach = "attach"
)

// Values of Config.Profile.
const (
	ProfileAuto    = "auto"
	ProfileKasm    = "kasm"
	ProfileXbox360 = "xbox360"
)

// Values of Config.Remove.
const (
	RemoveAtExit       = "exit"
	RemoveAtDisconnect = "disconnect"
)

// Config is what the gamepad service can be told.
type Config struct {
	Addr    string `default:":4904" env:"ADDR" help:"Address of the gamepad WebSocket; off for none of its own."`
	Device  string `default:"auto" env:"DEVICE" help:"Where the pads come from: uinput (made here), attach (made on the host and mapped in as event0 to event3), or auto (attach where such a pad is there, else uinput)."`
	Profile string `default:"auto" env:"PROFILE" help:"Model of the pads made here: kasm (the pad of the images' SDL_GAMECONTROLLERCONFIG), xbox360 (the pad that every game knows), or auto (kasm where SDL_GAMECONTROLLERCONFIG names it, else xbox360)."`
	Count   int    `default:"0" env:"COUNT" help:"Pads to make at start, 0 to 4, for programs that do not notice new ones; the others are made when they are first used."`
	Remove  string `default:"exit" env:"REMOVE" help:"When a pad made here is removed: exit (ghostaux ends), or disconnect (nobody holds it any more)."`
	Uinput  string `default:"/dev/uinput" env:"UINPUT" help:"Device node of uinput."`
	Input   string `default:"/dev/input" env:"INPUT" help:"Directory of the input devices."`
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	return errors.Join(
		address("--gamepad-addr", c.Addr),
		oneOf("--gamepad-device", c.Device, DeviceAuto, DeviceUinput, DeviceAttach),
		oneOf("--gamepad-profile", c.Profile, ProfileAuto, ProfileKasm, ProfileXbox360),
		oneOf("--gamepad-remove", c.Remove, RemoveAtExit, RemoveAtDisconnect),
		count(c.Count),
		absolute("--gamepad-uinput", c.Uinput),
		absolute("--gamepad-input", c.Input),
	)
}

func count(n int) error {
	if n < 0 || n > Slots {
		return fmt.Errorf("--gamepad-count %d: must be 0 to %d", n, Slots)
	}
	return nil
}

func oneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s %q: must be one of %s", flag, value, strings.Join(allowed, ", "))
}

func absolute(flag, path string) error {
	if filepath.IsAbs(path) {
		return nil
	}
	return fmt.Errorf("%s %q: must be an absolute path", flag, path)
}

func address(flag, addr string) error {
	if err := host.CheckAddr(addr); err != nil {
		return fmt.Errorf("%s %q: %w", flag, addr, err)
	}
	return nil
}
