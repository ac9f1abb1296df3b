//go:build !unix

package quant

import "os"

// mapFile reads the file where the system has no mmap.
func mapFile(path string) (data []byte, unmap func() error, err error) {
	if _, err := regularSize(path); err != nil {
		return nil, nil, err
	}
	data, err = os.ReadFile(path)
	return data, func() error { return nil }, err
}
