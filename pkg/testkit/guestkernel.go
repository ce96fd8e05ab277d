package testkit

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// kernel is Debian's kernel as a guest needs it: the uncompressed image, which qemu starts at once, and the modules.
type kernel struct {
	image   string            // path
	modules map[string]string // by name, with underscores
}

// moduleDirs are the parts of the kernel package that guests may want, below kernel/.
var moduleDirs = regexp.MustCompile(`/kernel/(drivers/(input|virtio|hid|net/(virtio_net|net_failover))|net/core/failover)`)

// guestKernel returns the kernel from the user's cache. The first time it is fetched with apt-get download, which needs no
// rights, and unpacked; nothing is installed.
func guestKernel(t testing.TB) kernel {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "ghostaux", "guest-kernel")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	unlock := lockDir(t, dir)
	defer unlock()
	done := filepath.Join(dir, "done")
	if _, err := os.Stat(done); err != nil {
		if err := fetchKernel(dir); err != nil {
			t.Fatalf("fetch a kernel for the guest: %v", err)
		}
		if err := os.WriteFile(done, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return kernel{image: filepath.Join(dir, "vmlinux"), modules: findModules(t, dir)}
}

// lockDir keeps the tests of another package, which run at the same time, from doing the same.
func lockDir(t testing.TB, dir string) (unlock func()) {
	t.Helper()
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { _ = lock.Close() }
}

func findModules(t testing.TB, dir string) map[string]string {
	t.Helper()
	modules := map[string]string{}
	err := filepath.WalkDir(filepath.Join(dir, "modules"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			modules[strings.ReplaceAll(strings.TrimSuffix(d.Name(), ".ko"), "-", "_")] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return modules
}

// fetchKernel unpacks the generic kernel's package. (The cloud kernel has no uinput.)
func fetchKernel(dir string) error {
	depends, err := exec.Command("apt-cache", "depends", "linux-image-amd64").Output()
	if err != nil {
		return fmt.Errorf("apt-cache: %w", err)
	}
	name := regexp.MustCompile(`Depends: (linux-image-\S+)`).FindSubmatch(depends)
	if name == nil {
		return errors.New("apt-cache does not say what linux-image-amd64 depends on; run apt-get update")
	}
	tmp, err := os.MkdirTemp(dir, "fetch")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	download := exec.Command("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", string(name[1]))
	download.Dir = tmp
	if out, err := download.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get download: %w: %s", err, out)
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("apt-get download left %v", debs)
	}
	return unpackKernel(debs[0], dir)
}

// unpackKernel takes what guests may want out of the package.
func unpackKernel(deb, dir string) error {
	cmd := exec.Command("dpkg-deb", "--fsys-tarfile", deb)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Wait() }()
	defer out.Close()
	for files := tar.NewReader(out); ; {
		h, err := files.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case strings.HasPrefix(h.Name, "./boot/vmlinuz-"):
			err = writeImage(files, filepath.Join(dir, "vmlinux"))
		case strings.HasSuffix(h.Name, ".ko") && moduleDirs.MatchString(h.Name):
			err = writeFrom(files, filepath.Join(dir, "modules", filepath.Base(h.Name)))
		}
		if err != nil {
			return err
		}
	}
}

// writeImage takes the compressed kernel out of its boot loader's wrapping (Documentation/x86/boot: setup_sects at 497,
// payload_offset at 584, payload_length at 588, of which the last 4 bytes are the length when uncompressed).
func writeImage(r io.Reader, path string) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if len(b) < 592 {
		return errors.New("vmlinuz is too short")
	}
	start := (int(b[497])+1)*512 + int(binary.LittleEndian.Uint32(b[584:]))
	end := start + int(binary.LittleEndian.Uint32(b[588:])) - 4
	if start > end || end > len(b) {
		return errors.New("vmlinuz has no payload")
	}
	xz := exec.Command("xz", "-dc")
	xz.Stdin = bytes.NewReader(b[start:end])
	image, err := xz.Output()
	if err != nil || !bytes.HasPrefix(image, []byte("\x7fELF")) {
		return fmt.Errorf("unpack the kernel: not xz and ELF: %w", err)
	}
	return os.WriteFile(path, image, 0o644)
}

func writeFrom(r io.Reader, path string) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

// ordered lists the files of the modules and of those that they depend on, in the order of loading. What the kernel has
// built in has no file.
func (k kernel) ordered(t testing.TB, names ...string) []string {
	t.Helper()
	var files []string
	seen := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		path, ok := k.modules[name]
		if !ok || seen[name] {
			return
		}
		seen[name] = true
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range bytes.Split(b, []byte{0}) {
			if list, ok := bytes.CutPrefix(field, []byte("depends=")); ok && len(list) > 0 {
				for _, dep := range strings.Split(string(list), ",") {
					add(strings.ReplaceAll(dep, "-", "_"))
				}
			}
		}
		files = append(files, path)
	}
	for _, name := range names {
		add(name)
	}
	return files
}
