package quant

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever names and layout a source has, the same model comes out.
func TestOpenFamilies(t *testing.T) {
	mean := tinyConfig
	mean.Pool = Mean
	noBias := tinyConfig
	noBias.QKVBias = false
	for _, test := range []struct {
		name, family string
		config       Config
		model        func(Config) *model
	}{
		{"timm", "timm ViT", tinyConfig, timmModel},
		{"timm mean pooling", "timm ViT", mean, timmModel},
		{"timm without biases", "timm ViT", noBias, timmModel},
		{"vit", "Hugging Face ViT", tinyConfig, func(c Config) *model { return huggingFaceModel(c, "vit.") }},
		{"vit without biases", "Hugging Face ViT", noBias, func(c Config) *model { return huggingFaceModel(c, "vit.") }},
		{"deit", "Hugging Face DeiT", tinyConfig, func(c Config) *model { return huggingFaceModel(c, "deit.") }},
		{"no prefix", "Hugging Face ViT without prefix", tinyConfig, func(c Config) *model { return huggingFaceModel(c, "") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := test.model(test.config).open(t, Options{})
			require.NoError(t, err)
			require.Equal(t, test.family, c.Family)
			require.Equal(t, test.config, c.Config)
			require.Equal(t, tinyPreprocess, c.Preprocess)
			require.Equal(t, []string{"a", "b", "c", "d", "e"}, c.Labels)
			require.Len(t, c.SHA256, 64)
			require.False(t, c.Quantized())
			requireTensors(t, canonicalTensors(test.config), c)
		})
	}
}

func requireTensors(t *testing.T, want map[string]Tensor, c *Checkpoint) {
	t.Helper()
	require.Len(t, c.weights, len(want))
	for name, w := range want {
		got, err := c.Tensor(name)
		require.NoError(t, err)
		require.Equal(t, w.DType, got.DType, name)
		require.Equal(t, w.Shape, got.Shape, name)
		require.Equal(t, string(w.Data), string(got.Data), name)
	}
	_, err := c.Tensor("absent")
	require.ErrorContains(t, err, `no tensor "absent"`)
}

// Files beside the weights are optional where flags take their place.
func TestOpenLoneFile(t *testing.T) {
	o := Options{Heads: 4, CropFraction: 0.8, Interpolation: Bicubic, Mean: []float32{0.5, 0.25, 0.125}, Std: []float32{0.5, 0.25, 0.75}}
	for _, m := range []*model{timmModel(tinyConfig), huggingFaceModel(tinyConfig, "vit.")} {
		m.files = nil
		path := filepath.Join(m.write(t), "model.safetensors")
		_, err := Open(path, Options{})
		require.ErrorContains(t, err, path)
		require.ErrorContains(t, err, "neither the weights nor the files beside them say: heads, resize, interpolation, mean, std")
		var incomplete *IncompleteError
		require.ErrorAs(t, err, &incomplete)
		_, err = Open(path, Options{Heads: 4, Resize: Resize{Squash, 8}, Mean: o.Mean, Std: o.Std})
		require.ErrorContains(t, err, "say: interpolation")

		c, err := Open(path, o)
		require.NoError(t, err)
		defer c.Close()
		want := tinyConfig
		want.Architecture = ""
		if strings.HasPrefix(c.Family, "Hugging") {
			want.Epsilon = 1e-12
		}
		require.Equal(t, want, c.Config)
		require.Equal(t, tinyPreprocess, c.Preprocess)
		require.Nil(t, c.Labels)
		require.Contains(t, c.Notes, Note{"heads", "4", "option"})
	}
}

