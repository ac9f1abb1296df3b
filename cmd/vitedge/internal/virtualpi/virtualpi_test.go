//go:build linux

package virtualpi

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/cmd/vitedge/internal/brokertest"
)

// module is the smallest ELF file with a section .modinfo.
func module(t *testing.T, info string) []byte {
	t.Helper()
	const names = "\x00.modinfo\x00.shstrtab\x00"
	const headerSize, sectionSize = 64, 64
	content := info + names
	header := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_REL), Machine: uint16(elf.EM_AARCH64), Version: uint32(elf.EV_CURRENT),
		Shoff: uint64(headerSize + len(content)), Ehsize: headerSize, Shentsize: sectionSize, Shnum: 3, Shstrndx: 2,
	}
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: headerSize, Size: uint64(len(info))},
		{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: uint64(headerSize + len(info)), Size: uint64(len(names))},
	}
	var b bytes.Buffer
	for _, part := range []any{header, []byte(content), sections} {
		require.NoError(t, binary.Write(&b, binary.LittleEndian, part))
	}
	return b.Bytes()
}

// pack makes a package of files.
func pack(t *testing.T, name string, files map[string][]byte) (deb string) {
	t.Helper()
	brokertest.RequireTool(t, "dpkg-deb")
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	files["DEBIAN/control"] = []byte("Package: x\nVersion: 1\nArchitecture: arm64\nMaintainer: x\nDescription: x\n")
	for name, data := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, data, 0o644))
	}
	deb = filepath.Join(dir, name)
	out, err := exec.Command("dpkg-deb", "--build", "--root-owner-group", root, deb).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return deb
}

func TestKernel(t *testing.T) {
	const modules = "lib/modules/9.9/kernel/"
	files := map[string][]byte{
		"boot/vmlinuz-9.9":                     []byte("image"),
		"lib/modules/9.9/modules.builtin":      []byte("kernel/drivers/usb/core/usb-core.ko\n"),
		modules + "drivers/usb/top.ko":         module(t, "license=GPL\x00depends=left-arm,right_arm,usb-core\x00"),
		modules + "drivers/usb/left-arm.ko":    module(t, "depends=base\x00name=left_arm\x00"),
		modules + "drivers/media/right_arm.ko": module(t, "depends=base\x00"),
		modules + "net/core/base.ko":           module(t, "depends=\x00"),
		modules + "drivers/usb/lame.ko":        module(t, "depends=none\x00"),
		modules + "drivers/usb/text.ko":        []byte("not a module"),
		modules + "fs/elsewhere.ko":            module(t, ""),
	}
	k, err := OpenKernel(pack(t, "kernel.deb", files))
	require.NoError(t, err)
	require.Equal(t, "image", string(k.Image))
	list, err := k.Modules("top", "base")
	require.NoError(t, err)
	var names []string
	for _, m := range list {
		names = append(names, m.Name)
	}
	require.Equal(t, []string{"base", "left_arm", "right_arm", "top"}, names)
	require.Equal(t, files[modules+"drivers/usb/top.ko"], list[3].Data)

	_, err = k.Modules("lame")
	require.EqualError(t, err, "kernel module none, which lame needs, is not in the package")
	_, err = k.Modules("elsewhere")
	require.ErrorContains(t, err, "elsewhere, which the test needs, is not in the package")
	_, err = k.Modules("text")
	require.ErrorContains(t, err, "drivers/usb/text.ko: ")

	_, err = OpenKernel(pack(t, "empty.deb", map[string][]byte{"boot/config-9.9": nil}))
	require.ErrorContains(t, err, "empty.deb: there is no boot/vmlinuz in it")
	_, err = OpenKernel(filepath.Join(t.TempDir(), "none.deb"))
	require.ErrorContains(t, err, "none.deb: dpkg-deb: exit status")
}

// Newer kernels compress their modules.
func TestCompressedModule(t *testing.T) {
	xz := brokertest.RequireTool(t, "xz")
	plain := module(t, "depends=\x00")
	cmd := exec.Command(xz, "-c", "--check=crc32")
	cmd.Stdin = bytes.NewReader(plain)
	compressed, err := cmd.Output()
	require.NoError(t, err)
	k, err := OpenKernel(pack(t, "kernel.deb", map[string][]byte{
		"boot/vmlinuz-9.9": []byte("image"), "lib/modules/9.9/kernel/drivers/usb/a.ko.xz": compressed,
	}))
	require.NoError(t, err)
	list, err := k.Modules("a")
	require.NoError(t, err)
	require.Equal(t, plain, list[0].Data)
}

func TestReadFile(t *testing.T) {
	deb := pack(t, "busybox.deb", map[string][]byte{"bin/busybox": []byte("program"), "etc/other": nil})
	data, err := ReadFile(deb, "bin/busybox")
	require.NoError(t, err)
	require.Equal(t, "program", string(data))
	_, err = ReadFile(deb, "bin/sh")
	require.ErrorContains(t, err, "busybox.deb: there is no bin/sh in it")
}

func TestFindPackages(t *testing.T) {
	dir := t.TempDir()
	_, err := FindPackages(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "install.sh")
	kernel, busybox := filepath.Join(dir, "linux-image-6.1.0-1-arm64_6.1_arm64.deb"), filepath.Join(dir, "busybox-static_1%3a1_arm64.deb")
	require.NoError(t, os.WriteFile(kernel, nil, 0o600))
	_, err = FindPackages(dir)
	require.ErrorContains(t, err, "busybox-static")
	require.NoError(t, os.WriteFile(busybox, nil, 0o600))
	p, err := FindPackages(dir)
	require.NoError(t, err)
	require.Equal(t, Packages{Kernel: kernel, Busybox: busybox}, p)
}

// The bytes of a small archive, by hand from the kernel's document.
func TestArchive(t *testing.T) {
	a := new(Archive)
	a.Dir("d")
	a.Device("d/c", 5, 1)
	a.File("d/f", 0o640, []byte("hello"))
	a.Symlink("l", "d/f")
	const z = "00000000"
	want := "070701" + "00000001" + "000041ED" + z + z + "00000001" + z + z + z + z + z + z + "00000002" + z + "d\x00" +
		"070701" + "00000002" + "00002180" + z + z + "00000001" + z + z + z + z + "00000005" + "00000001" + "00000004" + z + "d/c\x00\x00\x00" +
		"070701" + "00000003" + "000081A0" + z + z + "00000001" + z + "00000005" + z + z + z + z + "00000004" + z + "d/f\x00\x00\x00hello\x00\x00\x00" +
		"070701" + "00000004" + "0000A1FF" + z + z + "00000001" + z + "00000003" + z + z + z + z + "00000002" + z + "l\x00d/f\x00" +
		"070701" + "00000005" + z + z + z + "00000001" + z + z + z + z + z + z + "0000000B" + z + "TRAILER!!!\x00\x00\x00\x00"
	require.Equal(t, want, string(a.Bytes()))
}

// What is isolated reaches its own servers and nothing else.
func TestIsolate(t *testing.T) {
	if !Isolate(t) {
		return
	}
	require.Equal(t, 1, os.Getpid())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	conn.Close()
	_, err = net.Dial("udp", "192.0.2.1:9") // of the documentation's network
	require.ErrorContains(t, err, "network is unreachable")
}
