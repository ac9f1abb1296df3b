package wholefile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// files lists dir.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	path := filepath.Join(dir, "a")
	for _, text := range []string{"first", "2nd"} {
		require.NoError(t, Write(path, []byte(text)))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, text, string(data))
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.Equal(t, []string{"a"}, files(t, dir))
}

func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	require.NoError(t, os.MkdirAll(filepath.Join(path, "in the way"), 0o700))
	require.Error(t, Write(path, []byte("x")))
	require.Equal(t, []string{"a"}, files(t, dir), "no temporary file is left")
	require.Equal(t, []string{"in the way"}, files(t, path))
	require.Error(t, Write("/proc/nothing/a", nil))
}

func TestClean(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "[a]") // no pattern
	require.NoError(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "a")
	f, err := Temp(path)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	for _, name := range []string{"a", "a.bad", "b.1.tmp", "tmp"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	require.Len(t, files(t, dir), 5)
	Clean(path)
	require.Equal(t, []string{"a", "a.bad", "b.1.tmp", "tmp"}, files(t, dir))
	Clean("/nonexistent/a")
}
