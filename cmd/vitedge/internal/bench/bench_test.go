package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
	"vitedge/vitlite"
)

// TestRandom guards the numbers that are the same everywhere. They were computed
// with the formula in the documentation of Random by other code, in Python
// (testdata/peers/vit.py).
func TestRandom(t *testing.T) {
	c, err := Random("tiny")
	require.NoError(t, err)
	for name, want := range map[string]string{
		"vit.embeddings.cls_token":                            "74061f24060611f0",
		"vit.embeddings.patch_embeddings.projection.weight":   "568361149a006c33",
		"vit.encoder.layer.0.layernorm_before.weight":         "95cc37126056c7d6",
		"vit.encoder.layer.3.attention.attention.key.weight":  "f53f0e340d986ef4",
		"vit.encoder.layer.11.attention.attention.value.bias": "8f95ad8bfa889655",
		"vit.encoder.layer.7.output.dense.weight":             "3f46e622bf183421",
		"classifier.weight":                                   "75fb96ae4c453916",
	} {
		tensor, err := c.Tensor(name)
		require.NoError(t, err)
		sum := sha256.Sum256(tensor.Data)
		require.Equal(t, want, hex.EncodeToString(sum[:8]), name)
	}
	sum := sha256.Sum256(RandomPixels(224))
	require.Equal(t, "020e741ed6e32979", hex.EncodeToString(sum[:8]))
	_, err = Random("huge")
	require.ErrorContains(t, err, `"huge"`)
	require.ErrorContains(t, err, "tiny, small, base")
}

// TestRandomConfig: the sizes of DeiT and of timm's ViTs.
func TestRandomConfig(t *testing.T) {
	for size, parameters := range map[string]int{"tiny": 5717416, "small": 22050664, "base": 86567656} {
		cfg, err := randomConfig(size)
		require.NoError(t, err)
		require.NoError(t, cfg.Validate())
		require.NoError(t, randomPreprocess.Validate(cfg.ImageSize))
		d := cfg.Dim
		n := d + cfg.Tokens()*d + d*3*16*16 + d + // embedding
			cfg.Depth*(4*d+3*d*d+3*d+d*d+d+2*d*cfg.MLPDim+cfg.MLPDim+d) +
			2*d + cfg.Classes*d + cfg.Classes
		require.Equal(t, parameters, n)
	}
}

// TestBell: mean and deviation are what they are said to be.
func TestBell(t *testing.T) {
	r := newSplitMix("bell")
	const n = 100000
	var sum, squares float64
	for range n {
		v := float64(bell(r.next())) / bellDeviation
		sum += v
		squares += v * v
	}
	require.InDelta(t, 0, sum/n, 4/math.Sqrt(n))
	require.InDelta(t, 1, squares/n, 4*math.Sqrt(2.0/n))
	require.EqualValues(t, 2*0xffff, bell(math.MaxUint64))
	require.EqualValues(t, -2*0xffff, bell(0))
}

// smallModel writes a small int8 model of the random weights' kind.
func smallModel(t *testing.T) string {
	t.Helper()
	cfg := quant.Config{
		Architecture: "little", ImageSize: 32, PatchSize: 8, Dim: 64, Depth: 2, Heads: 2, MLPDim: 128, Classes: 5,
		Epsilon: 1e-6, Activation: quant.GELU, Pool: quant.Token, QKVBias: true,
	}
	p := randomPreprocess
	p.Resize.Size, p.Crop = 32, 32
	c, err := quant.New(cfg, p, fillRandom)
	require.NoError(t, err)
	q, err := c.Quantize(nil)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, q.WriteFile(path))
	return path
}

