package main

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
	"vitedge/vitlite"
)

// models are the random ViT in float32 and with the layers in int8 for which
// keep is false.
func models(t *testing.T, keep func(layer string) bool) (float, int8 *quant.Checkpoint, reports map[string]quant.TensorReport) {
	dir := t.TempDir()
	require.NoError(t, writeViT(dir))
	float, err := quant.Open(dir, quant.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { float.Close() })
	reports = map[string]quant.TensorReport{}
	int8, err = float.QuantizeExcept(keep, func(r quant.TensorReport) { reports[r.Name] = r })
	require.NoError(t, err)
	return float, int8, reports
}

// measured runs the meter over a picture and returns what it found.
func measured(t *testing.T, float, int8 *quant.Checkpoint) []layerFigures {
	r, err := newRunner(float, int8)
	require.NoError(t, err)
	defer r.close()
	for i := range r.pixels {
		r.pixels[i] = byte(i*i/7 + i)
	}
	_, sums, err := r.compare(-1, true)
	require.NoError(t, err)
	withMeter := append([]float32{}, r.int8Logits...)
	_, none, err := r.compare(-1, false)
	require.NoError(t, err)
	require.Nil(t, none)
	require.Equal(t, withMeter, r.int8Logits, "measuring changes no logits")
	figures, err := describeLayers(float, int8, sums)
	require.NoError(t, err)
	return figures
}

// One int8 layer among float32 ones has an error of its own, those after it
// inherit it, and those before it and beside it have none.
func TestMeterOneLayer(t *testing.T) {
	for _, layer := range []string{
		"vit.encoder.layer.0.attention.output.dense", "vit.encoder.layer.0.intermediate.dense",
		"vit.encoder.layer.0.output.dense", "vit.encoder.layer.1.output.dense",
	} {
		float, int8, reports := models(t, func(name string) bool { return name != layer })
		before := true
		for _, f := range measured(t, float, int8) {
			switch {
			case f.Layer == layer:
				before = false
				require.Equal(t, quant.I8, f.DType)
				require.InDelta(t, reports[layer+".weight"].SQNR, *f.Weights, 1e-9)
				require.InDelta(t, *f.Local, *f.Cumulative, 1e-4, "its input is exact in any case")
				require.Greater(t, *f.Local, 30.0)
			case before:
				require.Equal(t, layerFigures{Layer: f.Layer, DType: quant.F32}, f)
			default:
				require.Nil(t, f.Local)
				require.NotNil(t, f.Cumulative, f.Layer)
			}
		}
		require.False(t, before)
	}
}

// The sums are those of the layers' outputs, computed here in another way.
func TestMeterByHand(t *testing.T) {
	float, int8, _ := models(t, nil)
	outputs := func(c *quant.Checkpoint) map[string][]float64 {
		m, err := vitlite.New(c, 1)
		require.NoError(t, err)
		defer m.Close()
		pixels := make([]byte, 3*16*16)
		for i := range pixels {
			pixels[i] = byte(i*i/7 + i)
		}
		out, stream := map[string][]float64{}, []float64(nil)
		m.SetObserver(func(o vitlite.Output) {
			var rows []float64
			for i := range o.Tokens {
				for _, v := range o.Rows[i*o.Stride:][:o.Width] {
					rows = append(rows, float64(v))
				}
			}
			if !o.Added {
				out[o.Layer] = rows
				if o.Layer == "vit.embeddings" {
					stream = rows
				}
				return
			}
			y := make([]float64, len(rows))
			for i := range rows {
				y[i] = rows[i] - stream[i]
			}
			out[o.Layer], stream = y, rows
		})
		require.NoError(t, m.Forward(make([]float32, 5), pixels))
		return out
	}
	want, got := outputs(float), outputs(int8)
	figures := measured(t, float, int8)
	require.Len(t, figures, 12)
	for i, f := range figures {
		var signal, noise float64
		for j, y := range want[f.Layer] {
			signal += y * y
			noise += (got[f.Layer][j] - y) * (got[f.Layer][j] - y)
		}
		require.InDelta(t, 10*math.Log10(signal/noise), *f.Cumulative, 1e-3, f.Layer)
		if i < 3 { // these have exact input
			require.InDelta(t, *f.Local, *f.Cumulative, 1e-6)
		} else {
			require.Greater(t, *f.Local, *f.Cumulative, f.Layer)
		}
	}
}

func TestWorstLayers(t *testing.T) {
	layers := []layerFigures{
		{Layer: "kept"},
		{Layer: "good", Local: new(40.0), Weights: new(10.0)},
		{Layer: "bad", Local: new(20.0), Weights: new(50.0)},
		{Layer: "weights only", Weights: new(30.0)},
	}
	var names []string
	for _, l := range worstLayers(layers, 9) {
		names = append(names, l.Layer)
	}
	require.Equal(t, []string{"bad", "weights only", "good", "kept"}, names)
	require.Len(t, worstLayers(layers, 2), 2)
	require.Equal(t, "kept", layers[0].Layer)
}

// Layers are measured on some pictures of many, spread over all.
func TestComparePicturesMeasured(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writePictures(dir, 3))
	float, int8, _ := models(t, nil)
	names, _, err := findPictures(dir)
	require.NoError(t, err)
	var pictures []picture
	for i := range 2*layerPictures + 1 {
		name := names[i%len(names)]
		pictures = append(pictures, picture{filepath.Join(dir, name), name, -1})
	}
	done := 0
	c, err := comparePictures(t.Context(), float, int8, pictures, func(n int) { done = max(done, n) })
	require.NoError(t, err)
	require.Equal(t, len(pictures), done)
	require.Len(t, c.figures, len(pictures))
	require.Equal(t, pictures, c.pictures)
	require.Equal(t, layerPictures, c.measured)
	require.Len(t, c.layers, 12)

	for _, total := range []int{1, layerPictures, layerPictures + 1, 1000} {
		n, last := 0, -1
		for i := range total {
			if measuresLayers(i, total) {
				require.LessOrEqual(t, i-last, total/layerPictures+1)
				n, last = n+1, i
			}
		}
		require.Equal(t, min(total, layerPictures), n)
		require.Equal(t, total-1, last)
	}

	c, err = comparePictures(t.Context(), float, int8, pictures[:3], func(int) {})
	require.NoError(t, err)
	require.Equal(t, 3, c.measured)
}
