//go:build !mips && !mipsle && !mips64 && !mips64le

package main

import (
	"os"
	"syscall"
	"unsafe"
)

// ignore has the kernel ignore s from now on, in the program that this process
// becomes with syscall.Exec as well, until that calls signal.Notify. A program
// that has Notify for s must not use signal.Ignore for that: a handler which
// runs meanwhile can find s neither wanted nor ignored, and ends the process.
func ignore(s syscall.Signal) error {
	const sigIgn = 1
	const sizeofMask = 8
	// The kernel's struct sigaction begins with the handler everywhere but on
	// MIPS; what follows, four words at most, is 0.
	action := [5]uintptr{sigIgn}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&action)), 0, sizeofMask, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("rt_sigaction", errno)
	}
	return nil
}
