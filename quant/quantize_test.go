package quant

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// quantized returns the tiny model in int8, and what was reported.
func quantized(t testing.TB, m *model) (*Checkpoint, []TensorReport) {
	t.Helper()
	c, err := m.open(t, Options{})
	require.NoError(t, err)
	var reports []TensorReport
	q, err := c.Quantize(func(r TensorReport) { reports = append(reports, r) })
	require.NoError(t, err)
	q.Version = "v1.2.3"
	return q, reports
}

func TestQuantize(t *testing.T) {
	q, reports := quantized(t, timmModel(tinyConfig))
	require.True(t, q.Quantized())
	floats := canonicalTensors(tinyConfig)
	require.Len(t, reports, len(floats))
	require.Len(t, q.weights, len(floats)+12, "two blocks have six linear layers each, and each a scale")
	linear := 0
	for _, r := range reports {
		source := floats[r.Name]
		w, err := source.Float32s()
		require.NoError(t, err)
		require.Equal(t, source.Shape, r.Shape)
		require.Equal(t, F32, r.From)
		got, err := q.Tensor(r.Name)
		require.NoError(t, err)
		require.Equal(t, got.DType, r.To)
		if !strings.HasPrefix(r.Name, "vit.encoder.layer.") || !strings.HasSuffix(r.Name, ".weight") || strings.Contains(r.Name, "layernorm") {
			require.Equal(t, source.Data, got.Data, r.Name)
			require.Zero(t, r.SQNR)
			continue
		}
		linear++
		require.Equal(t, I8, r.To, r.Name)
		out, in := r.Shape[0], r.Shape[1]
		wantValues, wantScale := make([]int8, len(w)), make([]float32, out)
		QuantizeChannels(wantValues, wantScale, w, out, in)
		values, err := got.Int8s()
		require.NoError(t, err)
		require.Equal(t, wantValues, values)
		scaleTensor, err := q.Tensor(r.Name + "_scale")
		require.NoError(t, err)
		require.Equal(t, []int{out, 1}, scaleTensor.Shape)
		scale, err := scaleTensor.Float32s()
		require.NoError(t, err)
		require.Equal(t, wantScale, scale)

		var signal, noise, worst float64
		for i := range w {
			e := float64(w[i]) - float64(scale[i/in])*float64(values[i])
			signal += float64(w[i]) * float64(w[i])
			noise += e * e
			worst = max(worst, math.Abs(e)/float64(scale[i/in]))
		}
		require.InDelta(t, 10*math.Log10(signal/noise), r.SQNR, 1e-9)
		require.InDelta(t, worst, r.MaxError, 1e-9)
		require.Greater(t, r.SQNR, 38.0) // Gaussian weights over 127 steps
		require.LessOrEqual(t, r.MaxError, 0.50001)
	}
	require.Equal(t, 12, linear)
}

