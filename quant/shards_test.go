package quant

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// writeShards splits a model in two, and returns its folder and index.
func writeShards(t testing.TB, m *model) (dir string, index map[string]string) {
	dir, index = t.TempDir(), map[string]string{}
	var shards [2][]Tensor
	for i, name := range slices.Sorted(maps.Keys(m.tensors)) {
		shards[i%2] = append(shards[i%2], m.tensors[name])
		index[name] = []string{"a.safetensors", "b.safetensors"}[i%2]
	}
	require.NoError(t, WriteFile(filepath.Join(dir, "a.safetensors"), shards[0], nil))
	require.NoError(t, WriteFile(filepath.Join(dir, "b.safetensors"), shards[1], nil))
	for name, text := range m.files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	writeIndex(t, dir, index)
	return dir, index
}

func writeIndex(t testing.TB, dir string, index map[string]string) {
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 1}, "weight_map": index})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), text, 0o644))
}

func TestOpenShards(t *testing.T) {
	dir, _ := writeShards(t, huggingFaceModel(tinyConfig, "vit."))
	c, err := Open(dir, Options{})
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, tinyConfig, c.Config)
	requireTensors(t, canonicalTensors(tinyConfig), c)
	require.Contains(t, c.Notes, Note{"shards", "2", "model.safetensors.index.json"})
	var size int64
	for _, name := range []string{"a.safetensors", "b.safetensors"} {
		st, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		size += st.Size()
	}
	require.Equal(t, size, c.Bytes)
	require.Len(t, c.SHA256, 64)
}

func TestOpenShardsRefuses(t *testing.T) {
	m := huggingFaceModel(tinyConfig, "vit.")
	for name, test := range map[string]struct {
		spoil func(t *testing.T, dir string, index map[string]string)
		want  string
	}{
		"missing shard": {func(t *testing.T, dir string, _ map[string]string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "b.safetensors")))
		}, `shard "b.safetensors" is missing`},
		"shard cut short": {func(t *testing.T, dir string, _ map[string]string) {
			require.NoError(t, os.Truncate(filepath.Join(dir, "b.safetensors"), 4000))
		}, `shard "b.safetensors": `},
		"tensor elsewhere": {func(t *testing.T, dir string, index map[string]string) {
			index["classifier.bias"] = "b.safetensors"
			writeIndex(t, dir, index)
		}, `shard "a.safetensors": tensor "classifier.bias" is not there by the index`},
		"tensor nowhere": {func(t *testing.T, dir string, index map[string]string) {
			index["more"] = "b.safetensors"
			writeIndex(t, dir, index)
		}, `shard "b.safetensors" lacks tensor "more"`},
		"unlisted tensor": {func(t *testing.T, dir string, index map[string]string) {
			delete(index, "classifier.bias")
			writeIndex(t, dir, index)
		}, `tensor "classifier.bias" is not there by the index`},
		"path": {func(t *testing.T, dir string, index map[string]string) {
			index["classifier.bias"] = "../a.safetensors"
			writeIndex(t, dir, index)
		}, `shard "../a.safetensors" is no file beside the index`},
		"dot": {func(t *testing.T, dir string, index map[string]string) {
			index["classifier.bias"] = ".."
			writeIndex(t, dir, index)
		}, `shard ".." is no file beside the index`},
		"index of itself": {func(t *testing.T, dir string, index map[string]string) {
			for name := range index {
				index[name] = "model.safetensors.index.json"
			}
			writeIndex(t, dir, index)
		}, `shard "model.safetensors.index.json" is no file beside the index`},
		"index under another name": {func(t *testing.T, dir string, index map[string]string) {
			text, err := os.ReadFile(filepath.Join(dir, "model.safetensors.index.json"))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "b.safetensors"), text, 0o644))
		}, `shard "b.safetensors": an index, which is no weights`},
		"no shards": {func(t *testing.T, dir string, _ map[string]string) {
			writeIndex(t, dir, nil)
		}, `JSON without a "weight_map"`},
		"too many shards": {func(t *testing.T, dir string, index map[string]string) {
			for i := range 1001 {
				index[string(rune(0x4e00+i))] = string(rune(0x4e00 + i))
			}
			writeIndex(t, dir, index)
		}, "1003 shards; want 1000 at most"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, index := writeShards(t, m)
			test.spoil(t, dir, index)
			_, err := Open(dir, Options{})
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, dir+"/model.safetensors.index.json: ")
		})
	}
}

// FuzzShards opens arbitrary shards by an arbitrary index as one checkpoint, and
// quantizes what opens.
func FuzzShards(f *testing.F) {
	dir, _ := writeShards(f, timmModel(fuzzConfig))
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(f, err)
		return b
	}
	const index, a, b = "model.safetensors.index.json", "a.safetensors", "b.safetensors"
	f.Add(read(index), read(a), read(b))
	f.Add([]byte(`{"weight_map":{"x":"a.safetensors","y":"b.safetensors"}}`),
		container(`{"x":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]}}`, 8),
		container(`{"y":{"dtype":"I8","shape":[3],"data_offsets":[0,3]}}`, 3))
	out := f.TempDir()
	open := func(t testing.TB, contents ...[]byte) error {
		for i, name := range []string{index, a, b} {
			require.NoError(t, os.WriteFile(filepath.Join(out, name), contents[i], 0o600))
		}
		c, err := Open(out, fuzzFlags)
		if err != nil {
			return err
		}
		defer c.Close()
		if c.Quantized() {
			return nil
		}
		q, err := c.Quantize(nil)
		if err != nil {
			return err
		}
		defer os.Remove(filepath.Join(out, "int8"))
		return q.WriteFile(filepath.Join(out, "int8"))
	}
	// A seed that fails early would not reach far.
	require.NoError(f, open(f, read(index), read(a), read(b)))
	f.Fuzz(func(t *testing.T, index, a, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = open(t, index, a, b)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20+1000*(len(index)+len(a)+len(b))))
	})
}
