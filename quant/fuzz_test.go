package quant

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzOpenFile opens arbitrary bytes as a container. What opens must hold
// tensors that fill their shapes, and survive a rewrite; what does not must
// cost no more memory than its size explains.
func FuzzOpenFile(f *testing.F) {
	f.Add([]byte{})
	f.Add(container(`{}`, 0))
	f.Add(container(`{"__metadata__":{"format":"pt"},"x":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]},"y":{"dtype":"I8","shape":[3],"data_offsets":[8,11]}}`, 11))
	f.Add(container(`{"x":{"dtype":"U8","shape":[1152921504606846976],"data_offsets":[0,1152921504606846976]}}`, 1))
	f.Add(container(`{"x":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x10{}"))
	path := filepath.Join(f.TempDir(), "m.safetensors")
	f.Fuzz(func(t *testing.T, b []byte) {
		require.NoError(t, os.WriteFile(path, b, 0o600))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		file, err := OpenFile(path)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20+100*len(b)))
		if err != nil {
			return
		}
		defer file.Close()
		for _, tensor := range file.Tensors() {
			n, ok := elements(tensor.Shape)
			require.True(t, ok)
			require.Equal(t, len(tensor.Data), n*tensor.DType.Size())
			tensor.Float32s()
			tensor.Int8s()
		}
		again := path + ".again"
		require.NoError(t, WriteFile(again, file.Tensors(), file.Metadata()))
		copied, err := OpenFile(again)
		require.NoError(t, err)
		defer copied.Close()
		require.Equal(t, file.Metadata(), copied.Metadata())
		require.Len(t, copied.Tensors(), len(file.Tensors()))
		for _, want := range file.Tensors() {
			got, ok := copied.Tensor(want.Name)
			require.True(t, ok)
			require.Equal(t, want.DType, got.DType)
			require.Equal(t, want.Shape, got.Shape)
			require.Equal(t, string(want.Data), string(got.Data))
		}
	})
}

// FuzzOpen opens arbitrary texts beside arbitrary weights as a checkpoint, and
// quantizes and reopens whatever opens.
func FuzzOpen(f *testing.F) {
	config := Config{
		Architecture: "vit_test", ImageSize: 2, PatchSize: 2, Dim: 2, Depth: 1, Heads: 1, MLPDim: 2, Classes: 1,
		Epsilon: 1e-6, Activation: GELU, Pool: Token, QKVBias: true,
	}
	for _, m := range []*model{timmModel(config), huggingFaceModel(config, "vit."), huggingFaceModel(config, "deit.")} {
		if m.files["preprocessor_config.json"] != "" {
			m.set(f, "preprocessor_config.json", "crop_size", 2)
			m.set(f, "config.json", "id2label", map[string]string{"0": "a"})
		} else {
			m.files["labels.txt"] = "a"
		}
		dir := m.write(f)
		c, err := Open(dir, Options{})
		require.NoError(f, err) // a seed that fails early would not reach far
		q, err := c.Quantize(nil)
		require.NoError(f, err)
		require.NoError(f, q.WriteFile(filepath.Join(dir, "int8")))
		require.NoError(f, c.Close())
		weights, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
		require.NoError(f, err)
		int8s, err := os.ReadFile(filepath.Join(dir, "int8"))
		require.NoError(f, err)
		f.Add(int8s, "", "", "")
		f.Add(weights, m.files["config.json"], m.files["preprocessor_config.json"], m.files["labels.txt"])
	}
	for _, name := range []string{"dinov2-hf/model.safetensors", "dinov2-registers-hf/pytorch_model.bin"} {
		path := filepath.Join("../testdata/reference", filepath.FromSlash(name))
		text := func(name string) string {
			b, err := os.ReadFile(name)
			require.NoError(f, err)
			return string(b)
		}
		f.Add([]byte(text(path)), text(filepath.Join(filepath.Dir(path), "config.json")), text(filepath.Join(filepath.Dir(path), "preprocessor_config.json")), "")
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, weights []byte, config, preprocess, labels string) {
		for name, text := range map[string]string{"model.safetensors": string(weights), "config.json": config, "preprocessor_config.json": preprocess, "labels.txt": labels} {
			path := filepath.Join(dir, name)
			os.Remove(path)
			if text != "" {
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		c, err := Open(dir, Options{})
		runtime.ReadMemStats(&after)
		// A file may ask for positions of maxGrid by maxGrid patches.
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20+1000*(len(weights)+len(config)+len(preprocess)+len(labels))))
		if err != nil {
			return
		}
		defer c.Close()
		if c.Quantized() {
			return
		}
		q, err := c.Quantize(nil)
		require.NoError(t, err)
		path := filepath.Join(dir, "int8.out")
		require.NoError(t, q.WriteFile(path))
		r, err := Open(path, Options{})
		require.NoError(t, err)
		require.NoError(t, r.Close())
	})
}