// Layers that are kept stay as they are, in the model and in its file.
func TestQuantizeExcept(t *testing.T) {
	c, err := timmModel(tinyConfig).open(t, Options{})
	require.NoError(t, err)
	layers := c.LinearLayers()
	require.Len(t, layers, 12)
	require.Equal(t, "vit.encoder.layer.0.attention.attention.query", layers[0])
	require.Equal(t, "vit.encoder.layer.1.output.dense", layers[11])
	kept := []string{layers[5], layers[6], layers[7], layers[8]} // fc2 of block 0, all of block 1's attention
	var asked []string
	floats := map[string]bool{}
	q, err := c.QuantizeExcept(func(layer string) bool {
		asked = append(asked, layer)
		return slices.Contains(kept, layer)
	}, func(r TensorReport) { floats[r.Name] = r.To == F32 })
	require.NoError(t, err)
	require.Equal(t, layers, asked)
	require.True(t, q.Quantized())
	q.Version = "v1.2.3"

	path := filepath.Join(t.TempDir(), "int8.safetensors")
	require.NoError(t, q.WriteFile(path))
	r, err := Open(path, Options{})
	require.NoError(t, err)
	defer r.Close()
	require.True(t, r.Quantized())
	requireTensors(t, tensorMap(q), r)
	require.Len(t, r.Tensors(), len(r.weights))
	for _, layer := range layers {
		weight, err := r.Tensor(layer + ".weight")
		require.NoError(t, err)
		if slices.Contains(kept, layer) {
			source, err := c.Tensor(layer + ".weight")
			require.NoError(t, err)
			require.Equal(t, source.Data, weight.Data)
			_, err = r.Tensor(layer + ".weight_scale")
			require.Error(t, err)
		} else {
			require.Equal(t, I8, weight.DType)
		}
		require.Equal(t, weight.DType == F32, floats[layer+".weight"])
	}
	require.Equal(t, q.Report(), r.Report())
	require.Contains(t, r.Report(), `"int8_tensors":8`)
	f, err := OpenFile(path)
	require.NoError(t, err)
	defer f.Close()
	var config modelConfig
	require.NoError(t, json.Unmarshal([]byte(f.Metadata()["config"]), &config))
	ignored := append([]string{"classifier"}, kept...)
	ignored = append(ignored, "vit.layers.0.mlp.fc2",
		"vit.layers.1.attention.q_proj", "vit.layers.1.attention.k_proj", "vit.layers.1.attention.v_proj")
	require.Equal(t, ignored, config.Quantization.Ignore)
	for layer, name := range map[string]string{"attention.output.dense": "attention.o_proj", "intermediate.dense": "mlp.fc1"} {
		require.Equal(t, "vit.layers.12."+name, release5("vit.encoder.layer.12."+layer))
	}

	_, err = c.QuantizeExcept(func(layer string) bool { return strings.HasSuffix(layer, "1.attention.attention.value") }, nil)
	require.EqualError(t, err, "query of block 1 is I8 and value is F32; the two and key are one product and must be of one kind, int8 or float")
	q, err = c.QuantizeExcept(func(string) bool { return true }, nil)
	require.NoError(t, err)
	require.False(t, q.Quantized())
}

func TestQuantizeTwice(t *testing.T) {
	q, _ := quantized(t, timmModel(tinyConfig))
	_, err := q.Quantize(nil)
	require.ErrorContains(t, err, "int8 already")
	c, err := timmModel(tinyConfig).open(t, Options{})
	require.NoError(t, err)
	require.ErrorContains(t, c.WriteFile(filepath.Join(t.TempDir(), "m")), "quantize it first")
}

func TestQuantizeHalfPrecision(t *testing.T) {
	m := huggingFaceModel(tinyConfig, "vit.")
	b := m.tensors["classifier.bias"]
	m.tensors["classifier.bias"] = Tensor{Name: b.Name, DType: F16, Shape: b.Shape, Data: []byte{0, 0x40, 0, 0x40, 0, 0x40, 0, 0x40, 0, 0x40}}
	q, reports := quantized(t, m)
	require.Equal(t, F16, reports[len(reports)-1].From)
	tensor, err := q.Tensor("classifier.bias")
	require.NoError(t, err)
	require.Equal(t, F32, tensor.DType)
	v, err := tensor.Float32s()
	require.NoError(t, err)
	require.Equal(t, []float32{2, 2, 2, 2, 2}, v)
}

// The file that WriteFile stores opens as the model that it was.
func TestModelFileRoundTrip(t *testing.T) {
	mean := tinyConfig
	mean.Pool, mean.QKVBias, mean.Heads = Mean, false, 8
	bare := timmModel(tinyConfig)
	delete(bare.files, "labels.txt")
	squash := huggingFaceModel(tinyConfig, "deit.")
	squash.set(t, "preprocessor_config.json", "size", 10)
	squash.set(t, "preprocessor_config.json", "resample", 2)
	squash.set(t, "config.json", "hidden_act", "gelu_new")
	border := timmModel(tinyConfig)
	border.files["config.json"] = strings.Replace(border.files["config.json"], `"center"`, `"border"`, 1)
	for name, m := range map[string]*model{
		"timm": timmModel(tinyConfig), "deit": huggingFaceModel(tinyConfig, "deit."), "mean": timmModel(mean),
		"no labels": bare, "squash": squash, "border": border,
	} {
		t.Run(name, func(t *testing.T) {
			q, _ := quantized(t, m)
			path := filepath.Join(t.TempDir(), "int8.safetensors")
			require.NoError(t, q.WriteFile(path))
			c, err := Open(path, Options{})
			require.NoError(t, err)
			defer c.Close()
			require.Equal(t, q.Config, c.Config)
			require.Equal(t, q.Preprocess, c.Preprocess)
			require.Equal(t, q.Labels, c.Labels)
			require.True(t, c.Quantized())
			require.Equal(t, q.SourceSHA256, c.SourceSHA256)
			require.Len(t, c.SourceSHA256, 64)
			require.NotEqual(t, c.SHA256, c.SourceSHA256)
			require.Equal(t, "v1.2.3", c.Version)
			requireTensors(t, tensorMap(q), c)
		})
	}
}

