package quant

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// huggingFaceStyle is how a release of transformers calls the parts of a block.
// Release 5 has new names; its save_pretrained writes the old ones, torch.save of
// a state dict the new.
type huggingFaceStyle struct {
	vitBlocks              string
	query, key, value, out string
	fc1, fc2               string // of ViT; DINOv2 has the new ones always
}

var (
	huggingFace4 = huggingFaceStyle{
		"encoder.layer.",
		"attention.attention.query", "attention.attention.key", "attention.attention.value", "attention.output.dense",
		"intermediate.dense", "output.dense",
	}
	huggingFace5 = huggingFaceStyle{
		"layers.",
		"attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj",
		"mlp.fc1", "mlp.fc2",
	}
)

// release5 is what transformers from release 5 on calls a linear layer of ViT.
func release5(layer string) string {
	block, module, _, _ := splitBlock(layer + ".weight")
	old, now := huggingFace4, huggingFace5
	return "vit." + now.vitBlocks + block + "." + map[string]string{
		old.query: now.query, old.key: now.key, old.value: now.value, old.out: now.out, old.fc1: now.fc1, old.fc2: now.fc2,
	}[module]
}

// huggingFace is the family of transformers' ViT and DeiT. The names of ViT in
// the style of release 4 are the canonical ones. Base models come without a
// prefix.
func huggingFace(prefix string, style huggingFaceStyle, name string) *family {
	n := naming{
		blocks: []string{prefix + style.vitBlocks},
		inside: map[string][]string{
			"layernorm_before":          {"layernorm_before"},
			"attention.attention.query": {style.query},
			"attention.attention.key":   {style.key},
			"attention.attention.value": {style.value},
			"attention.output.dense":    {style.out},
			"layernorm_after":           {"layernorm_after"},
			"intermediate.dense":        {style.fc1},
			"output.dense":              {style.fc2},
		},
		outside: huggingFaceOutside(prefix),
	}
	fam := &family{
		name:       name,
		anchors:    []string{n.blocks[0] + "0.layernorm_before.weight"},
		blocks:     n.blocks,
		origins:    func(canonical string) []origin { return plain(n.names(canonical)) },
		positioned: func(class, _ int) []int { return []int{class} }, // registers have none
		unused:     huggingFaceUnused(prefix),
		configure:  func(c *Checkpoint, s sidecars) error { return configureHuggingFace(c, s, Token, 1e-12) },
	}
	if prefix == "deit." { // has a distillation token, and sometimes a head for it
		n.outside["vit.embeddings.distillation_token"] = []string{prefix + "embeddings.distillation_token"}
		n.outside["classifier"] = []string{"classifier", "cls_classifier"}
		fam.positioned = func(class, others int) []int { return []int{class + others} }
	}
	return fam
}

// dinov2 is the family of transformers' DINOv2, with and without registers. The
// classifier reads the class token and the average of the patches.
func dinov2(prefix string, style huggingFaceStyle, name string) *family {
	n := naming{
		blocks: []string{prefix + "encoder.layer."},
		inside: map[string][]string{
			"layernorm_before":          {"norm1"},
			"attention.attention.query": {style.query},
			"attention.attention.key":   {style.key},
			"attention.attention.value": {style.value},
			"attention.output.dense":    {style.out},
			"layer_scale1":              {"layer_scale1.lambda1"},
			"layernorm_after":           {"norm2"},
			"intermediate.dense":        {"mlp.fc1"},
			"output.dense":              {"mlp.fc2"},
			"layer_scale2":              {"layer_scale2.lambda1"},
		},
		outside: huggingFaceOutside(prefix),
	}
	return &family{
		name:       name,
		anchors:    []string{n.blocks[0] + "0." + style.query + ".weight"},
		blocks:     n.blocks,
		origins:    func(canonical string) []origin { return plain(n.names(canonical)) },
		positioned: func(class, _ int) []int { return []int{class} },
		unused:     huggingFaceUnused(prefix),
		configure:  func(c *Checkpoint, s sidecars) error { return configureHuggingFace(c, s, TokenMean, 1e-6) },
		anySize:    true,
	}
}

func huggingFaceOutside(prefix string) map[string][]string {
	return map[string][]string{
		"vit.embeddings.cls_token":                   {prefix + "embeddings.cls_token"},
		"vit.embeddings.register_tokens":             {prefix + "embeddings.register_tokens"},
		"vit.embeddings.position_embeddings":         {prefix + "embeddings.position_embeddings"},
		"vit.embeddings.patch_embeddings.projection": {prefix + "embeddings.patch_embeddings.projection"},
		"vit.layernorm":                              {prefix + "layernorm"},
		"pre_logits":                                 {"pre_logits"}, // of our own files
		"classifier":                                 {"classifier"},
		"distillation_classifier":                    {"distillation_classifier"},
	}
}

// huggingFaceUnused names what serves other tasks.
func huggingFaceUnused(prefix string) func(string) bool {
	return func(name string) bool {
		return strings.HasPrefix(name, prefix+"pooler.") || name == prefix+"embeddings.mask_token"
	}
}

