// Package wholefile replaces files whole or not at all, whenever the power is cut.
package wholefile

import (
	"os"
	"path/filepath"
	"strings"
)

// Temp makes a file beside path that is to be renamed to it.
func Temp(path string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
}

// Clean removes files of Temp that a power cut has left. Nobody else may be about
// to write path.
func Clean(path string) {
	dir, prefix := filepath.Dir(path), filepath.Base(path)+"."
	entries, _ := os.ReadDir(dir) // none where there is nothing to remove
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), ".tmp") {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// Write replaces the file at path, whose folder it makes if there is none, and
// returns when the disk has it. After an error the old file is there, or the new
// one if only its name may not be on the disk yet.
func Write(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := Temp(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
