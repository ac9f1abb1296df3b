package quant

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// A temporary file is called ".base.pid-n.tmp" and locked as long as its
// process lives. The lock goes with the process however it ends, so a file
// that can be locked belongs to nobody. The number of a process says less: it
// is given out again, and means nothing on another machine that shares the
// folder.

// createTemp is os.CreateTemp with the permissions that the umask gives and a
// guard, which keeps the file from removeStale until it is closed.
func createTemp(dir, base string) (temp *os.File, guard io.Closer, err error) {
	for i := range 1000 {
		name := filepath.Join(dir, fmt.Sprintf(".%s.%d-%d.tmp", base, os.Getpid(), i))
		temp, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if guard, err = lockFile(name); err == nil {
			return temp, guard, nil
		}
		// Somebody took it for stale in the moment before it was locked, and
		// has removed it or is about to.
		temp.Close()
	}
	return nil, nil, err
}

// removeStale removes the temporary files of base that no process guards any
// more. It does what it can: the file at hand can be written without it.
func removeStale(dir, base string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	temp := regexp.MustCompile(`^\.` + regexp.QuoteMeta(base) + `\.[0-9]+-[0-9]+\.tmp$`)
	for _, e := range entries {
		if !temp.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		name := filepath.Join(dir, e.Name())
		if guard, err := lockFile(name); err == nil && guard != unguarded {
			os.Remove(name)
			guard.Close()
		}
	}
}

// unguarded is the guard where files cannot be locked. Nothing is taken for
// stale there.
var unguarded = io.NopCloser(nil)

// errLost is that of a file which belongs to another process or to none.
var errLost = errors.New("another process has locked or removed the file")
