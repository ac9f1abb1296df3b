package quant

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Networks that are no plain ViT are refused by name, whatever stands around
// the tensor that tells them.
func TestRefuseRelatives(t *testing.T) {
	for tensor, want := range map[string]string{
		"layers.0.blocks.0.attn.relative_position_bias_table":                                 "a BEiT or Swin",
		"swinv2.encoder.layers.0.blocks.0.attention.self.continuous_position_bias_mlp.0.bias": "a Swin V2",
		"shared_rel_pos.mlp.fc1.weight":                                                       "relative position (SAM, ViT-RelPos)",
		"blocks.0.attn.rel_pos_h":                                                             "relative position (SAM, ViT-RelPos)",
		"patch_embed.proj.0.0.weight":                                                         "several convolutions (XCiT)",
		"embeds.proj.weight":                                                                  "a NaFlexViT",
		"stages.0.blocks.0.attn.pool_k.weight":                                                "an MViT",
		"head.fc.weight":                                                                      "more than one linear layer",
		"module.layers.0.blocks.0.attn.cpb_mlp.0.weight":                                      "a Swin V2",
		"beit.encoder.layer.0.lambda_1":                                                       "a BEiT",
		"blocks.0.attn.q_bias":                                                                "a BEiT, EVA or Swin V2",
		"patch_embed.backbone.stem.conv.weight":                                               "a hybrid",
		"vit.embeddings.patch_embeddings.backbone.bit.embedder.convolution.weight":            "a hybrid",
		"opt/target/conv_root/kernel":                                                         "a hybrid",
		"conv_proj.conv_bn_relu_0.0.weight":                                                   "a ViT with a convolutional stem",
		"blocks.0.mlp.w12.weight":                                                             "SwiGLU",
		"dinov2.encoder.layer.0.mlp.weights_in.weight":                                        "SwiGLU",
		"dinov2.encoder.layer.0.mlp.gate_proj.weight":                                         "SwiGLU",
		"blocks.0.mlp.fc1_g.weight":                                                           "SwiGLU",
		"blocks.0.attn.q_norm.weight":                                                         "normalizes queries and keys",
		"blocks.0.attn.norm.weight":                                                           "a norm inside its attention",
		"blocks.0.mlp.norm.weight":                                                            "a norm inside its MLP",
		"norm_pre.weight":                                                                     "a CLIP encoder",
		"vision_model.pre_layrnorm.weight":                                                    "a CLIP encoder",
		"visual.ln_pre.weight":                                                                "a CLIP encoder",
		"attn_pool.latent":                                                                    "attention pooling",
		"params/img/MAPHead_0/probe":                                                          "attention pooling",
		"vision_model.head.probe":                                                             "a SigLIP encoder",
		"rope.periods":                                                                        "rotary positions",
		"rope_embeddings.inv_freq":                                                            "rotary positions",
		"blocks.0.in_proj.weight":                                                             "side by side",
		"blocks.0.attns.0.qkv.weight":                                                         "side by side",
		"blocks_token_only.0.norm1.weight":                                                    "a CaiT",
		"vit.embeddings.detection_tokens":                                                     "a YOLOS",
	} {
		for _, m := range []*model{{tensors: map[string]Tensor{}}, timmModel(tinyConfig), huggingFaceModel(tinyConfig, "vit.")} {
			m.tensors[tensor] = float32Tensor(tensor, []int{1}, []float32{1})
			_, err := m.open(t, allFlags)
			require.ErrorContains(t, err, `unknown architecture: tensor "`+tensor+`" is that of `)
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, "not of a plain ViT")
		}
	}
}

// A gated MLP may have the names of a plain one.
func TestRefusePackedGate(t *testing.T) {
	m := timmModel(tinyConfig)
	name := "blocks.1.mlp.fc1.weight"
	shape := []int{2 * tinyConfig.MLPDim, tinyConfig.Dim}
	m.tensors[name] = float32Tensor(name, shape, make([]float32, shape[0]*shape[1]))
	_, err := m.open(t, allFlags)
	require.ErrorContains(t, err, fmt.Sprintf("unknown architecture: tensor %q %v is that of a ViT with a gated MLP (SwiGLU)", name, shape))
}

// Files beside the weights say what their tensors do not.
func TestExplainForeign(t *testing.T) {
	m := huggingFaceModel(tinyConfig, "vit.")
	m.set(t, "config.json", "model_type", "segformer")
	m.tensors = map[string]Tensor{"segformer.x": float32Tensor("segformer.x", []int{1}, []float32{1})}
	_, err := m.open(t, Options{})
	require.ErrorContains(t, err, `unknown architecture: tensors like "segformer.x" belong to no ViT of timm, Hugging Face, torchvision or JAX; config.json calls it "segformer"`)

	m = huggingFaceModel(tinyConfig, "cvt.stages.0.")
	for name, tensor := range huggingFaceModel(tinyConfig, "cvt.stages.1.").tensors {
		m.tensors[name] = tensor
	}
	m.set(t, "config.json", "model_type", "cvt")
	_, err = m.open(t, Options{})
	require.ErrorContains(t, err, `several models: tensors under "cvt.stages.0." and under "cvt.stages.1."; save one of them alone; config.json calls it "cvt"`)

	m = timmModel(tinyConfig)
	m.set(t, "config.json", "architecture", "vit_small_patch16_dinov3")
	delete(m.tensors, "pos_embed")
	_, err = m.open(t, Options{})
	require.ErrorContains(t, err, `no position embedding: tensor "pos_embed" is missing; rotary and relative positions are not supported; config.json calls it "vit_small_patch16_dinov3"`)

	m = timmModel(tinyConfig)
	for name := range m.tensors {
		if strings.HasSuffix(name, ".norm1.bias") || strings.HasSuffix(name, ".norm2.bias") {
			delete(m.tensors, name)
		}
	}
	_, err = m.open(t, Options{})
	require.ErrorContains(t, err, "its norms have no bias (RMSNorm); a plain ViT has LayerNorm")
}

