package quant

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNew(t *testing.T) {
	want := canonicalTensors(tinyConfig)
	var order []string
	c, err := New(tinyConfig, tinyPreprocess, func(name string, shape []int, dst []float32) {
		order = append(order, name)
		require.Equal(t, want[name].Shape, shape)
		require.Equal(t, make([]float32, len(dst)), dst)
		source := want[name]
		v, err := source.Float32s()
		require.NoError(t, err)
		require.Equal(t, len(v), copy(dst, v))
	})
	require.NoError(t, err)
	require.Len(t, order, len(want))
	require.False(t, c.Quantized())
	for name, w := range want {
		got, err := c.Tensor(name)
		require.NoError(t, err)
		require.Equal(t, w, got)
	}

	// It becomes a model file like a checkpoint that was read.
	q, err := c.Quantize(nil)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, q.WriteFile(path))
	require.NoError(t, c.Close())
	opened, err := Open(path, Options{})
	require.NoError(t, err)
	defer opened.Close()
	require.Equal(t, tinyConfig, opened.Config)
	require.Equal(t, tinyPreprocess, opened.Preprocess)
}

func TestNewRefuses(t *testing.T) {
	nothing := func(string, []int, []float32) {}
	c := tinyConfig
	c.Heads = 5
	_, err := New(c, tinyPreprocess, nothing)
	require.ErrorContains(t, err, "num_attention_heads 5")
	p := tinyPreprocess
	p.Crop = 9
	_, err = New(tinyConfig, p, nothing)
	require.ErrorContains(t, err, "crop is 9")
	_, err = New(tinyConfig, tinyPreprocess, func(name string, _ []int, dst []float32) {
		if name == "classifier.weight" {
			dst[7] = float32(math.NaN())
		}
	})
	require.ErrorContains(t, err, `"classifier.weight"`)
	require.ErrorContains(t, err, "7")
}
