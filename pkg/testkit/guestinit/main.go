// Command guestinit is the first process of the machine that testkit.StartGuest boots. It mounts what a system has,
// loads the modules, brings up the network, and then does what tests ask for over HTTP: run programs, and be what stands
// around a gamepad, namely a game that reads events and plays rumble, and a host that makes devices.
//
// Every request is a POST with a JSON body; answers are JSON. The types of the bodies are beside their handlers.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("guestinit:", err)
	}
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

func run() error {
	for _, m := range []struct{ source, target, kind string }{
		{"proc", "/proc", "proc"}, {"sysfs", "/sys", "sysfs"}, {"dev", "/dev", "devtmpfs"},
	} {
		if err := unix.Mount(m.source, m.target, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	if err := loadModules("/mod"); err != nil {
		return err
	}
	if err := bringUp("lo", [4]byte{127, 0, 0, 1}, [4]byte{255, 0, 0, 0}); err != nil {
		return err
	}
	if err := bringUp("eth0", [4]byte{10, 0, 2, 15}, [4]byte{255, 255, 255, 0}); err != nil { // qemu forwards to this one
		return err
	}
	return http.ListenAndServe(":7", routes())
}

func loadModules(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.ko"))
	if err != nil {
		return err
	}
	for _, path := range files { // Glob sorts
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		_ = f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load %s: %w", path, err)
		}
	}
	return nil
}

// bringUp gives an interface its address, as ifconfig does.
func bringUp(name string, addr, mask [4]byte) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, step := range []struct {
		request uint
		set     func(*unix.Ifreq) error
	}{
		{unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(addr[:]) }},
		{unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr(mask[:]) }},
		{unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }},
	} {
		req, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		if err := step.set(req); err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, step.request, req); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func routes() http.Handler {
	var (
		programs = newPrograms()
		games    = newGames()
		hosts    = newHosts()
		mux      = http.NewServeMux()
	)
	answer(mux, "/hello", func(struct{}) (any, error) { return "hello", nil })
	answer(mux, "/start", programs.start)
	answer(mux, "/signal", programs.signal)
	answer(mux, "/wait", programs.wait)
	answer(mux, "/output", programs.output)
	answer(mux, "/file", file)
	answer(mux, "/devices", func(struct{}) (any, error) { return devices() })
	answer(mux, "/mknod", mknod)
	answer(mux, "/force", games.force)
	answer(mux, "/make", hosts.make)
	answer(mux, "/remove", hosts.remove)
	answer(mux, "/relay", hosts.relay)
	mux.HandleFunc("/read", read)
	return mux
}

// file answers with the text of a file, such as one of /proc.
func file(in struct{ Path string }) (any, error) {
	text, err := os.ReadFile(in.Path)
	return string(text), err
}

// answer makes a handler of a function from the body to the answer.
func answer[In any](mux *http.ServeMux, path string, f func(In) (any, error)) {
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		var in In
		err := json.NewDecoder(r.Body).Decode(&in)
		var out any
		if err == nil {
			out, err = f(in)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(out)
	})
}
