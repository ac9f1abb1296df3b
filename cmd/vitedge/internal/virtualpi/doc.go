//go:build linux

// Package virtualpi boots a stock Debian kernel as a Raspberry Pi 4 for tests:
// the same CPU, a Cortex-A72, in QEMU, with the drivers that every Pi uses for
// USB cameras.
//
//	kernel.go     kernel and modules out of Debian's package, never installed
//	initramfs.go  the root file system, with the programs under test
//	systemd.go    the same with Debian's systemd as process 1
//	init.sh       process 1 of the guest
//	serial.sh     the shell that does what the test says
//	machine.go    QEMU, and a shell in the guest over the serial line
//	isolate.go    a network namespace with nothing in it but loopback
//
// The packages of the kernel and of busybox lie in [Folder], where
// testdata/virtualpi/install.sh puts them. The guest reaches servers on the
// host's loopback at [Host].
package virtualpi