func TestOpenOptionsOverride(t *testing.T) {
	labels := writeTemp(t, "names.txt", []byte("v\nw\nx\ny\nz\n"))
	c, err := timmModel(tinyConfig).open(t, Options{
		Heads: 8, Resize: Resize{Squash, 9}, Interpolation: Lanczos, Labels: labels,
		Mean: []float32{0, 0, 0}, Std: []float32{1, 1, 1},
	})
	require.NoError(t, err)
	require.Equal(t, 8, c.Config.Heads)
	require.Equal(t, Preprocess{Resize: Resize{Squash, 9}, Crop: 8, Interpolation: Lanczos, Std: [3]float32{1, 1, 1}}, c.Preprocess)
	require.Equal(t, []string{"v", "w", "x", "y", "z"}, c.Labels)
	require.Contains(t, c.Notes, Note{"heads", "8", "option"})
	require.Contains(t, c.Notes, Note{"labels", "5", labels})
}

// Editors on Windows put a byte order mark before texts, and end lines with \r\n.
func TestOpenByteOrderMark(t *testing.T) {
	m := timmModel(tinyConfig)
	m.files["labels.txt"] = "\ufeff1\r\n2\r\n3\r\n4\r\n5\r\n"
	m.files["config.json"] = "\ufeff" + m.files["config.json"]
	c, err := m.open(t, Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"1", "2", "3", "4", "5"}, c.Labels)
	require.Equal(t, tinyConfig, c.Config)
}

// Sizes may be height and width, as transformers takes them.
func TestOpenSquareSizes(t *testing.T) {
	m := huggingFaceModel(tinyConfig, "vit.")
	m.set(t, "config.json", "image_size", []int{8, 8})
	m.set(t, "config.json", "patch_size", []int{4, 4})
	_, err := m.open(t, Options{})
	require.NoError(t, err)
	for want, size := range map[string]any{
		"config.json: image_size or patch_size is [8,4]; want a whole number, or equal height and width": []int{8, 4},
		`config.json: image_size or patch_size is "8"; want a whole number`:                              "8",
		"config.json: image_size is 12, but the tensors say 8":                                           12,
	} {
		m.set(t, "config.json", "image_size", size)
		_, err := m.open(t, Options{})
		require.ErrorContains(t, err, want)
	}
}

// labels.txt is put there by hand and wins over generic names in a config.
func TestOpenLabelsFile(t *testing.T) {
	m := huggingFaceModel(tinyConfig, "vit.")
	m.files["labels.txt"] = "1\n2\n3\n4\n5"
	c, err := m.open(t, Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"1", "2", "3", "4", "5"}, c.Labels)
}

// timm may write its labels by class number.
func TestOpenLabelNames(t *testing.T) {
	for name, names := range map[string]any{
		"list":   []string{"v", "w", "x", "y", "z"},
		"object": map[string]string{"1": "w", "0": "v", "4": "z", "3": "y", "2": "x"},
	} {
		m := timmModel(tinyConfig)
		delete(m.files, "labels.txt")
		m.set(t, "config.json", "label_names", names)
		c, err := m.open(t, Options{})
		require.NoError(t, err, name)
		require.Equal(t, []string{"v", "w", "x", "y", "z"}, c.Labels, name)
	}
}

// Labels that are wrong do not matter where the options have others.
func TestOpenMendsLabels(t *testing.T) {
	labels := writeTemp(t, "names.txt", []byte("v\nw\nx\ny\nz\n"))
	for _, m := range []*model{timmModel(tinyConfig), huggingFaceModel(tinyConfig, "vit.")} {
		m.set(t, "config.json", "id2label", map[string]string{"0": "a", "2": "c"})
		m.set(t, "config.json", "label_names", 5)
		m.files["labels.txt"] = "a\n\nc\n"
		c, err := m.open(t, Options{Labels: labels})
		require.NoError(t, err)
		require.Equal(t, []string{"v", "w", "x", "y", "z"}, c.Labels)
		c, err = m.open(t, Options{NoLabels: true})
		require.NoError(t, err)
		require.Nil(t, c.Labels)
	}
}

