package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// writerFunc calls itself before the first byte.
type writerFunc func()

func (f *writerFunc) Write(p []byte) (int, error) {
	if *f != nil {
		(*f)()
		*f = nil
	}
	return len(p), nil
}

// A source that another program cuts short after it was opened gives one error
// and no file.
func TestSourceCutShort(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeViT(dir))
	cut := writerFunc(func() {
		require.NoError(t, os.Truncate(filepath.Join(dir, "model.safetensors"), 0))
	})
	var stderr bytes.Buffer
	out := filepath.Join(dir, "out")
	require.Equal(t, 1, run(context.Background(), []string{dir, out}, &cut, &stderr))
	require.Equal(t, "quantize: a file that was being read has been cut short, or its disk fails\n", stderr.String())
	left, err := filepath.Glob(filepath.Join(dir, "*out*"))
	require.NoError(t, err)
	require.Empty(t, left)

	require.PanicsWithValue(t, "other", func() { _ = catchFault(func() error { panic("other") }) })
	require.Panics(t, func() {
		var none []int
		_ = catchFault(func() error { return os.Chdir(string(rune(none[len(left)]))) }) // a bug of ours
	})
}