// Files beside a model file belong to something else: it stands alone.
func TestModelFileStandsAlone(t *testing.T) {
	m := timmModel(tinyConfig)
	dir := m.write(t)
	c, err := Open(dir, Options{})
	require.NoError(t, err)
	defer c.Close()
	q, err := c.Quantize(nil)
	require.NoError(t, err)
	path := filepath.Join(dir, "int8.safetensors")
	require.NoError(t, q.WriteFile(path))
	for name, text := range map[string]string{"config.json": "{", "preprocessor_config.json": "{", "labels.txt": "\xff"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	c, err = Open(path, Options{})
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

func TestModelFileIsDeterministic(t *testing.T) {
	var files [2][]byte
	for i := range files {
		q, _ := quantized(t, timmModel(tinyConfig))
		path := filepath.Join(t.TempDir(), "int8.safetensors")
		require.NoError(t, q.WriteFile(path))
		var err error
		files[i], err = os.ReadFile(path)
		require.NoError(t, err)
	}
	require.Equal(t, files[0], files[1])
}

// The layout is what other readers rely on.
func TestModelFileLayout(t *testing.T) {
	q, _ := quantized(t, timmModel(tinyConfig))
	path := filepath.Join(t.TempDir(), "int8.safetensors")
	require.NoError(t, q.WriteFile(path))
	f, err := OpenFile(path)
	require.NoError(t, err)
	defer f.Close()

	tensors := f.Tensors()
	const attention = "vit.encoder.layer.1.attention.attention."
	for _, leaf := range []string{"weight", "weight_scale", "bias"} {
		i := slices.IndexFunc(tensors, func(t Tensor) bool { return t.Name == attention+"query."+leaf })
		require.Equal(t, attention+"key."+leaf, tensors[i+1].Name)
		require.Equal(t, attention+"value."+leaf, tensors[i+2].Name)
	}
	require.Equal(t, "classifier.bias", tensors[len(tensors)-1].Name, "5 classes fill no 64 bytes")

	metadata := f.Metadata()
	require.Equal(t, "pt", metadata["format"])
	require.Equal(t, "v1.2.3", metadata["quantizer_version"])
	require.Equal(t, q.SourceSHA256, metadata["source_sha256"])
	var config map[string]any
	require.NoError(t, json.Unmarshal([]byte(metadata["config"]), &config))
	require.Equal(t, "vit", config["model_type"])
	require.Equal(t, 4.0, config["num_attention_heads"])
	require.Equal(t, map[string]any{"0": "a", "1": "b", "2": "c", "3": "d", "4": "e"}, config["id2label"])
	scheme := config["quantization_config"].(map[string]any)
	require.Equal(t, "compressed-tensors", scheme["quant_method"])
	require.Equal(t, "int-quantized", scheme["format"])
	var report map[string]any
	require.NoError(t, json.Unmarshal([]byte(metadata["quantization_report"]), &report))
	require.Equal(t, 12.0, report["int8_tensors"])
}

func TestOpenRefusesSpoiledModelFile(t *testing.T) {
	const layer = "vit.encoder.layer.1.intermediate.dense."
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, tensors map[string]Tensor, metadata map[string]string)
		want  string
	}{
		{"-128", func(t *testing.T, tensors map[string]Tensor, _ map[string]string) {
			tensors[layer+"weight"].Data[100] = 0x80
		}, `tensor "` + layer + `weight": element 100 of [128 64] is -128`},
		{"scale of 0", func(t *testing.T, tensors map[string]Tensor, _ map[string]string) {
			copy(tensors[layer+"weight_scale"].Data[8:], []byte{0, 0, 0, 0})
		}, `tensor "` + layer + `weight_scale": scale 2 is 0`},
		{"negative scale", func(t *testing.T, tensors map[string]Tensor, _ map[string]string) {
			tensors[layer+"weight_scale"].Data[7] |= 0x80
		}, `tensor "` + layer + `weight_scale": scale 1 is -`},
		{"NaN scale", func(t *testing.T, tensors map[string]Tensor, _ map[string]string) {
			copy(tensors[layer+"weight_scale"].Data[4:], []byte{1, 0, 0x80, 0x7f})
		}, `tensor "` + layer + `weight_scale": element 1 of [128 1] is NaN`},
		{"infinite scale", func(t *testing.T, tensors map[string]Tensor, _ map[string]string) {
			copy(tensors[layer+"weight_scale"].Data, []byte{0, 0, 0x80, 0x7f})
		}, `element 0 of [128 1] is +Inf`},
		{"missing scale", func(t *testing.T, tensors map[string]Tensor, _ map[string]string) {
			delete(tensors, layer+"weight_scale")
		}, `tensor "` + layer + `weight_scale" is missing`},
		{"flat scale", func(t *testing.T, tensors map[string]Tensor, _ map[string]string) {
			s := tensors[layer+"weight_scale"]
			s.Shape = []int{128}
			tensors[s.Name] = s
		}, `tensor "` + layer + `weight_scale": shape is [128]; want [128 1]`},
		{"one layer float, but with a scale", func(t *testing.T, tensors map[string]Tensor, _ map[string]string) {
			tensors[layer+"weight"] = float32Tensor(layer+"weight", []int{128, 64}, make([]float32, 128*64))
		}, `tensor "` + layer + `weight_scale" [128 1] is no part of a plain ViT`},
		{"key float", func(t *testing.T, tensors map[string]Tensor, _ map[string]string) {
			const key = "vit.encoder.layer.1.attention.attention.key.weight"
			tensors[key] = float32Tensor(key, []int{64, 64}, make([]float32, 64*64))
			delete(tensors, key+"_scale")
		}, `query of block 1 is I8 and key is F32; the two and value are one product`},
		{"unsigned weights", func(t *testing.T, tensors map[string]Tensor, _ map[string]string) {
			w := tensors[layer+"weight"]
			w.DType = U8
			tensors[w.Name] = w
		}, `dtype is U8; want I8`},
		{"int8 head", func(t *testing.T, tensors map[string]Tensor, _ map[string]string) {
			tensors["classifier.weight"] = int8Tensor("classifier.weight", []int{5, 64}, make([]int8, 5*64))
		}, `tensor "classifier.weight": dtype is I8; want F32`},
		{"no config", func(t *testing.T, _ map[string]Tensor, metadata map[string]string) {
			delete(metadata, "config")
		}, `say: heads`},
		{"no preprocessing", func(t *testing.T, _ map[string]Tensor, metadata map[string]string) {
			delete(metadata, "preprocessor_config")
		}, `say: resize`},
		{"config is no JSON", func(t *testing.T, _ map[string]Tensor, metadata map[string]string) {
			metadata["config"] = "{"
		}, `metadata config: `},
		{"another scheme", func(t *testing.T, _ map[string]Tensor, metadata map[string]string) {
			metadata["config"] = strings.Replace(metadata["config"], `"strategy":"channel"`, `"strategy":"tensor"`, 1)
		}, `quantization_config: weights of group_0 are 8-bit int, symmetric true, strategy "tensor"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			q, _ := quantized(t, timmModel(tinyConfig))
			dir := t.TempDir()
			path := filepath.Join(dir, "int8.safetensors")
			require.NoError(t, q.WriteFile(path))
			f, err := OpenFile(path)
			require.NoError(t, err)
			tensors := map[string]Tensor{}
			for _, tensor := range f.Tensors() {
				tensor.Data = slices.Clone(tensor.Data)
				tensors[tensor.Name] = tensor
			}
			metadata := f.Metadata()
			require.NoError(t, f.Close())
			test.spoil(t, tensors, metadata)
			m := &model{tensors: tensors, metadata: metadata}
			_, err = m.open(t, Options{})
			require.ErrorContains(t, err, test.want)
		})
	}
}

// tensorMap has all tensors of a checkpoint by name.
func tensorMap(c *Checkpoint) map[string]Tensor {
	m := map[string]Tensor{}
	for _, t := range c.Tensors() {
		m[t.Name] = t
	}
	return m
}
