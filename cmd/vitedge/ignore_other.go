//go:build !linux || mips || mipsle || mips64 || mips64le

package main

import (
	"os/signal"
	"syscall"
)

// ignore has s do nothing from now on, in the program that this process becomes
// with syscall.Exec as well, until that calls signal.Notify.
func ignore(s syscall.Signal) error {
	signal.Ignore(s)
	return nil
}
