package quant

import (
	"archive/zip"
	"os"
	"runtime"
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
// file of the format does, and quantize what opens.
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
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_ = openBytes(dir, file)
		runtime.ReadMemStats(&after)
		// What deflates may inflate to inflation times the size, and once more
		// for each of check, layout and float32; a pickle's values take more than
		// its opcodes.
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(inflationSlack+64<<20+1000*len(file)))
	})
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
