package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
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

// So does one that is cut short while verify's workers load it.
func TestFloatCutShort(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeViT(dir))
	require.NoError(t, writePictures(dir, 1))
	out := filepath.Join(dir, "out.int8")
	code, _, stderr := execute(dir, out)
	require.Zero(t, code, stderr)
	int8, err := quant.Open(out, quant.Options{})
	require.NoError(t, err)
	defer int8.Close()
	float, err := quant.Open(dir, quant.Options{})
	require.NoError(t, err)
	defer float.Close()
	require.NoError(t, os.Truncate(filepath.Join(dir, "model.safetensors"), 0))
	pictures := []picture{{path: filepath.Join(dir, "0.jpg"), class: -1}}
	_, err = comparePictures(context.Background(), float, int8, pictures, func(int) {})
	require.EqualError(t, err, "a file that was being read has been cut short, or its disk fails")
}
