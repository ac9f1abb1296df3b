package quant

import "strconv"

// jax is the family of Google's ViTs: the files of google-research's
// vision_transformer (AugReg), and of big_vision, where numbers differ and the
// blocks may be stacked. Dense kernels are [in, out], those of the heads
// [D, H, d] and [H, d, D], and the projection is [p, p, 3, D].
//
// The MLP is jax.nn.gelu, the tanh approximation, as these weights were trained
// with. timm loads the same files with the GELU by erf; the logits differ by
// little, 48 dB below them.
var jax = &family{
	name:       "JAX ViT",
	anchors:    []string{"Transformer/encoderblock_0/LayerNorm_0/scale", "Transformer/encoderblock/LayerNorm_0/scale"},
	blocks:     []string{"Transformer/encoderblock_"},
	origins:    jaxOrigins,
	positioned: func(class, _ int) []int { return []int{class, 0} },
	unused:     func(string) bool { return false },
	configure:  configureJAX,
}

var jaxNames = map[string]origin{
	"vit.embeddings.cls_token":                          {name: "cls"},
	"vit.embeddings.patch_embeddings.projection.weight": {name: "embedding/kernel", axes: []int{3, 2, 0, 1}},
	"vit.embeddings.patch_embeddings.projection.bias":   {name: "embedding/bias"},
	"vit.layernorm.weight":                              {name: "Transformer/encoder_norm/scale"},
	"vit.layernorm.bias":                                {name: "Transformer/encoder_norm/bias"},
	"pre_logits.weight":                                 {name: "pre_logits/kernel", axes: []int{1, 0}},
	"pre_logits.bias":                                   {name: "pre_logits/bias"},
	"classifier.weight":                                 {name: "head/kernel", axes: []int{1, 0}},
	"classifier.bias":                                   {name: "head/bias"},
}

// jaxModule is a module of a block: its name in vision_transformer and in
// big_vision, and the axes of kernel and bias.
type jaxModule struct {
	name, bigVision string
	kernel, bias    []int
}

var jaxModules = map[string]jaxModule{
	"layernorm_before":          {name: "LayerNorm_0", bigVision: "LayerNorm_0"},
	"attention.attention.query": {"MultiHeadDotProductAttention_1/query", "MultiHeadDotProductAttention_0/query", []int{1, 2, 0}, []int{0, 1}},
	"attention.attention.key":   {"MultiHeadDotProductAttention_1/key", "MultiHeadDotProductAttention_0/key", []int{1, 2, 0}, []int{0, 1}},
	"attention.attention.value": {"MultiHeadDotProductAttention_1/value", "MultiHeadDotProductAttention_0/value", []int{1, 2, 0}, []int{0, 1}},
	"attention.output.dense":    {"MultiHeadDotProductAttention_1/out", "MultiHeadDotProductAttention_0/out", []int{2, 0, 1}, nil},
	"layernorm_after":           {name: "LayerNorm_2", bigVision: "LayerNorm_1"},
	"intermediate.dense":        {"MlpBlock_3/Dense_0", "MlpBlock_0/Dense_0", []int{1, 0}, nil},
	"output.dense":              {"MlpBlock_3/Dense_1", "MlpBlock_0/Dense_1", []int{1, 0}, nil},
}

func jaxOrigins(canonical string) []origin {
	if canonical == "vit.embeddings.position_embeddings" {
		return plain([]string{"Transformer/posembed_input/pos_embedding", "pos_embedding"})
	}
	block, module, leaf, ok := splitBlock(canonical)
	if !ok {
		if o, ok := jaxNames[canonical]; ok {
			return []origin{o}
		}
		return nil
	}
	m, ok := jaxModules[module]
	if !ok {
		return nil
	}
	axes := m.bias
	switch {
	case leaf == "weight" && m.kernel != nil:
		leaf, axes = "/kernel", m.kernel
	case leaf == "weight":
		leaf = "/scale"
	default:
		leaf = "/" + leaf
	}
	number, _ := strconv.Atoi(block)
	var origins []origin
	for _, name := range []string{m.name, m.bigVision} {
		origins = append(origins,
			origin{name: "Transformer/encoderblock_" + block + "/" + name + leaf, axes: axes},
			origin{name: "Transformer/encoderblock/" + name + leaf, axes: axes, stacked: true, block: number})
	}
	return origins
}

func configureJAX(c *Checkpoint, s sidecars) error {
	n := &c.Config
	n.Epsilon, n.Activation, n.Pool = 1e-6, GELUTanh, Token
	c.note("layer_norm_eps", n.Epsilon, "JAX ViT")
	c.note("activation", n.Activation, "JAX ViT")
	if n.NoClassToken {
		n.Pool = NormMean
	}
	c.note("pooling", n.Pool, "tensor names")
	for _, o := range jaxOrigins("vit.encoder.layer.0.attention.attention.query.weight") {
		if query, ok := c.source.find(o.name); ok && len(query.shape) >= 3 { // [D, H, d]
			n.Heads = query.shape[len(query.shape)-2]
			c.note("heads", n.Heads, "shape of the query kernels")
		}
	}
	c.setPixels([3]float32{0.5, 0.5, 0.5}, [3]float32{0.5, 0.5, 0.5}, "JAX ViT, pixels from -1 to 1")
	return readOnlyPreprocess(c, s)
}