func TestOpenHalfPrecision(t *testing.T) {
	m := timmModel(tinyConfig)
	for name, dtype := range map[string]DType{"blocks.0.attn.qkv.weight": BF16, "head.bias": F16} {
		w := m.tensors[name]
		w.DType = dtype
		w.Data = make([]byte, len(w.Data)/2)
		w.Data[1] = 0x40 // 2 in both types
		m.tensors[name] = w
	}
	c, err := m.open(t, Options{})
	require.NoError(t, err)
	for _, name := range []string{"vit.encoder.layer.0.attention.attention.query.weight", "classifier.bias"} {
		tensor, err := c.Tensor(name)
		require.NoError(t, err)
		v, err := tensor.Float32s()
		require.NoError(t, err)
		require.Equal(t, []float32{2, 0, 0}, v[:3])
	}
}

func TestOpenFolder(t *testing.T) {
	dir := timmModel(tinyConfig).write(t)
	require.NoError(t, os.Rename(filepath.Join(dir, "model.safetensors"), filepath.Join(dir, "other.safetensors")))
	c, err := Open(dir, Options{})
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "other.safetensors"), c.Path)
	require.NoError(t, c.Close())

	require.NoError(t, os.WriteFile(filepath.Join(dir, "more.safetensors"), nil, 0o644))
	_, err = Open(dir, Options{})
	require.ErrorContains(t, err, "several weights files (more.safetensors, other.safetensors)")

	torch := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(torch, "model_best.pth.tar"), torchFile(t, timmModel(tinyConfig).tensors, same), 0o644))
	c, err = Open(torch, allFlags)
	require.NoError(t, err)
	require.NoError(t, c.Close())

	empty := t.TempDir()
	_, err = Open(empty, Options{})
	require.ErrorContains(t, err, empty+": no weights in this folder")
	_, err = Open(filepath.Join(empty, "absent"), Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// timm's names of known widths say the number of heads.
func TestOpenTimmHeads(t *testing.T) {
	config := tinyConfig
	config.Dim, config.Heads, config.Architecture = 192, 3, "deit_tiny_patch4_8"
	m := timmModel(config)
	m.set(t, "config.json", "model_args", nil)
	c, err := m.open(t, Options{})
	require.NoError(t, err)
	require.Equal(t, 3, c.Config.Heads)
	require.Contains(t, c.Notes, Note{"heads", "3", "timm's deit_tiny"})

	m.set(t, "config.json", "architecture", "vit_wee_patch4_8")
	_, err = m.open(t, Options{})
	require.ErrorContains(t, err, "say: heads")

	m.set(t, "config.json", "architecture", "vit_tiny_patch4_quickgelu_8")
	c, err = m.open(t, Options{})
	require.NoError(t, err)
	require.Equal(t, QuickGELU, c.Config.Activation)
}

// null in model_args is what timm does without the argument.
func TestOpenTimmNullArguments(t *testing.T) {
	config := tinyConfig
	config.Dim, config.Heads, config.Architecture = 192, 3, "deit_tiny_patch4_8"
	m := timmModel(config)
	m.set(t, "config.json", "model_args", map[string]any{"num_heads": nil, "act_layer": nil, "img_size": nil, "qk_norm": nil, "pos_embed": "learn"})
	c, err := m.open(t, Options{})
	require.NoError(t, err)
	require.Equal(t, config, c.Config)
}

// A model that was trained on at another size has the input_size of the weights it
// began with.
func TestOpenTimmInputSize(t *testing.T) {
	for name, test := range map[string]struct {
		imageSize any
		options   Options
	}{
		"img_size":         {8, Options{}},
		"height and width": {[]int{8, 8}, Options{}},
		"option":           {nil, Options{ImageSize: 8}},
	} {
		m := timmModel(tinyConfig)
		m.files["config.json"] = strings.Replace(m.files["config.json"], "[3, 8, 8]", "[3, 224, 224]", 1)
		m.set(t, "config.json", "model_args", map[string]any{"num_heads": 4, "img_size": test.imageSize})
		c, err := m.open(t, test.options)
		require.NoError(t, err, name)
		require.Equal(t, tinyConfig, c.Config, name)
		require.Equal(t, tinyPreprocess, c.Preprocess, name)
		_, err = m.open(t, Options{ImageSize: 16})
		require.Equal(t, test.imageSize == nil, err != nil, "%s: %v", name, err)
	}
}

// edit returns the model with the float32 values of a tensor changed.
func edit(m *model, name string, change func([]float32)) {
	w := m.tensors[name]
	v, _ := w.Float32s()
	v = slices.Clone(v)
	change(v)
	m.tensors[name] = float32Tensor(name, w.Shape, v)
}

func TestOpenRefuses(t *testing.T) {
	add := func(name string, shape ...int) func(*testing.T, *model) {
		return func(_ *testing.T, m *model) {
			n, _ := elements(shape)
			m.tensors[name] = float32Tensor(name, shape, make([]float32, n))
		}
	}
	reshape := func(name string, shape ...int) func(*testing.T, *model) { return add(name, shape...) }
	remove := func(names ...string) func(*testing.T, *model) {
		return func(t *testing.T, m *model) {
			for _, name := range names {
				require.Contains(t, m.tensors, name)
				delete(m.tensors, name)
			}
		}
	}
	value := func(name string, i int, v float64) func(*testing.T, *model) {
		return func(_ *testing.T, m *model) { edit(m, name, func(w []float32) { w[i] = float32(v) }) }
	}
	retype := func(name string, dtype DType) func(*testing.T, *model) {
		return func(t *testing.T, m *model) {
			w := m.tensors[name]
			w.DType, w.Data = dtype, make([]byte, len(w.Data)/4*dtype.Size())
			m.tensors[name] = w
		}
	}
	set := func(file, key string, value any) func(*testing.T, *model) {
		return func(t *testing.T, m *model) { m.set(t, file, key, value) }
	}
	file := func(name, text string) func(*testing.T, *model) {
		return func(_ *testing.T, m *model) { m.files[name] = text }
	}
	pretrained := func(key string, value any) func(*testing.T, *model) {
		return set("config.json", "pretrained_cfg", map[string]any{key: value})
	}
	const query = "vit.encoder.layer.0.attention.attention.query.weight"
	hf := func() *model { return huggingFaceModel(tinyConfig, "vit.") }
	tm := func() *model { return timmModel(tinyConfig) }

	for _, test := range []struct {
		name  string
		model *model
		spoil func(*testing.T, *model)
		want  string // each part of it, between "…"
	}{
		{"no tensors", &model{}, add("x", 1), `unknown architecture: tensors like "x"`},
		{"empty", &model{}, func(*testing.T, *model) {}, "unknown architecture: the file has no tensors"},
		{"another network", &model{}, func(t *testing.T, m *model) {
			add("layer1.0.conv1.weight", 8, 3, 3, 3)(t, m)
			add("fc.weight", 2, 2)(t, m)
		}, `"fc.weight"…"layer1.0.conv1.weight"`},
		{"missing patch embedding", tm(), remove("patch_embed.proj.weight"), `tensor "patch_embed.proj.weight" is missing`},
		{"missing position", hf(), remove("vit.embeddings.position_embeddings"), `"vit.embeddings.position_embeddings" is missing`},
		{"missing class token", hf(), remove("vit.embeddings.cls_token"), `5 positions are a class token and a square of patches, but the class token is missing`},
		{"missing head", tm(), remove("head.weight"), `"head.weight" is missing`},
		{"missing norm", tm(), remove("norm.weight"), `"norm.weight" or "fc_norm.weight" is missing`},
		{"missing key", hf(), remove("vit.encoder.layer.1.attention.attention.key.weight"), `"vit.encoder.layer.1.attention.attention.key.weight" is missing`},
		{"missing bias of one layer", tm(), remove("blocks.1.attn.qkv.bias"), `"blocks.1.attn.qkv.bias" is missing`},
		{"bias in one layer", tm(), remove("blocks.0.attn.qkv.bias"), `"blocks.1.attn.qkv.bias" [192] is no part`},
		{"missing block", tm(), add("blocks.7.norm1.weight", 64), `"blocks.2.norm1.weight" is missing`},
		{"depth of 2^31", tm(), add("blocks.2147483647.norm1.weight", 64), `num_hidden_layers is 65537`},
		{"wrong shape", tm(), reshape("blocks.1.mlp.fc1.weight", 128, 32), `"blocks.1.mlp.fc1.weight": shape is [128 32]; want [128 64]`},
		{"wrong fused shape", tm(), reshape("blocks.1.attn.qkv.weight", 191, 64), `shape is [191 64]; want [192 64]`},
		{"wrong fused shape in front", tm(), reshape("blocks.0.attn.qkv.weight", 64, 64), `"blocks.0.attn.qkv.weight": shape is [64 64]; want [192 64]`},
		{"wrong rank", tm(), reshape("patch_embed.proj.weight", 64, 48), `"patch_embed.proj.weight": shape is [64 48]; want 4 dimensions`},
		{"gray patches", tm(), reshape("patch_embed.proj.weight", 64, 1, 4, 4), `shape is [64 1 4 4]; want [D 3 p p]`},
		{"oblong patches", tm(), reshape("patch_embed.proj.weight", 64, 3, 4, 5), `shape is [64 3 4 5]`},
		{"empty patches", tm(), reshape("patch_embed.proj.weight", 64, 3, 0, 0), `patches of 0 pixels`},
		{"no square of patches", tm(), reshape("pos_embed", 1, 6, 64), `"pos_embed"…6 positions`},
		{"no position", tm(), reshape("pos_embed", 1, 0, 64), `"pos_embed"…0 positions`},
		{"class token only", tm(), reshape("pos_embed", 1, 1, 64), `input_size is 8, but the tensors say 4`},
		{"grid beyond all images", tm(), reshape("pos_embed", 1, 1+1<<30, 0), `32768 by 32768 patches`},
		{"no classes", tm(), reshape("head.weight", 0, 64), "num_classes is 5, but the tensors say 0"},
		{"NaN", tm(), value("blocks.1.mlp.fc2.weight", 77, math.NaN()), `tensor "blocks.1.mlp.fc2.weight": element 77 of [64 128] is NaN`},
		{"infinity", hf(), value("vit.layernorm.bias", 3, math.Inf(-1)), `tensor "vit.layernorm.bias": element 3 of [64] is -Inf`},
		{"NaN in a fused third", tm(), value("blocks.0.attn.qkv.weight", 12000, math.NaN()), `element 12000 of [192 64]`},
		{"integer weights", tm(), retype("head.weight", I32), `"head.weight": dtype is I32; want F32, F16 or BF16`},
		{"double weights", tm(), func(t *testing.T, m *model) {
			m.tensors["norm.bias"] = Tensor{Name: "norm.bias", DType: F64, Shape: []int{64}, Data: make([]byte, 512)}
		}, `"norm.bias": dtype is F64`},
		{"one int8 tensor", hf(), retype(query, I8), `query.weight_scale" is missing`},
		{"LayerScale of one layer", tm(), add("blocks.0.ls1.gamma", 64), `"blocks.0.ls2.gamma" or "blocks.0.gamma_2" is missing`},
		{"LayerScale of a later block", tm(), add("blocks.1.ls1.gamma", 64), `"blocks.1.ls1.gamma" [64] is no part`},
		{"distillation token of a ViT", hf(), add("vit.embeddings.distillation_token", 1, 1, 64), `distillation_token" [1 1 64] is no part`},
		{"registers without positions", tm(), add("reg_token", 1, 7, 64), `5 positions are not a square of patches and some of 8 other tokens`},
		{"CLIP", tm(), add("norm_pre.weight", 64), `a CLIP encoder`},
		{"unknown tensor", tm(), add("blocks.1.extra", 1), `tensor "blocks.1.extra" [1] is no part of a plain ViT`},
		{"two final norms", tm(), add("fc_norm.weight", 64), `"fc_norm.weight" [64] is no part`},

		{"config is no JSON", tm(), file("config.json", "{"), "config.json: "},
		{"config of another kind", tm(), file("config.json", `{"model_type":"vit"}`), `config.json: it has no "architecture"`},
		{"model type", hf(), set("config.json", "model_type", "swin"), `config.json: model_type is "swin"`},
		{"no model type", hf(), set("config.json", "model_type", nil), `config.json: model_type is ""`},
		{"hidden size", hf(), set("config.json", "hidden_size", 192), `config.json: hidden_size is 192, but the tensors say 64`},
		{"layers", hf(), set("config.json", "num_hidden_layers", 12), `num_hidden_layers is 12, but the tensors say 2`},
		{"intermediate size", hf(), set("config.json", "intermediate_size", 3), `intermediate_size is 3`},
		{"image size", hf(), set("config.json", "image_size", 224), `image_size is 224`},
		{"patch size", hf(), set("config.json", "patch_size", 16), `patch_size is 16`},
		{"channels", hf(), set("config.json", "num_channels", 1), `num_channels is 1`},
		{"biases", hf(), set("config.json", "qkv_bias", false), `qkv_bias is false, but the tensors say true`},
		{"no heads", hf(), set("config.json", "num_attention_heads", nil), `say: heads`},
		{"heads", hf(), set("config.json", "num_attention_heads", 5), `not a multiple of num_attention_heads 5`},
		{"activation", hf(), set("config.json", "hidden_act", "relu"), `hidden_act "relu"`},
		{"epsilon", hf(), set("config.json", "layer_norm_eps", 0), `layer_norm_eps is 0`},
		{"labels with a gap", hf(), set("config.json", "id2label", map[string]string{"0": "a", "2": "c"}), `id2label has 2 labels, but none for class 1`},
		{"too few labels", hf(), set("config.json", "id2label", map[string]string{"0": "a", "1": "b"}), `2 labels in config.json, but the model has 5 classes`},
		{"too many labels", tm(), file("labels.txt", "a\nb\nc\nd\ne\nf\n"), `6 labels in labels.txt, but the model has 5 classes`},
		{"empty label", tm(), file("labels.txt", "a\n\nc\nd\ne\n"), `labels.txt:2: empty label`},
		{"labels not UTF-8", tm(), file("labels.txt", "\xff\n"), `labels.txt: not UTF-8`},
		{"foreign quantization", hf(), set("config.json", "quantization_config", map[string]any{"quant_method": "gptq"}), `quantization_config is "gptq"`},

		{"timm pool", tm(), set("config.json", "global_pool", "map"), `global_pool is "map"; want token or avg`},
		{"timm classes", tm(), set("config.json", "num_classes", 6), `num_classes is 6, but the tensors say 5`},
		{"timm width", tm(), set("config.json", "num_features", 6), `num_features is 6`},
		{"timm argument", tm(), set("config.json", "model_args", map[string]any{"qk_norm": true}), `model_args.qk_norm is true`},
		{"timm heads", tm(), set("config.json", "model_args", map[string]any{"num_heads": 1.5}), `model_args.num_heads is 1.5`},
		{"timm activation", tm(), set("config.json", "model_args", map[string]any{"act_layer": "relu"}), `model_args.act_layer is relu`},
		{"timm position embedding", tm(), set("config.json", "model_args", map[string]any{"pos_embed": "rope"}), `model_args.pos_embed is rope; want learn`},
		{"timm input size", tm(), pretrained("input_size", []int{3, 224, 224}), `input_size is 224, but the tensors say 8; give 8 as the image size if they are right`},
		{"timm input shape", tm(), pretrained("input_size", []int{8, 8}), `input_size is [8 8]`},
		{"timm crop mode", tm(), set("config.json", "pretrained_cfg", map[string]any{"crop_pct": 0.9, "crop_mode": "five"}), `crop_mode is "five"`},
		{"timm crop", tm(), pretrained("crop_pct", 1.5), `crop_pct is 1.5`},
		{"timm mean", tm(), pretrained("mean", []int{1}), `pretrained_cfg.mean has 1 numbers; want 3`},
		{"timm labels", tm(), func(t *testing.T, m *model) {
			delete(m.files, "labels.txt")
			m.set(t, "config.json", "label_names", "x")
		}, `config.json: label_names: it is JSON of the wrong type: string; want an object`},
		{"timm says too little", tm(), pretrained("crop_pct", 1), `say: interpolation, mean, std`},

		{"no preprocessing", hf(), func(_ *testing.T, m *model) { delete(m.files, "preprocessor_config.json") }, `say: resize, interpolation, mean, std`},
		{"preprocessing is no JSON", hf(), file("preprocessor_config.json", "[]"), "preprocessor_config.json: "},
		{"no resize", hf(), set("preprocessor_config.json", "do_resize", false), "preprocessor_config.json: do_resize is false"},
		{"oblong size", hf(), set("preprocessor_config.json", "size", map[string]int{"height": 8, "width": 9}), "size is {Height:8 Width:9"},
		{"negative size", hf(), set("preprocessor_config.json", "size", -8), "size is {Height:0 Width:0 Shortest:-8"},
		{"size of text", hf(), set("preprocessor_config.json", "size", "big"), "preprocessor_config.json: size: "},
		{"crop size", hf(), set("preprocessor_config.json", "crop_size", 9), "crop_size is 9 by 9, but the tensors are for 8"},
		{"no crop", hf(), set("preprocessor_config.json", "do_center_crop", false), "size is shortest_edge 10 without a crop"},
		{"too small for the crop", hf(), set("preprocessor_config.json", "size", 7), "resize to 7 pixels leaves no crop of 8"},
		{"resample", hf(), set("preprocessor_config.json", "resample", 4), "resample is 4"},
		{"rescale", hf(), set("preprocessor_config.json", "rescale_factor", 1), "not rescaled by 1/255"},
		{"no rescale", hf(), set("preprocessor_config.json", "do_rescale", false), "not rescaled by 1/255"},
		{"std", hf(), set("preprocessor_config.json", "image_std", []int{1, 0, 1}), "std of channel 1 is 0"},
		{"mean of 2", hf(), set("preprocessor_config.json", "image_mean", []int{1, 0}), "image_mean has 2 numbers"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.model.tensors == nil {
				test.model.tensors = map[string]Tensor{}
			}
			test.spoil(t, test.model)
			dir := test.model.write(t)
			_, err := Open(dir, Options{})
			require.Error(t, err)
			for part := range strings.SplitSeq(test.want, "…") {
				require.ErrorContains(t, err, part)
			}
			require.Equal(t, 1, strings.Count(err.Error(), dir+"/model.safetensors"), "the error names the file once: %s", err)
		})
	}
}

func TestOpenRefusesOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"num_attention_heads is -1": {Heads: -1},
		"crop fraction is 1.5":      {CropFraction: 1.5},
		"crop fraction is NaN":      {CropFraction: math.NaN()},
		"resize to -4 pixels":       {Resize: Resize{Squash, -4}},
		`resize mode "fit"`:         {Resize: Resize{"fit", 8}},
		`interpolation "cubic"`:     {Interpolation: "cubic"},
		"mean has 2 numbers":        {Mean: []float32{1, 2}},
		"std has 1 numbers":         {Std: []float32{1}},
		"mean of channel 1 is 116.28; want 0 to 1, as pixels are":        {Mean: []float32{0.5, 116.28, 103.53}},
		"std of channel 0 is 58.395; want 0.001 to 1, for pixels from 0": {Std: []float32{58.395, 57.12, 57.375}},
		"image_size 16384 makes 4096 by 4096 patches of 4 pixels":        {ImageSize: 16384},
		"resize to 16385 pixels; want 1 to 16384":                        {Resize: Resize{Squash, 16385}},
		"std of channel 2 is NaN":                                        {Std: []float32{1, 1, float32(math.NaN())}},
		"mean of channel 0 is +Inf":                                      {Mean: []float32{float32(math.Inf(1)), 0, 0}},
		"no such file or directory":                                      {Labels: "absent.txt"},
	} {
		_, err := timmModel(tinyConfig).open(t, o)
		require.ErrorContains(t, err, want)
	}
}

