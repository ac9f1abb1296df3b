package quant

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A file that a killed process left behind goes; one that is being written, by
// whatever process, stays, and so does everything that is no such file.
func TestStaleTemporaries(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.safetensors")
	stay := []string{
		".m.safetensors.1-x.tmp", ".m.safetensors.tmp", "m.safetensors.1-0.tmp", ".m.safetensors.1-0.tmp2",
		".n.safetensors.1-0.tmp", ".mXsafetensors.1-0.tmp",
	}
	stale := []string{".m.safetensors.1-0.tmp", ".m.safetensors.99999999-17.tmp", fmt.Sprintf(".m.safetensors.%d-0.tmp", os.Getpid())}
	for _, name := range append(stale, stay...) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".m.safetensors.2-0.tmp"), 0o700))

	// A write inside a write is a second process as far as locks are concerned.
	boom := errors.New("boom")
	err := ReplaceFile(path, func(io.Writer) error {
		require.NoError(t, WriteFile(path, sampleTensors(), nil))
		mine := fmt.Sprintf(".m.safetensors.%d-0.tmp", os.Getpid())
		requireFiles(t, dir, slices.Sorted(slices.Values(append(stay, ".m.safetensors.2-0.tmp", mine, "m.safetensors")))...)
		return boom
	})
	require.ErrorIs(t, err, boom)
	requireFiles(t, dir, slices.Sorted(slices.Values(append(stay, ".m.safetensors.2-0.tmp", "m.safetensors")))...)
	f, err := OpenFile(path)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// The lock of a removed file is no lock of the one that has its name now.
func TestLockFileLost(t *testing.T) {
	name := filepath.Join(t.TempDir(), "t")
	_, err := lockFile(name)
	require.ErrorIs(t, err, errLost)
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	guard, err := lockFile(name)
	require.NoError(t, err)
	_, err = lockFile(name)
	require.ErrorIs(t, err, errLost)
	require.NoError(t, guard.Close())
	guard, err = lockFile(name)
	require.NoError(t, err)
	require.NoError(t, guard.Close())
	require.NoError(t, os.Symlink(name, name+"2")) // another file under the name than was locked
	_, err = lockFile(name + "2")
	require.ErrorIs(t, err, errLost)
}
