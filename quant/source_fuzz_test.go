package quant

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fuzzConfig is the smallest ViT there is.
var fuzzConfig = Config{
	ImageSize: 2, PatchSize: 2, Dim: 2, Depth: 1, Heads: 1, MLPDim: 2, Classes: 1,
	Epsilon: 1e-6, Activation: GELU, Pool: Token, QKVBias: true,
}

var fuzzFlags = Options{Heads: 1, Resize: Resize{Squash, 2}, Interpolation: Bilinear, Mean: []float32{0, 0, 0}, Std: []float32{1, 1, 1}}

// FuzzTorch, FuzzTorchLegacy and FuzzNPZ open arbitrary bytes that start as a
// file of the format does, and quantize what opens. A zip file is opened with
// right checksums, too: else hardly anything but theirs would be tried.
func FuzzTorch(f *testing.F) {
	m := timmModel(fuzzConfig)
	fuzzSource(f, torchFile(f, m.tensors, same), torchFile(f, m.tensors, func(name string) string { return "module." + name }))
}

func FuzzTorchLegacy(f *testing.F) { fuzzSource(f, legacyFile(f, timmModel(fuzzConfig).tensors)) }

func FuzzNPZ(f *testing.F) {
	fuzzSource(f, jaxFile(f, fuzzConfig, zip.Store), jaxFile(f, fuzzConfig, zip.Deflate), stackedFile(f, fuzzConfig, zip.Deflate))
}

func fuzzSource(f *testing.F, seeds ...[]byte) {
	for _, seed := range seeds {
		// A seed that fails early would not reach far.
		require.NoError(f, openBytes(f.TempDir(), seed))
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, file := range append(mended(t, file), file) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_ = openBytes(dir, file)
			runtime.ReadMemStats(&after)
			// What deflates may inflate to inflation times the size, and once more
			// for each of check, layout and float32; a pickle's values take more than
			// its opcodes.
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(inflationSlack+64<<20+1000*len(file)))
		}
	})
}

// mended is a zip file of stored entries with the checksums that they should
// have, or none where file is something else.
func mended(t testing.TB, file []byte) [][]byte {
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil
	}
	var entries []zipEntry
	for _, e := range z.File {
		offset, err := e.DataOffset()
		if err != nil || e.Method != zip.Store || strings.HasSuffix(e.Name, "/") || offset > int64(len(file)) || e.UncompressedSize64 > uint64(int64(len(file))-offset) {
			return nil
		}
		entries = append(entries, zipEntry{e.Name, file[offset:][:e.UncompressedSize64], zip.Store})
	}
	return [][]byte{zipFile(t, entries...)}
}

// openBytes does all that Open does with a file of this content, and quantizes
// it.
func openBytes(dir string, file []byte) error {
	s, err := readSource("", file, "")
	if err != nil {
		return err
	}
	defer s.close()
	s.files = [][]byte{file}
	c, err := open(s, dir+"/weights", fuzzFlags)
	if err != nil {
		return err
	}
	q, err := c.Quantize(nil)
	if err != nil {
		return err
	}
	defer os.Remove(dir + "/int8")
	return q.WriteFile(dir + "/int8")
}

// FuzzSidecars opens good weights of every family that has a configuration, with
// arbitrary texts beside them. What opens is quantized, and says the same of itself
// when it is opened again.
func FuzzSidecars(f *testing.F) {
	config := fuzzConfig
	config.Architecture = "vit_test"
	dirs := []string{
		timmModel(config).write(f), huggingFaceModel(config, "vit.").write(f), huggingFaceModel(config, "deit.").write(f),
		"../testdata/reference/dinov2-hf", "../testdata/reference/torchvision-pth",
	}
	text := func(dir, name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if !errors.Is(err, fs.ErrNotExist) {
			require.NoError(f, err)
		}
		return string(b)
	}
	var files [][]byte
	for i, dir := range dirs {
		path, err := findWeights(dir, false)
		require.NoError(f, err)
		weights, err := os.ReadFile(path)
		require.NoError(f, err)
		files = append(files, weights)
		f.Add(uint8(i), text(dir, "config.json"), text(dir, "preprocessor_config.json"), "a\n")
		f.Add(uint8(i), text(dir, "config.json"), "", "")
	}
	// DINOv2's positions are resized to what the preprocessing asks for.
	f.Add(uint8(3), text(dirs[3], "config.json"), `{"size": {"height": 70, "width": 70}, "resample": 0, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}`, "")

	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, family uint8, config, preprocess, labels string) {
		for name, text := range map[string]string{"config.json": config, "preprocessor_config.json": preprocess, "labels.txt": labels} {
			path := filepath.Join(dir, name)
			os.Remove(path)
			if text != "" {
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			}
		}
		weights := files[int(family)%len(files)]
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s, err := readSource("", weights, "")
		require.NoError(t, err)
		s.files = [][]byte{weights}
		c, err := open(s, filepath.Join(dir, "weights"), Options{})
		runtime.ReadMemStats(&after)
		// A file may ask for positions of maxGrid by maxGrid patches.
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20+1000*(len(config)+len(preprocess)+len(labels))))
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		q, err := c.Quantize(nil)
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "int8")
		require.NoError(t, q.WriteFile(path))
		r, err := Open(path, Options{})
		require.NoError(t, err)
		if q.Config.Architecture == "" { // a name, which transformers wants all the same
			r.Config.Architecture = ""
		}
		require.Equal(t, q.Config, r.Config)
		require.Equal(t, q.Preprocess, r.Preprocess)
		require.Equal(t, q.Labels, r.Labels)
		require.NoError(t, r.Close())
	})
}
