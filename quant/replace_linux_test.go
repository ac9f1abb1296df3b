package quant

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A failed write leaves the folder as it was: the old file intact, no new one.
func TestReplaceFileFailures(t *testing.T) {
	boom := errors.New("boom")
	for _, test := range []struct {
		name  string
		setUp func(t *testing.T)
		write func(io.Writer) error
		want  error
	}{
		{
			name:  "content fails midway",
			write: func(w io.Writer) error { w.Write(make([]byte, 1<<20)); return boom },
			want:  boom,
		},
		{
			name: "disk is full", // or the file too large: the write fails the same way; go test itself writes less
			setUp: func(t *testing.T) {
				var old syscall.Rlimit
				require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
				require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4 << 20, Max: old.Max}))
				t.Cleanup(func() { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old)) })
			},
			want: syscall.EFBIG,
		},
		{
			name: "folder is read-only",
			setUp: func(t *testing.T) {
				require.NoError(t, os.Chmod(".", 0o555))
				t.Cleanup(func() { os.Chmod(".", 0o755) })
				dropPrivileges(t)
			},
			want: syscall.EACCES,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Chdir(t.TempDir()) // who has no privileges may not find the way here
			const path = "m.safetensors"
			require.NoError(t, os.WriteFile(path, []byte("old"), 0o644))
			if test.setUp != nil {
				test.setUp(t)
			}
			write := test.write
			if write == nil {
				write = func(w io.Writer) error {
					_, err := w.Write(make([]byte, 8<<20))
					return err
				}
			}
			err := ReplaceFile(path, write)
			require.ErrorIs(t, err, test.want)
			require.ErrorContains(t, err, "writing "+path)
			requireFiles(t, ".", path)
			old, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, "old", string(old))
		})
	}
}

// dropPrivileges lets the permissions of files hold for root, too, on this
// test's thread.
func dropPrivileges(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	runtime.LockOSThread()
	require.NoError(t, syscall.Setfsuid(65534))
	t.Cleanup(func() {
		require.NoError(t, syscall.Setfsuid(0))
		runtime.UnlockOSThread()
	})
}

// A rename would put a file in the place of a device such as /dev/null.
func TestReplaceFileRefusesDevices(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	require.ErrorContains(t, WriteFile(fifo, nil, nil), fifo+": not a regular file")
	_, err := OpenFile(fifo)
	require.ErrorContains(t, err, fifo+": not a regular file")

	dir := t.TempDir()
	require.ErrorContains(t, WriteFile(dir, nil, nil), "not a regular file")
	require.ErrorIs(t, WriteFile(filepath.Join(dir, "absent", "m"), nil, nil), os.ErrNotExist)
	requireFiles(t, dir)
}

func TestReplaceFileReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.safetensors")
	require.NoError(t, WriteFile(path, sampleTensors(), nil))
	old, err := OpenFile(path)
	require.NoError(t, err)
	defer old.Close()
	require.NoError(t, WriteFile(path, nil, nil))
	q, _ := old.Tensor("q")
	require.Equal(t, sampleTensors()[1].Data, q.Data, "an open file keeps its content")
	requireFiles(t, dir, "m.safetensors")
}
