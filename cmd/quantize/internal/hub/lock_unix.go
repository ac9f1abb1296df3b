//go:build unix

package hub

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lock waits for the lock that huggingface_hub takes, too, while it fetches a
// file. A file system without locks has none: a file that two processes write
// fails its check, and is fetched again.
func (c *Client) lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o664)
	if err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return func() { f.Close() }, nil
		}
		if first {
			c.Log.Warn("waiting for another process that fetches the same file", "lock", path)
		}
		if err := c.wait(ctx, time.Second/4); err != nil {
			f.Close()
			return nil, err
		}
	}
}
