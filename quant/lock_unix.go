//go:build unix

package quant

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile locks the file called name until the result is closed. It fails
// with errLost where the lock is taken or the name is gone.
func lockFile(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errLost
	case err != nil: // a umask that leaves no permission
		return unguarded, nil
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		f.Close()
		return nil, errLost
	case err != nil: // a file system without locks
		f.Close()
		return unguarded, nil
	}
	// Whoever had the lock before may have removed the file.
	locked, err := f.Stat()
	if named, nameErr := os.Lstat(name); err != nil || nameErr != nil || !os.SameFile(locked, named) {
		f.Close()
		return nil, errLost
	}
	return f, nil
}
