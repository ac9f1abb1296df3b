package vitlite_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
	"vitedge/vitlite"
)

func profiledConfig() quant.Config {
	return quant.Config{
		ImageSize: 48, PatchSize: 8, Dim: 64, Depth: 3, Heads: 2, MLPDim: 128, Classes: 10,
		Epsilon: 1e-6, Activation: quant.GELU, Pool: quant.Token, QKVBias: true,
	}
}

func profiledModel(t *testing.T, threads int, int8 bool) *vitlite.Model {
	t.Helper()
	cfg := profiledConfig()
	c, err := quant.New(cfg, quant.Preprocess{
		Resize: quant.Resize{Mode: quant.Squash, Size: cfg.ImageSize}, Crop: cfg.ImageSize, Interpolation: quant.Bicubic,
		Std: [3]float32{1, 1, 1},
	}, func(_ string, _ []int, dst []float32) {
		for i := range dst {
			dst[i] = float32(i*37%64)/256 - 0.125
		}
	})
	require.NoError(t, err)
	if int8 {
		c, err = c.Quantize(nil)
		require.NoError(t, err)
	}
	m, err := vitlite.New(c, threads)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

// TestProfile: every operation takes some time, together not more than has
// passed, the logits stay the same, and nothing is allocated.
func TestProfile(t *testing.T) {
	for _, threads := range []int{1, 3} {
		m := profiledModel(t, threads, true)
		pixels := make([]byte, 3*48*48)
		for i := range pixels {
			pixels[i] = byte(i * 11)
		}
		want, got := make([]float32, 10), make([]float32, 10)
		require.NoError(t, m.Forward(want, pixels))

		var p vitlite.Profile
		m.SetProfile(&p)
		began := time.Now()
		for range 20 {
			require.NoError(t, m.Forward(got, pixels))
		}
		passed := time.Since(began)
		require.Equal(t, want, got)
		var sum time.Duration
		for o := range vitlite.Operation(vitlite.Operations) {
			require.Positive(t, p.Time(o), "%v with %d threads", o, threads)
			sum += p.Time(o)
		}
		require.LessOrEqual(t, p.Total(), passed)
		require.InDelta(t, p.Total(), sum, 10) // nanoseconds, of rounding
		require.Zero(t, testing.AllocsPerRun(5, func() { m.Forward(got, pixels) }))

		m.SetProfile(nil)
		was := p.Total()
		require.NoError(t, m.Forward(got, pixels))
		require.Equal(t, was, p.Total())
		require.Zero(t, testing.AllocsPerRun(5, func() { m.Forward(got, pixels) }))
	}
}

// TestProfileFloat: nothing is quantized in a float model.
func TestProfileFloat(t *testing.T) {
	m := profiledModel(t, 1, false)
	var p vitlite.Profile
	m.SetProfile(&p)
	require.NoError(t, m.Forward(make([]float32, 10), make([]byte, 3*48*48)))
	require.Zero(t, p.Time(vitlite.Quantize))
	require.Positive(t, p.Time(vitlite.Values))
}

// TestMACs compares with timm's infer_gmacs of vit_tiny, small and base at 224
// pixels, 1.26, 4.61 and 17.58, which counts some of the additions, too, and all
// tokens to the end, as a head that reads their average does.
func TestMACs(t *testing.T) {
	for dim, want := range map[int]float64{192: 1.254, 384: 4.599, 768: 17.564} {
		c := quant.Config{
			ImageSize: 224, PatchSize: 16, Dim: dim, Depth: 12, Heads: dim / 64, MLPDim: 4 * dim, Classes: 1000, Pool: quant.Mean,
		}
		require.InDelta(t, want, float64(vitlite.MACs(c))/1e9, 0.0005)
	}
	c := profiledConfig()
	count := map[vitlite.Operation]int64{
		vitlite.Embed: 36 * 64 * 192, vitlite.QKV: (3*37*2 + 2*37 + 1) * 64 * 64, vitlite.Proj: (2*37 + 1) * 64 * 64,
		vitlite.Scores: (2*37 + 1) * 37 * 64, vitlite.Values: (2*37 + 1) * 37 * 64,
		vitlite.FC1: (2*37 + 1) * 64 * 128, vitlite.FC2: (2*37 + 1) * 64 * 128, vitlite.Head: 640,
	}
	for o := range vitlite.Operation(vitlite.Operations) {
		require.Equal(t, count[o], o.MACs(c), o.String())
		require.Equal(t, count[o] > 0, o.Multiplies(), o.String())
	}
}
