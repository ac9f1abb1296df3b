package quant

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tinyConfig is the smallest model with all the parts: widths of 64 let the
// matrices align, 5 classes leave the head unaligned.
var tinyConfig = Config{
	Architecture: "vit_tiny_test", ImageSize: 8, PatchSize: 4, Dim: 64, Depth: 2, Heads: 4, MLPDim: 128,
	Classes: 5, Epsilon: 1e-6, Activation: GELU, Pool: Token, QKVBias: true,
}

var tinyPreprocess = Preprocess{
	Resize: Resize{ShortestEdge, 10}, Crop: 8, Interpolation: Bicubic,
	Mean: [3]float32{0.5, 0.25, 0.125}, Std: [3]float32{0.5, 0.25, 0.75},
}

// model is a source on its way to a folder; tests break parts of it.
type model struct {
	tensors  map[string]Tensor
	metadata map[string]string
	files    map[string]string // beside the weights
}

// canonicalTensors are random weights of c.
func canonicalTensors(c Config) map[string]Tensor {
	r := rand.New(rand.NewPCG(3, 4))
	tensors := map[string]Tensor{}
	for s := range c.specs() {
		if s.scale {
			continue
		}
		n, _ := elements(s.shape)
		w := make([]float32, n)
		for i := range w {
			w[i] = float32(r.NormFloat64())
		}
		tensors[s.name] = float32Tensor(s.name, s.shape, w)
	}
	return tensors
}

func huggingFaceModel(c Config, prefix string) *model {
	m := &model{tensors: map[string]Tensor{}, files: map[string]string{
		"config.json": fmt.Sprintf(`{"model_type": "vit", "architectures": [%q], "hidden_size": %d, "num_hidden_layers": %d,
			"num_attention_heads": %d, "intermediate_size": %d, "image_size": %d, "patch_size": %d, "num_channels": 3,
			"qkv_bias": %t, "hidden_act": %q, "layer_norm_eps": %g,
			"id2label": {"1": "b", "0": "a", "2": "c", "3": "d", "4": "e"}}`,
			c.Architecture, c.Dim, c.Depth, c.Heads, c.MLPDim, c.ImageSize, c.PatchSize, c.QKVBias, c.Activation, c.Epsilon),
		"preprocessor_config.json": `{"image_processor_type": "BitImageProcessor", "do_resize": true, "size": {"shortest_edge": 10},
			"resample": 3, "do_center_crop": true, "crop_size": {"height": 8, "width": 8}, "do_rescale": true,
			"rescale_factor": 0.00392156862745098, "do_normalize": true,
			"image_mean": [0.5, 0.25, 0.125], "image_std": [0.5, 0.25, 0.75]}`,
	}}
	fam := huggingFace(prefix, huggingFace4, "")
	for name, t := range canonicalTensors(c) {
		t.Name = fam.origins(name)[0].name
		m.tensors[t.Name] = t
	}
	return m
}

func timmModel(c Config) *model {
	m := &model{tensors: map[string]Tensor{}, files: map[string]string{
		"config.json": fmt.Sprintf(`{"architecture": %q, "num_classes": %d, "num_features": %d, "global_pool": %q,
			"model_args": {"num_heads": %d},
			"pretrained_cfg": {"input_size": [3, %[6]d, %[6]d], "interpolation": "bicubic", "crop_pct": 0.8, "crop_mode": "center",
			"mean": [0.5, 0.25, 0.125], "std": [0.5, 0.25, 0.75]}}`,
			c.Architecture, c.Classes, c.Dim, c.Pool, c.Heads, c.ImageSize),
		"labels.txt": "a\nb\nc\r\nd\n e \n\n",
	}}
	parts := map[string][3]Tensor{}
	for name, t := range canonicalTensors(c) {
		origins := timm.origins(name)
		o := origins[0]
		if c.Pool == Mean && len(origins) == 2 && strings.Contains(name, "vit.layernorm") {
			o = origins[1]
		}
		t.Name = o.name
		if o.parts == 3 {
			fused := parts[t.Name]
			fused[o.part] = t
			parts[t.Name] = fused
			continue
		}
		m.tensors[t.Name] = t
	}
	for name, thirds := range parts {
		fused := thirds[0]
		fused.Shape = slices.Clone(fused.Shape)
		fused.Shape[0] *= 3
		fused.Data = slices.Concat(thirds[0].Data, thirds[1].Data, thirds[2].Data)
		m.tensors[name] = fused
	}
	return m
}

// write stores the model in a new folder and returns the folder.
func (m *model) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	var tensors []Tensor
	for _, name := range slices.Sorted(maps.Keys(m.tensors)) {
		tensors = append(tensors, m.tensors[name])
	}
	require.NoError(t, WriteFile(filepath.Join(dir, "model.safetensors"), tensors, m.metadata))
	for name, text := range m.files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

// set changes one key of one of the JSON files, nil removes it.
func (m *model) set(t testing.TB, file, key string, value any) {
	t.Helper()
	var object map[string]any
	require.NoError(t, json.Unmarshal([]byte(m.files[file]), &object))
	if object[key] = value; value == nil {
		delete(object, key)
	}
	text, err := json.Marshal(object)
	require.NoError(t, err)
	m.files[file] = string(text)
}

// open writes and opens the model.
func (m *model) open(t testing.TB, o Options) (*Checkpoint, error) {
	c, err := Open(m.write(t), o)
	if c != nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}
