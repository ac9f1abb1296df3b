package vitlite_test

import (
	"encoding/csv"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
	"vitedge/vitlite"
)

const demo = "../testdata/demo"

// TestDemo shows the demo's pictures to its int8 model and to the float model
// that it was made of: both name every picture, and their probabilities are
// close.
func TestDemo(t *testing.T) {
	float, int8 := openDemo(t, "float"), openDemo(t, "emoji.safetensors")
	require.False(t, float.Quantized())
	require.True(t, int8.Quantized())
	require.Equal(t, float.SHA256, int8.SourceSHA256, "emoji.safetensors was made of other weights")

	for name, most := range map[string]int64{"float/model.safetensors": 12e6, "emoji.safetensors": 3.5e6} {
		info, err := os.Stat(filepath.Join(demo, name))
		require.NoError(t, err)
		require.Less(t, info.Size(), most, name)
	}

	names, classes := demoPictures(t)
	require.Len(t, names, len(int8.Labels), "one picture a class")
	names, classes = some(names), some(classes)
	want := demoLogits(t, float, names)
	got := demoLogits(t, int8, names)
	for i, name := range names {
		label := int8.Labels[classes[i]]
		require.Equal(t, strings.ReplaceAll(label, " ", "-")+".jpg", name)
		float := vitlite.TopK(make([]vitlite.Prediction, 1), want[i], int8.Labels)[0]
		int8 := vitlite.TopK(make([]vitlite.Prediction, 1), got[i], int8.Labels)[0]
		t.Logf("%s: int8 %s %.4f, float %s %.4f", name, int8.Label, int8.Score, float.Label, float.Score)
		require.Equal(t, label, float.Label, name)
		require.Equal(t, label, int8.Label, name)
		require.Less(t, divergence(want[i], got[i]), 0.02, name)
	}
}

// TestDemoIsCurrent quantizes the float model again: the committed int8 model
// answers bit for bit the same.
func TestDemoIsCurrent(t *testing.T) {
	again, err := openDemo(t, "float").Quantize(nil)
	require.NoError(t, err)
	names, _ := demoPictures(t)
	names = some(names)
	require.Equal(t, demoLogits(t, again, names), demoLogits(t, openDemo(t, "emoji.safetensors"), names))
}

func openDemo(t *testing.T, name string) *quant.Checkpoint {
	t.Helper()
	c, err := quant.Open(filepath.Join(demo, name), quant.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// demoPictures reads the list of the pictures: file names and classes.
func demoPictures(t *testing.T) (names []string, classes []int) {
	t.Helper()
	f, err := os.Open(filepath.Join(demo, "pictures", "labels.csv"))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Greater(t, len(rows), 1)
	for _, row := range rows[1:] {
		class, err := strconv.Atoi(row[1])
		require.NoError(t, err)
		names, classes = append(names, row[0]), append(classes, class)
	}
	return names, classes
}

// some is every 40th in a short run, such as that on an emulated CPU.
func some[T any](all []T) []T {
	if !testing.Short() {
		return all
	}
	var few []T
	for i := 0; i < len(all); i += 40 {
		few = append(few, all[i])
	}
	return few
}

// demoLogits is what a model answers to pictures.
func demoLogits(t *testing.T, c *quant.Checkpoint, names []string) [][]float32 {
	t.Helper()
	model, err := vitlite.New(c, 1)
	require.NoError(t, err)
	defer model.Close()
	pre, err := vitlite.NewPreprocessor(model.Preprocess())
	require.NoError(t, err)
	side := model.Config().ImageSize
	pixels := make([]byte, side*side*3)
	var logits [][]float32
	for _, name := range names {
		f, err := os.Open(filepath.Join(demo, "pictures", name))
		require.NoError(t, err)
		img, err := jpeg.Decode(f)
		f.Close()
		require.NoError(t, err, name)
		require.NoError(t, pre.Process(pixels, vitlite.PictureOf(img)))
		l := make([]float32, model.Config().Classes)
		require.NoError(t, model.Forward(l, pixels))
		logits = append(logits, l)
	}
	return logits
}

// divergence is KL(p || q) of the probabilities of two sets of logits, in nats.
func divergence(p, q []float32) float64 {
	var sum [2]float64
	for i := range p {
		sum[0] += math.Exp(float64(p[i]))
		sum[1] += math.Exp(float64(q[i]))
	}
	kl := 0.0
	for i := range p {
		log := float64(p[i]) - math.Log(sum[0])
		kl += math.Exp(log) * (log - float64(q[i]) + math.Log(sum[1]))
	}
	return kl
}
