package vitlite

import (
	"bufio"
	"encoding/json"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vitedge/quant"
)

// TestReference compares the float32 path with timm and transformers on small
// models in both layouts (testdata/reference.py): the pixels bit for bit, the
// logits to within 1e-3.
func TestReference(t *testing.T) {
	const root = "../testdata/reference"
	folders, err := filepath.Glob(filepath.Join(root, "*", "logits.json"))
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, answers := range folders {
		folder := filepath.Dir(answers)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			model, pre := openModel(t, folder)
			b, err := os.ReadFile(answers)
			require.NoError(t, err)
			var want map[string][]float32
			require.NoError(t, json.Unmarshal(b, &want))
			require.NotEmpty(t, want)
			for name, logits := range want {
				side := model.Config().ImageSize
				pixels := make([]byte, side*side*3)
				require.NoError(t, pre.Process(pixels, decode(t, filepath.Join(root, name))))

				seen := decode(t, filepath.Join(folder, name))
				row := make([]byte, side*3)
				for y := range side {
					seen.RowRGB(row, y)
					require.Equal(t, row, pixels[y*side*3:][:side*3], "row %d of %s", y, name)
				}

				got := make([]float32, model.Config().Classes)
				require.NoError(t, model.Forward(got, pixels))
				require.Len(t, logits, len(got))
				largest := 0.0
				for i := range got {
					largest = max(largest, math.Abs(float64(got[i]-logits[i])))
				}
				t.Logf("%s: max |logit difference| %.2g", name, largest)
				require.LessOrEqual(t, largest, 1e-3, name)
			}
		})
	}
}

// TestWriteLogits answers every picture in the folder VITEDGE_IMAGES with the
// model VITEDGE_MODEL and writes the logits to the file VITEDGE_LOGITS, a line
// of JSON each. testdata/reference.py compares them with timm's.
func TestWriteLogits(t *testing.T) {
	path := os.Getenv("VITEDGE_LOGITS")
	if path == "" {
		t.Skip("VITEDGE_LOGITS is not set")
	}
	model, pre := openModel(t, os.Getenv("VITEDGE_MODEL"))
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

func openModel(t *testing.T, folder string) (*Model, *Preprocessor) {
	c, err := quant.Open(folder, quant.Options{})
	require.NoError(t, err)
	defer c.Close()
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
