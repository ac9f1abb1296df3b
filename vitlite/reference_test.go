package vitlite

import (
	"bufio"
	"encoding/json"
	"errors"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
)

const referenceRoot = "../testdata/reference"

// TestReference compares the float32 path with timm, transformers and torchvision
// on small models of every family and variant (testdata/reference.py): the pixels
// bit for bit, the logits to within 1e-3.
func TestReference(t *testing.T) {
	for _, folder := range referenceFolders(t) {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			c := openReference(t, folder)
			pre := newPreprocessor(t, c.Preprocess)
			side := c.Config.ImageSize
			row := make([]byte, side*3)
			for name := range referenceLogits(t, folder) {
				pixels := referencePixels(t, side, pre, name)
				seen := decode(t, filepath.Join(folder, name))
				for y := range side {
					seen.RowRGB(row, y)
					require.Equal(t, row, pixels[y*side*3:][:side*3], "row %d of %s", y, name)
				}
			}
			largest := largestDifference(t, c, folder)
			t.Logf("max |logit difference| %.2g", largest)
			require.LessOrEqual(t, largest, 1e-3)
		})
	}
}

// largestDifference is the largest of a float model's logits from the
// reference's.
func largestDifference(t *testing.T, c *quant.Checkpoint, folder string) (largest float64) {
	t.Helper()
	want := referenceLogits(t, folder)
	for name, got := range answers(t, c, folder) {
		require.Len(t, want[name], len(got))
		for i := range got {
			largest = max(largest, math.Abs(float64(got[i]-want[name][i])))
		}
	}
	return largest
}

// answers are a model's logits by picture of the reference.
func answers(t *testing.T, c *quant.Checkpoint, folder string) map[string][]float32 {
	t.Helper()
	model, pre := newModel(t, c)
	logits := map[string][]float32{}
	for name := range referenceLogits(t, folder) {
		logits[name] = make([]float32, c.Config.Classes)
		require.NoError(t, model.Forward(logits[name], referencePixels(t, c.Config.ImageSize, pre, name)))
	}
	return logits
}

// referenceFolders lists the cases, all of which cases.json describes.
func referenceFolders(t *testing.T) []string {
	t.Helper()
	answers, err := filepath.Glob(filepath.Join(referenceRoot, "*", "logits.json"))
	require.NoError(t, err)
	require.NotEmpty(t, answers)
	for i, path := range answers {
		answers[i] = filepath.Dir(path)
	}
	return answers
}

// referenceLogits are the reference's answers by picture.
func referenceLogits(t *testing.T, folder string) (logits map[string][]float32) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(folder, "logits.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &logits))
	require.NotEmpty(t, logits)
	return logits
}

// referencePixels prepares a picture as a model wants it, side by side pixels.
func referencePixels(t *testing.T, side int, pre *Preprocessor, name string) []byte {
	t.Helper()
	pixels := make([]byte, side*side*3)
	require.NoError(t, pre.Process(pixels, decode(t, filepath.Join(referenceRoot, name))))
	return pixels
}

// TestReferenceInt8 quantizes each model and compares its logits with the
// reference's. These models are 16 to 64 wide, so that errors average over few
// terms, and they have 26 to 45 dB. The bound, 25 dB, is 0.3 % of the power.
// Logits of a given model are the same on every CPU, so it needs no room for
// chance.
func TestReferenceInt8(t *testing.T) {
	for _, folder := range referenceFolders(t) {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			sqnr := int8SQNR(t, openReference(t, folder), folder)
			t.Logf("SQNR %.1f dB", sqnr)
			require.Greater(t, sqnr, 25.0)
		})
	}
}

// int8SQNR quantizes a float model and compares it with the reference: the
// deviation of all logits from their picture's mean against their noise, in dB.
func int8SQNR(t *testing.T, c *quant.Checkpoint, folder string) float64 {
	t.Helper()
	q, err := c.Quantize(nil)
	require.NoError(t, err)
	var signal, noise float64
	want, int8s := referenceLogits(t, folder), answers(t, q, folder)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		got := int8s[name]
		var mean float64
		for _, v := range want[name] {
			mean += float64(v) / float64(len(got))
		}
		for i, v := range want[name] {
			signal += (float64(v) - mean) * (float64(v) - mean)
			noise += float64(v-got[i]) * float64(v-got[i])
		}
	}
	return 10 * math.Log10(signal/noise)
}

// TestWriteLogits answers every picture in the folder VITEDGE_IMAGES with the
// model VITEDGE_MODEL, at VITEDGE_IMAGE_SIZE pixels instead of the trained ones
// where that is set, and writes the logits to the file VITEDGE_LOGITS, a line of
// JSON each. testdata/reference.py compares them with timm's.
func TestWriteLogits(t *testing.T) {
	path := os.Getenv("VITEDGE_LOGITS")
	if path == "" {
		t.Skip("VITEDGE_LOGITS is not set")
	}
	var options quant.Options
	if size := os.Getenv("VITEDGE_IMAGE_SIZE"); size != "" {
		var err error
		options.ImageSize, err = strconv.Atoi(size)
		require.NoError(t, err)
	}
	c, err := quant.Open(os.Getenv("VITEDGE_MODEL"), options)
	require.NoError(t, err)
	defer c.Close()
	model, pre := newModel(t, c)
	folder := os.Getenv("VITEDGE_IMAGES")
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool {
		return !slices.Contains([]string{".jpg", ".jpeg", ".png"}, filepath.Ext(e.Name()))
	})
	require.NotEmpty(t, entries, "no pictures in %s", folder)

	out, err := os.Create(path)
	require.NoError(t, err)
	defer out.Close()
	w := bufio.NewWriter(out)
	lines := json.NewEncoder(w)
	side := model.Config().ImageSize
	pixels := make([]byte, side*side*3)
	logits := make([]float32, model.Config().Classes)
	for _, e := range entries {
		require.NoError(t, pre.Process(pixels, decode(t, filepath.Join(folder, e.Name()))))
		require.NoError(t, model.Forward(logits, pixels))
		require.NoError(t, lines.Encode(map[string]any{"file": e.Name(), "logits": logits}))
	}
	require.NoError(t, w.Flush())
	require.NoError(t, out.Close())
}

// openReference opens a case of testdata/reference, with the flags that its user
// gives.
func openReference(t *testing.T, folder string) *quant.Checkpoint {
	t.Helper()
	var options struct {
		quant.Options
		Path string // of the weights, where another case has them
	}
	b, err := os.ReadFile(filepath.Join(folder, "options.json"))
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, &options))
	}
	c, err := quant.Open(filepath.Join(folder, options.Path), options.Options)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func openModel(t *testing.T, folder string) (*Model, *Preprocessor) {
	return newModel(t, openReference(t, folder))
}

func newModel(t *testing.T, c *quant.Checkpoint) (*Model, *Preprocessor) {
	model, err := New(c, 1)
	require.NoError(t, err)
	t.Cleanup(model.Close)
	return model, newPreprocessor(t, model.Preprocess())
}

func decode(t *testing.T, path string) Picture {
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	img, _, err := image.Decode(f)
	require.NoError(t, err, path)
	return PictureOf(img)
}
