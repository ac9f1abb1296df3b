package vitlite

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/kernels"
	"vitedge/quant"
)

// open returns a small model of testdata in both precisions.
func open(t *testing.T, name string) (float32, int8 *quant.Checkpoint) {
	t.Helper()
	c, err := quant.Open(filepath.Join("../testdata/reference", name), quant.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	q, err := c.Quantize(nil)
	require.NoError(t, err)
	require.True(t, q.Quantized())
	return c, q
}

func load(t *testing.T, c *quant.Checkpoint, threads int) *Model {
	t.Helper()
	m, err := New(c, threads)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

// picture is pixels that are the same everywhere, with some structure.
func picture(m *Model) []byte {
	side := m.Config().ImageSize
	p := make([]byte, side*side*3)
	for i := range p {
		x, y, c := i/3%side, i/3/side, i%3
		p[i] = byte(x*(7+c) + y*y*3/(c+1) + x*y/5)
	}
	return p
}

func logits(t *testing.T, m *Model, pixels []byte) []float32 {
	t.Helper()
	l := make([]float32, m.Config().Classes)
	require.NoError(t, m.Forward(l, pixels))
	return l
}

func hash(l []float32) string {
	b := make([]byte, 0, 4*len(l))
	for _, v := range l {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// The first bytes of the sha256 of the logits that every CPU gives: of models with
// odd and with even sizes, in float32 and in int8.
var goldenHashes = map[string][2]string{
	"deit32-timm": {"09a10c39ca190b9b", "4795981eb8c43bbc"},
	"odd48-hf":    {"9349b13dc31d7a7c", "26578b66f583182d"},
	"vit64-timm":  {"8db70aac4b624b75", "6d4704790df5345e"},

	"102 tokens, 2 refined":    {"4aa19c968652dcab", "5b8e6b0a78706ddb"},
	"101 tokens, 1 refined":    {"29ef52ecb0f0f1ac", "ad0fc1be68ae6d5c"},
	"101 tokens, none refined": {"3b5c73e0194a19d0", "2926133d0bb919a6"},
}

// make100 makes a model of 100 patches, so that attention takes a head's tokens in
// several turns, whose heads are wide enough for int8 scores.
func make100(t *testing.T, pool quant.Pool, distilled bool) (f, q *quant.Checkpoint) {
	t.Helper()
	return makeModel(t, 80, pool, distilled)
}

// makeModel is make100 for another size of the picture.
func makeModel(t *testing.T, size int, pool quant.Pool, distilled bool) (f, q *quant.Checkpoint) {
	t.Helper()
	cfg := quant.Config{
		ImageSize: size, PatchSize: 8, Dim: 64, Depth: 3, Heads: 4, MLPDim: 96, Classes: 10,
		Epsilon: 1e-6, Activation: quant.GELU, Pool: pool, QKVBias: true, Distilled: distilled,
	}
	if distilled {
		cfg.Registers = 1 // the distillation token
	}
	p := quant.Preprocess{
		Resize: quant.Resize{Mode: quant.ShortestEdge, Size: size}, Crop: size, Interpolation: quant.Bicubic,
		Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.5, 0.5, 0.5},
	}
	r := rand.New(rand.NewPCG(1, 100))
	f, err := quant.New(cfg, p, func(name string, shape []int, dst []float32) {
		inputs := 1
		for _, n := range shape[1:] {
			inputs *= n
		}
		offset, amplitude := float64(0), math.Sqrt(6/float64(inputs))
		if len(shape) == 1 {
			amplitude = 0.2
			if strings.HasSuffix(name, ".weight") { // of a LayerNorm
				offset = 1
			}
		}
		for i := range dst {
			dst[i] = float32(offset + amplitude*float64(r.IntN(2001)-1000)/1000)
		}
	})
	require.NoError(t, err)
	q, err = f.Quantize(nil)
	require.NoError(t, err)
	return f, q
}

// goldenModel opens or makes a model of goldenHashes.
func goldenModel(t *testing.T, name string) (f, q *quant.Checkpoint) {
	switch name {
	case "102 tokens, 2 refined":
		return make100(t, quant.Token, true)
	case "101 tokens, 1 refined":
		return make100(t, quant.Token, false)
	case "101 tokens, none refined":
		return make100(t, quant.Mean, false)
	}
	return open(t, name)
}

// TestSameLogitsEverywhere runs under whatever implementation is active; natively
// it also runs itself under each of the others that this CPU has.
func TestSameLogitsEverywhere(t *testing.T) {
	require.Zero(t, attentionRows%kernels.Tile(), "attention takes whole tiles")
	for name, want := range goldenHashes {
		f, q := goldenModel(t, name)
		for i, c := range []*quant.Checkpoint{f, q} {
			m := load(t, c, 1)
			require.Equal(t, want[i], hash(logits(t, m, picture(m))), "%s, %s, kernel %s", name, []string{"float32", "int8"}[i], Kernel())
		}
	}
	if os.Getenv("VITEDGE_KERNEL") != "" {
		return
	}
	for _, kernel := range kernels.Names() {
		if kernel == Kernel() {
			continue
		}
		t.Run(kernel, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestSameLogitsEverywhere$", "-test.v")
			cmd.Env = append(os.Environ(), "VITEDGE_KERNEL="+kernel)
			out, err := cmd.CombinedOutput()
			if err != nil && strings.Contains(err.Error(), "exec format error") {
				t.Skipf("cannot run %s for %s from inside an emulator", os.Args[0], runtime.GOARCH)
			}
			require.NoError(t, err, "%s", out)
			require.Contains(t, string(out), "--- PASS: TestSameLogitsEverywhere")
		})
	}
}

func TestThreadsGiveTheSameLogits(t *testing.T) {
	f, q := open(t, "vit64-timm")
	_, two := make100(t, quant.Token, true)
	_, none := make100(t, quant.Mean, false)
	_, small := makeModel(t, 8, quant.Token, true) // 3 tokens, 2 of them refined
	for _, c := range []*quant.Checkpoint{f, q, two, none, small} {
		one := load(t, c, 1)
		want := logits(t, one, picture(one))
		for _, threads := range []int{2, 3, 8} {
			m := load(t, c, threads)
			require.Equal(t, threads, m.Threads())
			for range 3 {
				require.Equal(t, want, logits(t, m, picture(m)), "%d threads", threads)
			}
		}
	}
}

// TestQueriesThatNobodyNeeds: the last block has queries of no more tokens than the head
// reads, unless somebody observes it.
func TestQueriesThatNobodyNeeds(t *testing.T) {
	for _, distilled := range []bool{false, true} {
		_, q := makeModel(t, 40, quant.Token, distilled)
		for _, threads := range []int{1, 3} {
			m := load(t, q, threads)
			s := m.state
			last := m.blocks[len(m.blocks)-1]
			require.NotNil(t, last.keysValues, "rows of 64 are whole panels")
			for _, b := range m.blocks[:len(m.blocks)-1] {
				require.Nil(t, b.keysValues)
			}
			for _, observed := range []bool{false, true} {
				s.observer = nil
				if observed {
					s.observer = func(Output) {}
				}
				rows := s.projections[(len(m.blocks)-1)%2].qkv[s.refined*3*s.dim:]
				want := logits(t, m, picture(m))
				// The block before the last but one has left its queries in the same
				// memory, so that is marked when the last one is about to begin.
				steps := s.runStep
				s.runStep = func(w *kernels.Worker, i int) {
					if t := s.stripes[i]; s.step == len(m.blocks)-1 {
						for row := t.first; row < t.first+t.tokens; row++ {
							rows[row*3*s.dim] = 12345
						}
					}
					steps(w, i)
				}
				require.Equal(t, want, logits(t, m, picture(m)))
				s.runStep = steps
				for i := range s.tokens {
					skipped := rows[i*3*s.dim] == 12345
					require.Equal(t, !observed && i >= s.read, skipped, "token %d, observed %v, %d threads", i, observed, threads)
				}
			}
		}
	}
}

// TestNoStateBetweenFrames: a frame's logits do not depend on the frame before.
func TestNoStateBetweenFrames(t *testing.T) {
	_, q := open(t, "odd48-hf")
	m := load(t, q, 2)
	pixels := picture(m)
	want := logits(t, m, pixels)
	white := make([]byte, len(pixels))
	for i := range white {
		white[i] = 255
	}
	require.NotEqual(t, want, logits(t, m, white))
	require.Equal(t, want, logits(t, m, pixels))
}

func TestForwardAllocatesNothing(t *testing.T) {
	f, q := open(t, "vit64-timm")
	for _, c := range []*quant.Checkpoint{f, q} {
		for _, threads := range []int{1, 2} {
			m := load(t, c, threads)
			pixels, l := picture(m), make([]float32, m.Config().Classes)
			forward := func() {
				if err := m.Forward(l, pixels); err != nil {
					t.Fatal(err)
				}
			}
			require.Zero(t, testing.AllocsPerRun(5, forward), "%d threads", threads)
		}
	}
}

// TestInt8IsClose bounds the noise of int8 on random models, which have nothing
// that smooths it out.
func TestInt8IsClose(t *testing.T) {
	for name := range goldenHashes {
		f, q := goldenModel(t, name)
		exact, coarse := load(t, f, 1), load(t, q, 1)
		want, got := logits(t, exact, picture(exact)), logits(t, coarse, picture(coarse))
		require.NotEqual(t, want, got)
		var mean, signal, noise float64
		for _, v := range want {
			mean += float64(v) / float64(len(want))
		}
		for i, v := range want {
			signal += (float64(v) - mean) * (float64(v) - mean)
			noise += float64(v-got[i]) * float64(v-got[i])
		}
		sqnr := 10 * math.Log10(signal/noise)
		t.Logf("%s: %.1f dB", name, sqnr)
		require.Greater(t, sqnr, 25.0, name)
	}
}

func TestForwardErrors(t *testing.T) {
	f, _ := open(t, "odd48-hf")
	m := load(t, f, 1)
	l := make([]float32, m.Config().Classes)
	require.ErrorContains(t, m.Forward(l, make([]byte, 7)), "7 bytes")
	require.ErrorContains(t, m.Forward(l[1:], picture(m)), fmt.Sprintf("room for %d logits", len(l)-1))

	// Weights that are finite and yet too large.
	m.blocks[0].norm1.gamma[0] = math.MaxFloat32
	m.blocks[0].norm1.beta[0] = math.MaxFloat32
	require.ErrorContains(t, m.Forward(l, picture(m)), "beyond the range of float32")
}

func TestNewErrors(t *testing.T) {
	f, _ := open(t, "odd48-hf")
	_, err := New(f, -1)
	require.ErrorContains(t, err, "threads is -1")
	bad := *f
	bad.Config.Heads = 7
	_, err = New(&bad, 1)
	require.ErrorContains(t, err, "num_attention_heads 7")
	bad = *f
	bad.Config.Depth++
	_, err = New(&bad, 1)
	require.ErrorContains(t, err, fmt.Sprintf("vit.encoder.layer.%d.", f.Config.Depth))
}

func BenchmarkForward(b *testing.B) {
	c, err := quant.Open("../testdata/reference/vit64-timm", quant.Options{})
	require.NoError(b, err)
	q, err := c.Quantize(nil)
	require.NoError(b, err)
	m, err := New(q, 1)
	require.NoError(b, err)
	defer m.Close()
	pixels, l := picture(m), make([]float32, m.Config().Classes)
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Forward(l, pixels); err != nil {
			b.Fatal(err)
		}
	}
}
