package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A result that nobody can read is a failure: /dev/full is a disk without room.
func TestResultOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeViT(dir))
	out := filepath.Join(dir, "out")
	for _, args := range [][]string{
		{dir, out}, {"inspect", out}, {"inspect", "--json", out}, {"--help"}, {"--version"},
		{"verify", "--float", dir, out}, {"verify", "--float", dir, "--json", out},
	} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(t, err)
		var stderr bytes.Buffer
		require.Equal(t, 1, run(context.Background(), args, full, &stderr), args)
		require.NoError(t, full.Close())
		require.Equal(t, "quantize: writing the result: write /dev/full: no space left on device\n", stderr.String(), args)
		require.FileExists(t, out)
	}
}

// A disk that is full while the model is written keeps nothing of it, nor the
// folder that was made for it.
func TestModelOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	vit, out := filepath.Join(dir, "vit"), filepath.Join(dir, "out")
	require.NoError(t, writeViT(vit))
	var old syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	limit := func(l syscall.Rlimit) { require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l)) }
	limit(syscall.Rlimit{Cur: 64 << 10, Max: old.Max}) // the write fails as on a full disk
	defer limit(old)
	for _, dst := range []string{out, out + "/"} {
		code, _, stderr := execute(vit, dst)
		require.Equal(t, 1, code)
		require.Regexp(t, "^quantize: writing "+out+".*: file too large\n$", stderr)
		require.NoFileExists(t, out)
		require.NoDirExists(t, out)
	}
	require.NoError(t, os.Mkdir(out, 0o755))
	code, _, _ := execute(vit, out)
	require.Equal(t, 1, code)
	left, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Empty(t, left)
}
