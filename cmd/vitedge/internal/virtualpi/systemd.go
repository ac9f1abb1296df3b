//go:build linux

package virtualpi

import (
	"archive/tar"
	_ "embed"
	"path"
	"slices"
	"strings"
)

// serialService answers the test's commands under systemd.
//
//go:embed serial.service
var serialService []byte

// System is the folder of the first root file system that becomes the root when
// systemd is started. Names of files in it begin with it.
const System = "system/"

// NewSystemdRoot is a root file system in which Debian's systemd and udev, out of
// their packages, are process 1 and its helper. The shell is a service.
func NewSystemdRoot(busybox []byte, modules []Module, packages []string) (*Archive, error) {
	a := NewRoot(busybox, modules)
	t := tree{archive: a, made: map[string]bool{}}
	for _, deb := range packages {
		if err := eachHeader(deb, installed, t.add); err != nil {
			return nil, err
		}
	}
	for _, dir := range []string{"dev", "proc", "sys", "run", "tmp", "root", "var", "usr/lib/busybox", "etc/systemd/system/multi-user.target.wants"} {
		t.dir(dir)
	}
	for _, link := range merged {
		a.Symlink(System+link, "usr/"+link)
	}
	a.File(System+"usr/bin/serial", 0o755, serialScript)
	a.File(System+"usr/bin/busybox", 0o755, busybox)
	for _, name := range []string{"sh", "cat", "cp", "cut", "grep", "kill", "ls", "mkdir", "sed", "sleep", "stty", "touch", "tr"} {
		a.Symlink(System+"usr/bin/"+name, "busybox")
	}
	a.File(System+"etc/systemd/system/serial.service", 0o644, serialService)
	a.Symlink(System+"etc/systemd/system/multi-user.target.wants/serial.service", "../serial.service")
	a.Symlink(System+"etc/systemd/system/default.target", "/usr/lib/systemd/system/multi-user.target")
	a.File(System+"etc/passwd", 0o644, []byte("root:x:0:0:root:/root:/bin/sh\n"))
	a.File(System+"etc/group", 0o644, []byte("root:x:0:\ntty:x:5:\nvideo:x:44:\n"))
	a.File(System+"etc/machine-id", 0o444, []byte("0123456789abcdef0123456789abcdef\n"))
	return a, nil
}

// merged are the folders of the root that Debian has in /usr.
var merged = []string{"bin", "lib", "sbin"}

// installed reports whether a file of a package is needed to run. What the
// start of a whole system wants besides the journal and udev, such as an event
// for every device that there is, takes minutes on an emulated CPU.
func installed(name string) bool {
	dir, file := path.Split(strings.TrimPrefix(name, "usr/"))
	switch {
	case strings.HasPrefix(dir, "share/"), strings.HasPrefix(dir, "lib/udev/hwdb.d/"), dir == "lib/systemd/system-generators/":
		return false
	case dir == "lib/systemd/system/multi-user.target.wants/", dir == "lib/systemd/system/getty.target.wants/", file == "getty.target":
		return false
	case dir == "lib/systemd/system/sysinit.target.wants/":
		return strings.Contains(file, "journald") || strings.Contains(file, "udevd")
	}
	return true
}

// tree is the content of packages in an archive.
type tree struct {
	archive *Archive
	made    map[string]bool // folders
}

// add puts one file of a package where it belongs.
func (t *tree) add(h *tar.Header, name string, data []byte) {
	if first, _, _ := strings.Cut(name, "/"); slices.Contains(merged, first) {
		name = "usr/" + name
	}
	t.dir(path.Dir(name))
	switch h.Typeflag {
	case tar.TypeReg:
		t.archive.File(System+name, int(h.Mode&0o7777), data)
	case tar.TypeSymlink:
		t.archive.Symlink(System+name, h.Linkname)
	}
}

// dir makes a folder and those above it.
func (t *tree) dir(name string) {
	if t.made[name] {
		return
	}
	t.made[name] = true
	if name == "." {
		t.archive.Dir(strings.TrimSuffix(System, "/"))
		return
	}
	t.dir(path.Dir(name))
	t.archive.Dir(System + name)
}