func TestRun(t *testing.T) {
	path := smallModel(t)
	r, err := Run(context.Background(), path, 2, 7)
	require.NoError(t, err)
	require.Equal(t, "little", r.Model)
	require.Equal(t, vitlite.Kernel(), r.Kernel)
	require.NotEmpty(t, r.CPU)
	require.Equal(t, 2, r.Threads)
	require.Equal(t, 7, r.Iterations)
	require.Positive(t, r.MinMS)
	require.LessOrEqual(t, r.MinMS, r.MedianMS)
	require.Positive(t, r.ClockGHz)
	c, err := quant.Open(path, quant.Options{})
	require.NoError(t, err)
	defer c.Close()
	require.InEpsilon(t, float64(vitlite.MACs(c.Config))/1e6/r.MinMS, r.GMACs, 0.01)
	require.InEpsilon(t, r.GMACs/r.ClockGHz/2, r.MACsPerCycle, 0.01)
	require.Positive(t, r.LoadMS)
	require.Less(t, r.LoadMS, r.FirstMS)
	require.Greater(t, r.RSSBytes, int64(1<<20))
	require.Less(t, r.RSSBytes, int64(1<<30))
	sum := 0.0
	for o := range vitlite.Operation(vitlite.Operations) {
		require.Positive(t, r.Share[o.String()], o)
		sum += r.Share[o.String()]
	}
	require.Len(t, r.Share, vitlite.Operations)
	require.InDelta(t, 1, sum, 0.001)

	m, err := vitlite.New(c, 1)
	require.NoError(t, err)
	defer m.Close()
	logits := make([]float32, 5)
	require.NoError(t, m.Forward(logits, RandomPixels(32)))
	require.Equal(t, logits, r.Logits)
	want := sha256.Sum256(Bytes(logits))
	require.Equal(t, hex.EncodeToString(want[:]), r.LogitsSHA256)
	require.Equal(t, []byte{0, 0, 128, 63, 0, 0, 0, 192}, Bytes([]float32{1, -2}))

	var text bytes.Buffer
	require.NoError(t, Print(&text, r))
	for _, s := range []string{"little", r.Kernel, "2 threads", "7 inferences", r.LogitsSHA256, "softmax"} {
		require.Contains(t, text.String(), s)
	}
}

func TestRunStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Run(ctx, smallModel(t), 1, 1<<30)
	require.ErrorIs(t, err, context.Canceled)
	_, err = Rates(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestMedian(t *testing.T) {
	require.Equal(t, time.Duration(2), median([]time.Duration{3, 1, 2}))
	require.Equal(t, time.Duration(3), median([]time.Duration{9, 4, 1, 2}))
}

// TestPeak: what was given back before a measurement does not count in it.
func TestPeak(t *testing.T) {
	before := peak()
	if before == 0 {
		t.Skip("this kernel does not tell the resident memory")
	}
	const size = 256 << 20
	touch(size)
	require.Greater(t, peak(), int64(size))
	if err := resetPeak(); err != nil {
		t.Skip("this kernel cannot reset the peak: ", err)
	}
	after := peak()
	require.Less(t, after, int64(size))
	touch(64 << 20)
	require.Greater(t, peak(), after+32<<20)
}

//go:noinline
func touch(n int) {
	b := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		b[i] = 1
	}
}

// TestClock: no processor is slower or faster, and two measurements agree within
// what throttling and emulation may do.
func TestClock(t *testing.T) {
	a, b := clockGHz(), clockGHz()
	require.Greater(t, a, 0.01)
	require.Less(t, a, 12.0)
	require.InEpsilon(t, a, b, 10)
}

func TestPrintRates(t *testing.T) {
	var text bytes.Buffer
	require.NoError(t, PrintRates(&text, []Rate{
		{Model: "tiny", Layer: "qkv", M: 197, K: 192, N: 576, Kernel: "neon", Type: "int8", GMACs: 12.34, MACsPerCycle: 7.5},
		{Model: "tiny", Layer: "qkv", M: 197, K: 192, N: 576, Kernel: "neon", Type: "float32", GMACs: 6, MACsPerCycle: 3.6},
		{Model: "tiny", Layer: "proj", M: 197, K: 192, N: 192, Kernel: "neon", Type: "int8", GMACs: 11, MACsPerCycle: 7},
		{Model: "tiny", Layer: "proj", M: 197, K: 192, N: 192, Kernel: "neon", Type: "float32", GMACs: 5, MACsPerCycle: 3},
	}))
	require.Regexp(t, `(?m)^model  layer  m×k×n        neon        float32 neon$
^tiny   qkv    197×192×576  12.3 \(7.5\)  6.0 \(3.6\)$
^tiny   proj   197×192×192  11.0 \(7.0\)  5.0 \(3.0\)$`, text.String())
}