// DINOv2 is for whatever size its preprocessing delivers, within limits.
func TestOpenRefusesHugeDINOv2(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("../testdata/reference/dinov2-hf")))
	path := filepath.Join(dir, "preprocessor_config.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"image_processor_type": "BitImageProcessor", "crop_size": 16380}`), 0o600))
	_, err := Open(dir, Options{})
	require.ErrorContains(t, err, "image_size 16380 makes 1170 by 1170 patches of 14 pixels; want 256 by 256 at most")
}

// The defaults are those of transformers' processors.
func TestReadPreprocessDefaults(t *testing.T) {
	for text, want := range map[string]Preprocess{
		`{"image_processor_type": "ViTImageProcessor"}`:                                                                  {Resize: Resize{Squash, 224}, Interpolation: Bilinear, Mean: half, Std: half},
		`{"feature_extractor_type": "DeiTFeatureExtractor", "size": 256}`:                                                {Resize: Resize{Squash, 256}, Interpolation: Bicubic, Mean: half, Std: half},
		`{"image_processor_type": "DeiTImageProcessor", "resample": 1}`:                                                  {Resize: Resize{Squash, 256}, Interpolation: Lanczos, Mean: half, Std: half},
		`{"size": {"longest_edge": 240}, "do_center_crop": true, "resample": 0}`:                                         {Resize: Resize{LongestEdge, 240}, Interpolation: Nearest}, // the same
		`{"image_processor_type": "BitImageProcessorFast", "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}`: {Resize: Resize{ShortestEdge, 224}, Interpolation: Bicubic, Mean: half, Std: half},
		`{"image_processor_type": "BitImageProcessor", "size": 240, "crop_size": 224}`:                                   {Resize: Resize{ShortestEdge, 240}, Interpolation: Bicubic, Mean: clipDefaults.mean, Std: clipDefaults.std},
		`{"feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224}`:                              {Resize: Resize{ShortestEdge, 224}, Interpolation: Bicubic, Mean: clipDefaults.mean, Std: clipDefaults.std},
		`{"image_processor_type": "ViTImageProcessorFast", "size": null, "crop_size": null}`:                             {Resize: Resize{Squash, 224}, Interpolation: Bilinear, Mean: half, Std: half},
		`{"image_processor_type": "DeiTImageProcessor", "crop_size": null}`:                                              {Resize: Resize{Squash, 256}, Interpolation: Bicubic, Mean: half, Std: half},
		`{"size": {"height": 224, "width": 224}, "do_normalize": false}`:                                                 {Resize: Resize{Squash, 224}, Std: [3]float32{1, 1, 1}}, // of an unknown processor
	} {
		c := &Checkpoint{Config: Config{ImageSize: 224}}
		require.NoError(t, readPreprocess(c, []byte(text), "file"), text)
		require.Equal(t, want, c.Preprocess, text)
		require.True(t, slices.ContainsFunc(c.Notes, func(n Note) bool { return n.What == "resize" }))
	}
}

