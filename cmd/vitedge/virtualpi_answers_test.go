//go:build linux

package main

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/camera"
	"vitedge/camera/cameratest"
	"vitedge/cmd/vitedge/internal/engine"
	"vitedge/cmd/vitedge/internal/publish"
	"vitedge/quant"
	"vitedge/vitlite"
)

// pictures are what the webcam of the virtual Pi shows, by name.
var pictures = map[string]image.Image{
	"red":     image.NewUniform(color.RGBA{200, 30, 20, 255}),
	"green":   image.NewUniform(color.RGBA{20, 190, 60, 255}),
	"blue":    image.NewUniform(color.RGBA{30, 40, 210, 255}),
	"stripes": stripes(),
}

func stripes() image.Image {
	img := image.NewRGBA(image.Rect(0, 0, 160, 120))
	for y := range 120 {
		for x := range 160 {
			if (x+2*y)/20%2 == 0 {
				img.SetRGBA(x, y, color.RGBA{250, 240, 200, 255})
			} else {
				img.SetRGBA(x, y, color.RGBA{20, 30, 60, 255})
			}
		}
	}
	return img
}

// smallModelSeed makes a model that gives each of the pictures another label.
const smallModelSeed = 98

// writeSmallModel writes an int8 ViT with random weights that is small enough
// for an emulated CPU and has all the parts of a large one.
func writeSmallModel(path string) error {
	config := quant.Config{
		Architecture: "vit_small_random",
		ImageSize:    32, PatchSize: 8, Dim: 64, Depth: 2, Heads: 2, MLPDim: 128, Classes: 4,
		Epsilon: 1e-6, Activation: quant.GELU, Pool: quant.Token, QKVBias: true,
	}
	preprocess := quant.Preprocess{
		Resize: quant.Resize{Mode: quant.ShortestEdge, Size: 36}, Crop: 32, Interpolation: quant.Bicubic,
		Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.5, 0.5, 0.5},
	}
	r := rand.New(rand.NewPCG(smallModelSeed, 0))
	float, err := quant.New(config, preprocess, func(name string, shape []int, dst []float32) {
		inputs := 1
		for _, n := range shape[1:] {
			inputs *= n
		}
		mean, deviation := 0.0, 1/math.Sqrt(float64(inputs))
		switch {
		case strings.HasSuffix(name, ".bias"), len(shape) == 3: // tokens, too
			deviation = 0.1
		case strings.Contains(name, "layernorm"):
			mean, deviation = 1, 0.1
		}
		for i := range dst {
			dst[i] = float32(mean + deviation*r.NormFloat64())
		}
	})
	if err != nil {
		return err
	}
	float.Labels = []string{"ant", "bee", "cat", "dog"}
	quantized, err := float.Quantize(nil)
	if err != nil {
		return err
	}
	return quantized.WriteFile(path)
}

// answers are what the model says of a picture, best first, as it stands in
// messages.
type answers map[string][]publish.Score

// expect computes on this machine what the daemon must answer on the virtual
// Pi: with the same decoding, preprocessing and model, from the bytes of the
// very frames that the webcam sends.
func expect(t *testing.T, eye *engine.Eye, format cameratest.Format, faults cameratest.Faults) answers {
	t.Helper()
	out, labels := answers{}, map[string]string{}
	for name := range pictures {
		top, err := look(eye, name, format, faults)
		require.NoError(t, err)
		out[name] = top
		require.Empty(t, labels[top[0].Label], "%s and %s have the same label; choose another seed", name, labels[top[0].Label])
		labels[top[0].Label] = name
	}
	return out
}

// look classifies one frame of the webcam on this machine.
func look(eye *engine.Eye, picture string, format cameratest.Format, faults cameratest.Faults) ([]publish.Score, error) {
	frame := camera.Frame{
		Width: webcamSize.X, Height: webcamSize.Y,
		Data: faults.Break(cameratest.Encode(pictures[picture], format, webcamSize), format),
	}
	switch format {
	case cameratest.MJPEG:
		frame.Format = camera.MJPG
	case cameratest.YUYV:
		frame.Format, frame.Stride = camera.YUYV, 2*webcamSize.X
	}
	top, _, err := eye.Classify(make([]vitlite.Prediction, 4), &frame, nil)
	var scores []publish.Score
	for _, p := range top {
		scores = append(scores, publish.Score{Label: p.Label, Score: math.Round(float64(p.Score)*1e4) / 1e4})
	}
	return scores, err
}

// TestSmallModel guards, without a virtual Pi, what TestVirtualPi builds on:
// the pictures have different labels, and broken frames are found out.
func TestSmallModel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, writeSmallModel(path))
	e, err := engine.Load(path, 1)
	require.NoError(t, err)
	defer e.Close()
	for _, format := range []cameratest.Format{cameratest.YUYV, cameratest.MJPEG} {
		t.Log(format, expect(t, e.Eye(), format, cameratest.Faults{}))
	}
	require.Equal(t, expect(t, e.Eye(), cameratest.MJPEG, cameratest.Faults{}),
		expect(t, e.Eye(), cameratest.MJPEG, cameratest.Faults{NoHuffmanTables: true}))
	for name := range pictures {
		for _, f := range []cameratest.Faults{truncated, garbage} {
			_, err := look(e.Eye(), name, cameratest.MJPEG, f)
			require.ErrorIs(t, err, camera.ErrCorrupt, "%s with %+v", name, f)
		}
	}
}

// webcamSize is the smallest that the webcam offers, and so what the daemon
// asks for.
var webcamSize = image.Pt(160, 120)

// Faults that spoil a JPEG.
var (
	truncated = cameratest.Faults{Truncate: 0.5}
	garbage   = cameratest.Faults{Garbage: true}
)
