package main

import (
	"errors"
	"runtime"
	"runtime/debug"
)

// catchFault runs work, which reads mapped files. Where a page of one cannot be
// had, since another program has cut the file short or the disk fails, the
// kernel raises SIGBUS; that is an error like any other of reading. It holds for
// the calling goroutine alone: every one that reads needs its own.
func catchFault(work func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface {
			runtime.Error
			Addr() uintptr // what a fault has and no other runtime error
		}:
			err = errors.New("a file that was being read has been cut short, or its disk fails")
		default:
			panic(fault)
		}
	}()
	return work()
}
