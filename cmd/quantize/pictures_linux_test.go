package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

// Nobody waits for a FIFO that no one writes to, and a file of any size is no
// table.
func TestPicturesRefuse(t *testing.T) {
	dir := t.TempDir()
	fifo, huge := filepath.Join(dir, "a.jpg"), filepath.Join(dir, "labels.csv")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	require.NoError(t, os.WriteFile(huge, []byte("file,class\n"), 0o600))
	require.NoError(t, os.Truncate(huge, 1<<40))
	errs := make(chan error)
	for _, test := range []struct {
		read func() error
		want string
	}{
		{func() error { _, err := decodePicture(fifo); return err }, fifo + ": not a regular file"},
		{func() error { _, err := readClasses(fifo, 5); return err }, fifo + ": not a regular file"},
		{func() error { _, err := readClasses(huge, 5); return err }, huge + ": 1099511627776 bytes are more than 67108864"},
	} {
		go func() { errs <- test.read() }()
		select {
		case err := <-errs:
			require.EqualError(t, err, test.want)
		case <-time.After(time.Minute):
			require.Fail(t, "it waits", test.want)
		}
	}
}

// private is a tree with a folder that may not be read.
type private struct{ fstest.MapFS }

func (p private) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == "private" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return p.MapFS.ReadDir(name)
}

// A folder that may not be read does not keep verify from the others.
func TestPicturesPrivate(t *testing.T) {
	files := private{fstest.MapFS{"private/a.jpg": {}, "public/b.png": {}, "a.jpg": {}, "b.jpg/c.JPEG": {}, "z.txt": {}}}
	names, leftOut, err := walkPictures(files, "photos")
	require.NoError(t, err)
	require.Equal(t, []string{"a.jpg", "b.jpg/c.JPEG", "public/b.png"}, names)
	require.Len(t, leftOut, 1)
	require.EqualError(t, leftOut[0], "photos/private: permission denied")
}
