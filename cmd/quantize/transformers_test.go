package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
)

// TestTransformers reads a model folder with Python's safetensors and runs it in
// transformers with compressed-tensors. VITEDGE_PYTHON names an interpreter that
// has them.
func TestTransformers(t *testing.T) {
	python := os.Getenv("VITEDGE_PYTHON")
	if python == "" {
		t.Skip("VITEDGE_PYTHON names no Python with transformers and compressed-tensors")
	}
	dir := t.TempDir()
	vit, photos := filepath.Join(dir, "vit"), filepath.Join(dir, "photos")
	require.NoError(t, writeViT(vit))
	require.NoError(t, writePictures(photos, 8))
	var pictures []string
	for _, name := range []string{"1.PNG", "3.PNG", "5.PNG", "7.PNG"} { // decoded the same everywhere
		pictures = append(pictures, filepath.Join(photos, name))
	}
	for name, flags := range map[string][]string{
		"int8":  nil,
		"mixed": {"--keep-f32", "*.0.attention.attention.*", "--keep-f32", "*.1.output.dense"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(dir, name)
			code, _, stderr := execute(append(flags, vit, folder+"/")...)
			require.Zero(t, code, stderr)
			require.Empty(t, stderr)
			cmd := exec.Command(python, append([]string{filepath.Join("testdata", "interop.py"), folder}, pictures...)...)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			require.NoError(t, err)
			var got struct {
				Format  string
				Tensors map[string][3]any
				Missing []string
				Labels  []string
				Logits  [][]float32
			}
			require.NoError(t, json.Unmarshal(out, &got))
			require.Equal(t, "pt", got.Format)
			require.Empty(t, got.Missing)

			c, err := quant.Open(folder, quant.Options{})
			require.NoError(t, err)
			defer c.Close()
			require.Equal(t, c.Labels, got.Labels)
			require.Len(t, got.Tensors, len(c.Tensors()))
			for _, tensor := range c.Tensors() {
				types := map[quant.DType]string{quant.I8: "torch.int8", quant.F32: "torch.float32"}
				require.Equal(t, types[tensor.DType], got.Tensors[tensor.Name][0], tensor.Name)
				require.InDelta(t, sumOf(t, tensor), got.Tensors[tensor.Name][2], 1e-6, tensor.Name)
			}

			r, err := newRunner(c, c)
			require.NoError(t, err)
			defer r.close()
			require.Len(t, got.Logits, len(pictures))
			var signal, noise float64
			for i, path := range pictures {
				require.NoError(t, r.load(path))
				_, _, err := r.compare(-1, false)
				require.NoError(t, err)
				f := compare(got.Logits[i], r.int8Logits, -1)
				require.True(t, f.agree, "%s: %v, here %v", path, got.Logits[i], r.int8Logits)
				signal, noise = signal+f.signal, noise+f.noise
			}
			require.Greater(t, *sqnr(signal, noise), 25.0)
		})
	}
}

func sumOf(t *testing.T, tensor quant.Tensor) (sum float64) {
	if tensor.DType == quant.I8 {
		q, err := tensor.Int8s()
		require.NoError(t, err)
		for _, v := range q {
			sum += float64(v)
		}
		return sum
	}
	w, err := tensor.Float32s()
	require.NoError(t, err)
	for _, v := range w {
		sum += float64(v)
	}
	return sum
}
