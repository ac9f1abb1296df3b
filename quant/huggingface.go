package quant

import (
	"encoding/json"
	"fmt"
	"strings"
)

// huggingFace is the family of transformers' ViTForImageClassification, whose
// names are the canonical ones. Base models come without a prefix.
func huggingFace(prefix string) *family {
	rename := func(canonical string) string {
		if rest, ok := strings.CutPrefix(canonical, "vit."); ok {
			return prefix + rest
		}
		return canonical
	}
	return &family{
		name:   "Hugging Face " + map[string]string{"vit.": "ViT", "deit.": "DeiT", "": "ViT without prefix"}[prefix],
		blocks: prefix + "encoder.layer.",
		probe:  "0.attention.attention.",
		origin: func(canonical string) origin { return origin{names: []string{rename(canonical)}} },
		unused: func(name string) bool {
			// The pooler and the mask token serve other tasks.
			return strings.HasPrefix(name, prefix+"pooler.") || name == prefix+"embeddings.mask_token"
		},
		configure: configureHuggingFace,
	}
}

// modelConfig is the part of transformers' ViTConfig that a plain ViT needs.
// Numbers are pointers where absence has a meaning.
type modelConfig struct {
	Architectures []string   `json:"architectures,omitempty"`
	Architecture  string     `json:"architecture,omitempty"` // our addition: the source's own name
	ModelType     string     `json:"model_type"`
	HiddenSize    *int       `json:"hidden_size,omitempty"`
	Layers        *int       `json:"num_hidden_layers,omitempty"`
	Heads         *int       `json:"num_attention_heads,omitempty"`
	Intermediate  *int       `json:"intermediate_size,omitempty"`
	ImageSize     *int       `json:"image_size,omitempty"`
	PatchSize     *int       `json:"patch_size,omitempty"`
	Channels      *int       `json:"num_channels,omitempty"`
	QKVBias       *bool      `json:"qkv_bias,omitempty"`
	Act           string     `json:"hidden_act,omitempty"`
	Epsilon       *float32   `json:"layer_norm_eps,omitempty"`
	GlobalPool    Pool       `json:"global_pool,omitempty"` // our addition; absent is the class token
	NumLabels     *int       `json:"num_labels,omitempty"`
	ID2Label      labelMap   `json:"id2label,omitempty"`
	Quantization  *quantInfo `json:"quantization_config,omitempty"`
}

func configureHuggingFace(c *Checkpoint, s sidecars) error {
	c.Config.Epsilon, c.Config.Activation, c.Config.Pool = 1e-12, GELU, Token
	c.note("layer_norm_eps", c.Config.Epsilon, "ViTConfig's default")
	c.note("activation", c.Config.Activation, "ViTConfig's default")
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
	if err := json.Unmarshal(s.config, &m); err != nil {
		return err
	}
	switch m.ModelType {
	case "vit", "deit":
	default:
		return fmt.Errorf("model_type is %q; want %q or %q", m.ModelType, "vit", "deit")
	}
	for _, n := range []struct {
		key  string
		want *int
		have int
	}{
		{"hidden_size", m.HiddenSize, c.Config.Dim},
		{"num_hidden_layers", m.Layers, c.Config.Depth},
		{"intermediate_size", m.Intermediate, c.Config.MLPDim},
		{"image_size", m.ImageSize, c.Config.ImageSize},
		{"patch_size", m.PatchSize, c.Config.PatchSize},
		{"num_channels", m.Channels, 3},
		{"num_labels", m.NumLabels, c.Config.Classes},
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
		if m.Act == "gelu_new" {
			c.Config.Activation = GELUTanh
		}
		c.note("activation", c.Config.Activation, s.configFrom)
	}
	if m.GlobalPool != "" {
		c.Config.Pool = m.GlobalPool
	}
	if m.ID2Label != nil && c.Labels == nil {
		c.setLabels(m.ID2Label, s.configFrom)
	}
	if m.Quantization != nil {
		return m.Quantization.check()
	}
	return nil
}

// quantInfo is the quantization_config of compressed-tensors. Source:
// compressed_tensors/quantization/quant_config.py and quant_args.py.
type quantInfo struct {
	Method string                `json:"quant_method"`
	Format string                `json:"format"`
	Status string                `json:"quantization_status"`
	Ignore []string              `json:"ignore"`
	Groups map[string]quantGroup `json:"config_groups"`
	KV     any                   `json:"kv_cache_scheme"`
}

type quantGroup struct {
	Targets     []string   `json:"targets"`
	Weights     quantArgs  `json:"weights"`
	Inputs      *quantArgs `json:"input_activations"`
	Outputs     any        `json:"output_activations"`
	GroupFormat string     `json:"format,omitempty"`
}

type quantArgs struct {
	Bits      int    `json:"num_bits"`
	Type      string `json:"type"`
	Symmetric bool   `json:"symmetric"`
	Strategy  string `json:"strategy"`
	Dynamic   bool   `json:"dynamic"`
	GroupSize any    `json:"group_size"`
	Observer  string `json:"observer,omitempty"`
}

// int8Quantization describes what Quantize does, in the terms of
// compressed-tensors: per-channel weights, dynamic per-token activations, but
// for the layers that were kept.
func int8Quantization(kept []string) *quantInfo {
	return &quantInfo{
		Method: "compressed-tensors",
		Format: "int-quantized",
		Status: "compressed",
		Ignore: append([]string{"classifier"}, kept...),
		Groups: map[string]quantGroup{"group_0": {
			Targets: []string{"Linear"},
			Weights: quantArgs{Bits: 8, Type: "int", Symmetric: true, Strategy: "channel", Observer: "minmax"},
			Inputs:  &quantArgs{Bits: 8, Type: "int", Strategy: "token", Dynamic: true, Observer: "memoryless"},
		}},
	}
}

// check refuses a scheme that the int8 path does not compute.
func (q *quantInfo) check() error {
	if q.Method != "compressed-tensors" || q.Format != "int-quantized" {
		return fmt.Errorf("quantization_config is %q, format %q; want %q, format %q", q.Method, q.Format, "compressed-tensors", "int-quantized")
	}
	for name, g := range q.Groups {
		if w := g.Weights; w.Bits != 8 || w.Type != "int" || !w.Symmetric || w.Strategy != "channel" {
			return fmt.Errorf("quantization_config: weights of %s are %d-bit %s, symmetric %t, strategy %q; want 8-bit int, symmetric, by channel", name, w.Bits, w.Type, w.Symmetric, w.Strategy)
		}
	}
	return nil
}