// modelConfig is the part of transformers' ViTConfig that a plain ViT needs.
// Numbers are pointers where absence has a meaning.
type modelConfig struct {
	Architectures []string        `json:"architectures,omitempty"`
	Architecture  string          `json:"architecture,omitempty"` // our addition: the source's own name
	ModelType     string          `json:"model_type"`
	HiddenSize    *int            `json:"hidden_size,omitempty"`
	Layers        *int            `json:"num_hidden_layers,omitempty"`
	Heads         *int            `json:"num_attention_heads,omitempty"`
	Intermediate  *int            `json:"intermediate_size,omitempty"`
	ImageSize     *side           `json:"image_size,omitempty"`
	PatchSize     *side           `json:"patch_size,omitempty"`
	Channels      *int            `json:"num_channels,omitempty"`
	QKVBias       *bool           `json:"qkv_bias,omitempty"`
	Act           string          `json:"hidden_act,omitempty"`
	Epsilon       *float32        `json:"layer_norm_eps,omitempty"`
	GlobalPool    Pool            `json:"global_pool,omitempty"` // our addition; absent is what the model_type has
	Registers     *int            `json:"num_register_tokens,omitempty"`
	NumLabels     *int            `json:"num_labels,omitempty"`
	ID2Label      json.RawMessage `json:"id2label,omitempty"`
	Quantization  *quantInfo      `json:"quantization_config,omitempty"`
}

// side is that of a square, which files give as a number or as height and width.
type side int

func (s *side) UnmarshalJSON(text []byte) error {
	var both []int
	if json.Unmarshal(text, &both) == nil && len(both) == 2 && both[0] == both[1] {
		*s = side(both[0])
		return nil
	}
	if json.Unmarshal(text, (*int)(s)) != nil {
		return fmt.Errorf("image_size or patch_size is %.40s; want a whole number, or equal height and width", text)
	}
	return nil
}

func configureHuggingFace(c *Checkpoint, s sidecars, pool Pool, epsilon float32) error {
	c.Config.Epsilon, c.Config.Activation, c.Config.Pool = epsilon, GELU, pool
	c.note("layer_norm_eps", c.Config.Epsilon, "transformers' default")
	c.note("activation", c.Config.Activation, "transformers' default")
	if s.config != nil {
		if err := readModelConfig(c, s); err != nil {
			return fmt.Errorf("%s: %w", s.configFrom, err)
		}
	}
	if s.preprocess != nil {
		if err := readPreprocess(c, s.preprocess, s.preprocessFrom); err != nil {
			return fmt.Errorf("%s: %w", s.preprocessFrom, err)
		}
	}
	return nil
}

func readModelConfig(c *Checkpoint, s sidecars) error {
	var m modelConfig
	if err := unmarshalJSON(s.config, &m); err != nil {
		return err
	}
	if !slices.Contains(modelTypes, m.ModelType) {
		return fmt.Errorf("model_type is %q; want one of %s", m.ModelType, strings.Join(modelTypes, ", "))
	}
	for _, n := range []struct {
		key  string
		want *int
		have int
	}{
		{"hidden_size", m.HiddenSize, c.Config.Dim},
		{"num_hidden_layers", m.Layers, c.Config.Depth},
		{"intermediate_size", m.Intermediate, c.Config.MLPDim},
		{"image_size", (*int)(m.ImageSize), c.Config.ImageSize},
		{"patch_size", (*int)(m.PatchSize), c.Config.PatchSize},
		{"num_channels", m.Channels, 3},
		{"num_labels", m.NumLabels, c.Config.Classes},
		{"num_register_tokens", m.Registers, c.Config.Registers},
	} {
		if n.want != nil && *n.want != n.have {
			return mismatch(n.key, *n.want, n.have)
		}
	}
	if m.QKVBias != nil && *m.QKVBias != c.Config.QKVBias {
		return fmt.Errorf("qkv_bias is %t, but the tensors say %t", *m.QKVBias, c.Config.QKVBias)
	}
	c.Config.Architecture = m.Architecture
	if m.Architecture == "" && len(m.Architectures) > 0 {
		c.Config.Architecture = m.Architectures[0]
	}
	c.note("architecture", c.Config.Architecture, s.configFrom)
	if m.Heads != nil {
		c.Config.Heads = *m.Heads
		c.note("heads", *m.Heads, s.configFrom)
	}
	if m.Epsilon != nil {
		c.Config.Epsilon = *m.Epsilon
		c.note("layer_norm_eps", c.Config.Epsilon, s.configFrom)
	}
	if m.Act != "" {
		c.Config.Activation = Activation(m.Act) // Validate refuses what no ViT has
		switch m.Act {
		case "gelu_python":
			c.Config.Activation = GELU
		case "gelu_new", "gelu_fast":
			c.Config.Activation = GELUTanh
		}
		c.note("activation", c.Config.Activation, s.configFrom)
	}
	if m.GlobalPool != "" {
		c.Config.Pool = m.GlobalPool
		c.note("pooling", m.GlobalPool, s.configFrom)
	}
	if err := c.takeLabels(m.ID2Label, "id2label", s); err != nil {
		return err
	}
	if m.Quantization != nil {
		return m.Quantization.check()
	}
	return nil
}