// What only other tasks use is ignored, and a model for another task refused.
func TestOtherTasks(t *testing.T) {
	m := timmModel(tinyConfig)
	for _, name := range []string{"mask_token", "decoder_blocks.0.norm1.weight", "pre_logits.fc.weight"} {
		m.tensors[name] = float32Tensor(name, []int{1}, []float32{1})
	}
	_, err := m.open(t, Options{})
	require.NoError(t, err)
	delete(m.tensors, "head.weight")
	_, err = m.open(t, Options{})
	require.ErrorContains(t, err, `no classification head: tensor "head.weight" is missing`)
}

// An average of PyTorch's, as torchvision's scripts save it, has the number of its
// models beside the weights of any family.
func TestAveragedModel(t *testing.T) {
	for _, plain := range []*model{timmModel(tinyConfig), huggingFaceModel(tinyConfig, "vit.")} {
		m := &model{tensors: map[string]Tensor{}, files: plain.files}
		for name, tensor := range plain.tensors {
			tensor.Name = "module." + name
			m.tensors[tensor.Name] = tensor
		}
		m.tensors["n_averaged"] = Tensor{Name: "n_averaged", DType: I64, Shape: []int{}, Data: make([]byte, 8)}
		_, err := m.open(t, Options{})
		require.NoError(t, err)
		m.tensors["n_averaged"] = float32Tensor("n_averaged", []int{1}, []float32{1})
		_, err = m.open(t, Options{})
		require.ErrorContains(t, err, `tensor "n_averaged" [1] is no part of a plain ViT`)
	}
}

// JAX's files hold the optimizer beside the weights.
func TestStripOptimizer(t *testing.T) {
	s := newSource("NumPy")
	for _, name := range []string{"opt/target/Transformer/encoderblock_0/LayerNorm_0/scale", "opt/target/cls", "opt/state/step", "step"} {
		require.NoError(t, s.add(array{name: name}))
	}
	fam, err := findFamily(s)
	require.NoError(t, err)
	require.Equal(t, jax, fam)
	require.Len(t, s.arrays, 2)
	_, ok := s.find("cls")
	require.True(t, ok)
}

func TestRegroups(t *testing.T) {
	for _, test := range []struct {
		have, want []int
		ok         bool
	}{
		{[]int{4, 8, 32}, []int{32, 32}, true},
		{[]int{32, 4, 8}, []int{32, 32}, true},
		{[]int{4, 8}, []int{32}, true},
		{[]int{32, 1}, []int{32}, true},
		{[]int{32}, []int{4, 8}, false},
		{[]int{8, 4, 32}, []int{4, 256}, false},
		{[]int{4, 8, 33}, []int{32, 32}, false},
		{[]int{4, 8, 32, 2}, []int{32, 32}, false},
		{[]int{math.MaxInt, 8, 0}, []int{8}, false},
	} {
		require.Equal(t, test.ok, regroups(test.have, test.want), "%v %v", test.have, test.want)
	}
	require.False(t, regroups([]int{3, math.MaxInt / 2, math.MaxInt / 2}, []int{1 << 16, 1 << 16}))
}

// A LayerScale scales weight and bias and takes its bytes once: they are more than
// the header of the file where a model is as wide as real ones.
func TestLayerScaleOfWideModel(t *testing.T) {
	config := tinyConfig
	config.Dim, config.MLPDim, config.Depth, config.Heads = 512, 64, 1, 8
	m := timmModel(config)
	for block := range config.Depth {
		for _, layer := range []string{"ls1", "ls2"} {
			name := fmt.Sprintf("blocks.%d.%s.gamma", block, layer)
			m.tensors[name] = float32Tensor(name, []int{config.Dim}, slices.Repeat([]float32{0.5}, config.Dim))
		}
	}
	_, err := m.open(t, Options{})
	require.NoError(t, err)
}

// An int8 model has no LayerScale: it is part of its weights.
func TestLayerScaleIsFolded(t *testing.T) {
	m := timmModel(tinyConfig)
	gamma := make([]float32, 64)
	for i := range gamma {
		gamma[i] = float32(i%5-2) / 4 // both signs and zero
	}
	for _, block := range []string{"0", "1"} {
		for _, name := range []string{"blocks." + block + ".ls1.gamma", "blocks." + block + ".gamma_2"} {
			m.tensors[name] = float32Tensor(name, []int{64}, gamma)
		}
	}
	c, err := m.open(t, Options{})
	require.NoError(t, err)
	plain := canonicalTensors(tinyConfig)
	scaled := 0
	for name, w := range plain {
		got, err := c.Tensor(name)
		require.NoError(t, err)
		want, err := w.Float32s()
		require.NoError(t, err)
		v, err := got.Float32s()
		require.NoError(t, err)
		if !strings.Contains(name, "output.dense") {
			require.Equal(t, want, v, name)
			continue
		}
		scaled++
		columns := len(want) / 64
		for i := range want {
			require.Equal(t, want[i]*gamma[i/columns], v[i], "%s %d", name, i)
		}
	}
	require.Equal(t, 8, scaled, "weight and bias of two layers in two blocks")
	q, err := c.Quantize(nil)
	require.NoError(t, err)
	path := t.TempDir() + "/int8"
	require.NoError(t, q.WriteFile(path))
	r, err := Open(path, Options{})
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, c.Config, r.Config)
	require.Len(t, r.weights, len(plain)+12)
}
