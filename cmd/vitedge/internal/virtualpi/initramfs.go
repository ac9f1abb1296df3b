//go:build linux

package virtualpi

import (
	"bytes"
	_ "embed"
	"fmt"
)

// initScript is process 1.
//
//go:embed init.sh
var initScript []byte

// serialScript does what the test says.
//
//go:embed serial.sh
var serialScript []byte

// Archive is a cpio archive in the format that kernels unpack as their first
// root file system: "newc" of the kernel's buffer-format document (early
// userspace).
type Archive struct {
	buf   bytes.Buffer
	inode int
}

// Types of files (inode(7)).
const (
	modeDir     = 0o040000
	modeFile    = 0o100000
	modeSymlink = 0o120000
	modeDevice  = 0o020000 // of characters
)

// Dir adds a folder. Folders go before what is in them.
func (a *Archive) Dir(name string) { a.add(name, modeDir|0o755, 0, 0, nil) }

// File adds a file.
func (a *Archive) File(name string, perm int, data []byte) { a.add(name, modeFile|perm, 0, 0, data) }

// Symlink adds a link that points to target.
func (a *Archive) Symlink(name, target string) { a.add(name, modeSymlink|0o777, 0, 0, []byte(target)) }

// Device adds a device of characters.
func (a *Archive) Device(name string, major, minor int) {
	a.add(name, modeDevice|0o600, major, minor, nil)
}

// add writes one entry: a header of 13 numbers in hexadecimal, the name, the
// data, each padded to 4 bytes.
func (a *Archive) add(name string, mode, major, minor int, data []byte) {
	a.inode++
	a.buf.WriteString("070701")
	for _, v := range []int{a.inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name) + 1, 0} {
		fmt.Fprintf(&a.buf, "%08X", v)
	}
	a.buf.WriteString(name + "\x00")
	a.pad()
	a.buf.Write(data)
	a.pad()
}

func (a *Archive) pad() {
	for a.buf.Len()%4 != 0 {
		a.buf.WriteByte(0)
	}
}

// Bytes ends the archive.
func (a *Archive) Bytes() []byte {
	a.add("TRAILER!!!", 0, 0, 0, nil)
	return a.buf.Bytes()
}

// NewRoot is a root file system with a shell that loads the modules, brings
// the network up and then does what it is told over the serial line; see
// [Machine.Run].
func NewRoot(busybox []byte, modules []Module) *Archive {
	a := new(Archive)
	for _, dir := range []string{"bin", "dev", "lib", "proc", "sys", "tmp"} {
		a.Dir(dir)
	}
	a.Device("dev/console", 5, 1)
	a.File("init", 0o755, initScript)
	a.File("bin/busybox", 0o755, busybox)
	a.File("bin/serial", 0o755, serialScript)
	a.Symlink("bin/sh", "busybox")
	a.Modules("lib/modules", modules)
	return a
}

// Modules adds a folder of modules, numbered in their order: the shell's list
// of the folder is the order in which to load them.
func (a *Archive) Modules(dir string, modules []Module) {
	a.Dir(dir)
	for i, m := range modules {
		a.File(fmt.Sprintf("%s/%02d-%s.ko", dir, i, m.Name), 0o644, m.Data)
	}
}
