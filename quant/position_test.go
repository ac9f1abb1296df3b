package quant

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// positionTableOf is the table that testdata/variants.py makes, [grid, grid, 2].
func positionTableOf(grid int) []float32 {
	table := make([]float32, 2*grid*grid)
	for i := range table {
		table[i] = float32((i*7919+i*i%1013)%257-128) / 64
	}
	return table
}

// The interpolated positions are timm's and transformers', but for the rounding
// of their float32 sums.
func TestResizePositions(t *testing.T) {
	b, err := os.ReadFile("../testdata/reference/positions.json")
	require.NoError(t, err)
	var rows []struct {
		Old, New           int
		Pick               []int
		Antialiased, Plain []float32
	}
	require.NoError(t, json.Unmarshal(b, &rows))
	require.NotEmpty(t, rows)
	for _, row := range rows {
		for filter, want := range map[positionFilter][]float32{antialiased: row.Antialiased, notAntialiased: row.Plain} {
			got := filter.resize(positionTableOf(row.Old), row.Old, row.New, 2)
			require.Len(t, got, 2*row.New*row.New)
			require.Len(t, want, 2*len(row.Pick))
			for i, patch := range row.Pick {
				for d := range 2 {
					require.InDelta(t, want[2*i+d], got[2*patch+d], 1e-5, "%s, %d to %d, patch %d", filter, row.Old, row.New, patch)
				}
			}
		}
	}
}

// The image size and what follows from it.
func TestOpenImageSize(t *testing.T) {
	trained, err := timmModel(tinyConfig).open(t, Options{})
	require.NoError(t, err)
	c, err := timmModel(tinyConfig).open(t, Options{ImageSize: 20})
	require.NoError(t, err)
	require.Equal(t, 20, c.Config.ImageSize)
	require.Equal(t, 20, c.Preprocess.Crop)
	require.Equal(t, Resize{ShortestEdge, 25}, c.Preprocess.Resize, "20 / 0.8")
	require.Contains(t, c.Notes, Note{"image size", "20, trained 8", "option"})
	position, err := c.Tensor("vit.embeddings.position_embeddings")
	require.NoError(t, err)
	require.Equal(t, []int{1, 26, 64}, position.Shape)
	before, err := trained.Tensor("vit.embeddings.position_embeddings")
	require.NoError(t, err)
	require.Equal(t, before.Data[:256], position.Data[:256], "the class token's stays")

	q, err := c.Quantize(nil)
	require.NoError(t, err)
	path := t.TempDir() + "/int8"
	require.NoError(t, q.WriteFile(path))
	r, err := Open(path, Options{})
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, c.Config, r.Config)
	requireTensors(t, tensorMap(q), r)

	// Hugging Face's sizes keep their proportion, a resize of the user's stays.
	c, err = huggingFaceModel(tinyConfig, "vit.").open(t, Options{ImageSize: 20})
	require.NoError(t, err)
	require.Equal(t, Resize{ShortestEdge, 25}, c.Preprocess.Resize)
	c, err = timmModel(tinyConfig).open(t, Options{ImageSize: 20, Resize: Resize{Squash, 20}})
	require.NoError(t, err)
	require.Equal(t, Resize{Squash, 20}, c.Preprocess.Resize)

	for _, size := range []int{-4, 3, 21, 1<<14 + 4} {
		_, err = timmModel(tinyConfig).open(t, Options{ImageSize: size})
		require.ErrorContains(t, err, "want a multiple of the patch size, 4, up to 16384")
	}
}

// DINOv2 is resized as transformers does while it runs, whoever asks for it, and
// what was trained stays what it was.
func TestOpenImageSizeDINOv2(t *testing.T) {
	for folder, filter := range map[string]string{"dinov2-hf": "bicubic", "dinov2-registers-hf": "antialiased bicubic"} {
		reference := filepath.Join("../testdata/reference", folder)
		flagged, err := Open(reference, Options{ImageSize: 84})
		require.NoError(t, err)
		defer flagged.Close()

		dir := t.TempDir()
		require.NoError(t, os.CopyFS(dir, os.DirFS(reference)))
		path := filepath.Join(dir, "preprocessor_config.json")
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		trained := map[string]int{"dinov2-hf": 70, "dinov2-registers-hf": 42}[folder]
		for _, size := range []int{84, trained} {
			changed := strings.ReplaceAll(strings.ReplaceAll(string(text), `"height": 56`, fmt.Sprintf(`"height": %d`, size)), `"width": 56`, fmt.Sprintf(`"width": %d`, size))
			changed = strings.ReplaceAll(changed, `"shortest_edge": 64`, `"shortest_edge": 96`)
			require.NoError(t, os.WriteFile(path, []byte(changed), 0o644))
			c, err := Open(dir, Options{})
			require.NoError(t, err)
			defer c.Close()
			require.Equal(t, size, c.Config.ImageSize)
			if size == trained {
				require.False(t, slices.ContainsFunc(c.Notes, func(n Note) bool { return n.What == "positions" }))
				back, err := Open(reference, Options{ImageSize: trained})
				require.NoError(t, err)
				defer back.Close()
				require.False(t, slices.ContainsFunc(back.Notes, func(n Note) bool { return n.What == "positions" || n.What == "image size" }))
				require.Equal(t, positionsOf(t, c), positionsOf(t, back))
				continue
			}
			require.Equal(t, positionsOf(t, c), positionsOf(t, flagged))
		}
		require.Contains(t, flagged.Notes, Note{"image size", fmt.Sprintf("84, trained %d", trained), "option"})
		require.Contains(t, flagged.Notes, Note{"positions", fmt.Sprintf("6 by 6 from %d by %d", trained/14, trained/14), filter})
	}
}

func positionsOf(t *testing.T, c *Checkpoint) Tensor {
	t.Helper()
	position, err := c.Tensor("vit.embeddings.position_embeddings")
	require.NoError(t, err)
	return position
}
