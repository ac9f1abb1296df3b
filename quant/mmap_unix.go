//go:build unix

package quant

import (
	"fmt"
	"os"
	"syscall"
)

// mapFile maps a regular file read-only, from offset 0: page sizes differ
// between kernels (16 KiB on a Raspberry Pi 5), the start of a file fits all.
func mapFile(path string) (data []byte, unmap func() error, err error) {
	size, err := regularSize(path)
	if err != nil {
		return nil, nil, err
	}
	if size == 0 {
		return nil, func() error { return nil }, nil // mmap refuses an empty range
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() // the mapping outlives the descriptor
	data, err = syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: mapping %d bytes: %w", path, size, err)
	}
	return data, func() error { return syscall.Munmap(data) }, nil
}