// Files lists what was read and nothing else.
func TestOpenFiles(t *testing.T) {
	dir, _ := writeShards(t, huggingFaceModel(tinyConfig, "vit."))
	labels := writeTemp(t, "names.txt", []byte("v\nw\nx\ny\nz\n"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "optimizer.bin"), nil, 0o600))
	c, err := Open(dir, Options{Labels: labels})
	require.NoError(t, err)
	defer c.Close()
	want := []string{labels}
	for _, name := range []string{"a.safetensors", "b.safetensors", "model.safetensors.index.json", "config.json", "preprocessor_config.json"} {
		want = append(want, filepath.Join(dir, name))
	}
	require.ElementsMatch(t, want, c.Files)
	q, err := c.Quantize(nil)
	require.NoError(t, err)
	require.Empty(t, q.Files)

	m := timmModel(tinyConfig)
	m.files["labels.txt"] = "1\n2\n3\n4\n5"
	dir = m.write(t)
	c, err = Open(filepath.Join(dir, "model.safetensors"), Options{})
	require.NoError(t, err)
	defer c.Close()
	require.ElementsMatch(t, []string{filepath.Join(dir, "model.safetensors"), filepath.Join(dir, "config.json"), filepath.Join(dir, "labels.txt")}, c.Files)
}
