//go:build linux

package virtualpi

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Folder is where the packages are: vitedge/virtualpi in the user's cache
// folder.
func Folder() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "vitedge", "virtualpi"), err
}

// Packages are the names of the package files.
type Packages struct {
	Kernel, Busybox string
	Systemd         []string // with all that it depends on
}

// FindPackages looks for them in dir. It does not matter which version they
// are.
func FindPackages(dir string) (Packages, error) {
	var p Packages
	for _, f := range []struct {
		pattern string
		into    *string
	}{{"linux-image-*_arm64.deb", &p.Kernel}, {"busybox-static_*_arm64.deb", &p.Busybox}} {
		found, err := filepath.Glob(filepath.Join(dir, f.pattern))
		if err != nil {
			return p, err
		}
		if len(found) == 0 {
			return p, fmt.Errorf("%w: %s in %s; run cmd/vitedge/testdata/virtualpi/install.sh", os.ErrNotExist, f.pattern, dir)
		}
		*f.into = found[len(found)-1]
	}
	var err error
	p.Systemd, err = filepath.Glob(filepath.Join(dir, "systemd", "*.deb"))
	return p, err
}

// Kernel is what the package of a kernel has for the guest.
type Kernel struct {
	Image []byte // vmlinuz

	modules map[string]file // by name
	builtin map[string]bool
}

// file is one of a package.
type file struct {
	path string
	data []byte
}

// wanted reports whether a file of the package may be needed. The package has
// 300 MB of modules, most of them for other machines.
func wanted(name string) bool {
	_, module, ok := strings.Cut(name, "/kernel/")
	if !ok {
		return strings.HasPrefix(name, "boot/vmlinuz-") || path.Base(name) == "modules.builtin"
	}
	dir := path.Dir(module) + "/"
	return dir == "drivers/net/" || slices.ContainsFunc([]string{"drivers/media/", "drivers/usb/", "drivers/virtio/", "net/core/"},
		func(prefix string) bool { return strings.HasPrefix(dir, prefix) })
}

// OpenKernel reads a package.
func OpenKernel(deb string) (*Kernel, error) {
	k := &Kernel{modules: map[string]file{}, builtin: map[string]bool{}}
	err := eachFile(deb, wanted, func(f file) {
		switch base := path.Base(f.path); {
		case strings.HasPrefix(base, "vmlinuz-"):
			k.Image = f.data
		case base == "modules.builtin":
			for line := range strings.Lines(string(f.data)) {
				k.builtin[moduleName(strings.TrimSpace(line))] = true
			}
		default:
			k.modules[moduleName(f.path)] = f
		}
	})
	if err == nil && k.Image == nil {
		err = errors.New("there is no boot/vmlinuz in it")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", deb, err)
	}
	return k, nil
}

// ReadFile reads one file of a package.
func ReadFile(deb, name string) (data []byte, err error) {
	err = eachFile(deb, func(n string) bool { return n == name }, func(f file) { data = f.data })
	if err == nil && data == nil {
		err = fmt.Errorf("there is no %s in it", name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", deb, err)
	}
	return data, nil
}

// eachFile calls f with those files of a package that keep wants.
func eachFile(deb string, keep func(name string) bool, f func(file)) error {
	return eachHeader(deb, keep, func(h *tar.Header, name string, data []byte) {
		if h.Typeflag == tar.TypeReg {
			f(file{name, data})
		}
	})
}

// eachHeader calls f with those files, folders and links of a package that keep
// wants.
func eachHeader(deb string, keep func(name string) bool, f func(h *tar.Header, name string, data []byte)) error {
	cmd := exec.Command("dpkg-deb", "--fsys-tarfile", deb)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readErr := eachEntry(tar.NewReader(out), keep, f)
	io.Copy(io.Discard, out) // what follows the archive's end, for the program to end
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("dpkg-deb: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return readErr
}

func eachEntry(r *tar.Reader, keep func(name string) bool, f func(h *tar.Header, name string, data []byte)) error {
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		if !keep(name) {
			continue
		}
		data, err := io.ReadAll(r) // nothing but for files
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		f(h, name, data)
	}
}

// moduleName is the name that the kernel has for the module in a file: with
// underscores, whatever the file is called.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// Modules are the names of files and the contents of the modules with all that
// they depend on, in the order in which they must be loaded.
func (k *Kernel) Modules(names ...string) (list []Module, err error) {
	seen := map[string]bool{}
	var add func(name, neededBy string) error
	add = func(name, neededBy string) error {
		if seen[name] || k.builtin[name] {
			return nil
		}
		seen[name] = true
		f, ok := k.modules[name]
		if !ok {
			return fmt.Errorf("kernel module %s, which %s needs, is not in the package", name, neededBy)
		}
		m, err := openModule(f)
		if err != nil {
			return err
		}
		for _, d := range m.depends {
			if err := add(d, name); err != nil {
				return err
			}
		}
		list = append(list, m)
		return nil
	}
	for _, name := range names {
		if err := add(name, "the test"); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Module is a kernel module, ready for insmod.
type Module struct {
	Name string
	Data []byte

	depends []string
}

// openModule reads from the module itself what it depends on. (The lists that
// modprobe uses are made only when the package is installed.)
func openModule(f file) (Module, error) {
	m := Module{Name: moduleName(f.path), Data: f.data}
	if strings.HasSuffix(f.path, ".xz") {
		cmd := exec.Command("xz", "-dc")
		cmd.Stdin = bytes.NewReader(f.data)
		var err error
		if m.Data, err = cmd.Output(); err != nil {
			return m, fmt.Errorf("%s: xz: %w", f.path, err)
		}
	}
	e, err := elf.NewFile(bytes.NewReader(m.Data))
	if err != nil {
		return m, fmt.Errorf("%s: %w", f.path, err)
	}
	section := e.Section(".modinfo")
	if section == nil {
		return m, fmt.Errorf("%s: there is no section .modinfo", f.path)
	}
	info, err := section.Data()
	if err != nil {
		return m, fmt.Errorf("%s: %w", f.path, err)
	}
	for entry := range strings.SplitSeq(string(info), "\x00") {
		if list, ok := strings.CutPrefix(entry, "depends="); ok && list != "" {
			for name := range strings.SplitSeq(list, ",") {
				m.depends = append(m.depends, strings.ReplaceAll(name, "-", "_"))
			}
		}
	}
	return m, nil
}
