package quant

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

// timm is the family of timm's VisionTransformer, of the original DeiT and of
// MAE. Names: timm/models/vision_transformer.py.
var timm = &family{
	name:      "timm ViT",
	blocks:    "blocks.",
	probe:     "0.attn.qkv.",
	origin:    timmOrigin,
	unused:    func(name string) bool { return strings.HasPrefix(name, "pre_logits.") }, // dropped by timm, too
	configure: configureTimm,
}

var timmNames = map[string][]string{
	"vit.embeddings.cls_token":                          {"cls_token"},
	"vit.embeddings.position_embeddings":                {"pos_embed"},
	"vit.embeddings.patch_embeddings.projection.weight": {"patch_embed.proj.weight"},
	"vit.embeddings.patch_embeddings.projection.bias":   {"patch_embed.proj.bias"},
	"vit.layernorm.weight":                              {"norm.weight", "fc_norm.weight"},
	"vit.layernorm.bias":                                {"norm.bias", "fc_norm.bias"},
	"classifier.weight":                                 {"head.weight"},
	"classifier.bias":                                   {"head.bias"},
}

var timmModules = map[string]string{
	"layernorm_before":       "norm1",
	"attention.output.dense": "attn.proj",
	"layernorm_after":        "norm2",
	"intermediate.dense":     "mlp.fc1",
	"output.dense":           "mlp.fc2",
}

// timmOrigin knows that query, key and value are the thirds of attn.qkv.
func timmOrigin(canonical string) origin {
	block, module, leaf, ok := splitBlock(canonical)
	if !ok {
		return origin{names: timmNames[canonical]}
	}
	for i, third := range []string{"query", "key", "value"} {
		if module == "attention.attention."+third {
			return origin{names: []string{"blocks." + block + ".attn.qkv." + leaf}, part: i, parts: 3}
		}
	}
	return origin{names: []string{"blocks." + block + "." + timmModules[module] + "." + leaf}}
}

// timmConfig is the config.json that timm writes to a model hub. Source:
// timm/models/_hub.py, save_config_for_hf.
type timmConfig struct {
	Architecture string         `json:"architecture"`
	NumClasses   *int           `json:"num_classes"`
	NumFeatures  *int           `json:"num_features"`
	GlobalPool   string         `json:"global_pool"`
	ModelArgs    map[string]any `json:"model_args"`
	LabelNames   []string       `json:"label_names"`
	Pretrained   struct {
		InputSize     []int     `json:"input_size"`
		Interpolation string    `json:"interpolation"`
		CropPct       float64   `json:"crop_pct"`
		CropMode      string    `json:"crop_mode"`
		Mean          []float32 `json:"mean"`
		Std           []float32 `json:"std"`
	} `json:"pretrained_cfg"`
}

func configureTimm(c *Checkpoint, s sidecars) error {
	c.Config.Epsilon = 1e-6
	c.Config.Activation = GELU
	c.note("layer_norm_eps", 1e-6, "timm")
	c.Config.Pool = Token
	if _, ok := c.file.Tensor("fc_norm.weight"); ok {
		c.Config.Pool = Mean
	}
	c.note("pooling", c.Config.Pool, "tensor names")
	if s.config == nil {
		return nil
	}
	if err := readTimmConfig(c, s); err != nil {
		return fmt.Errorf("%s: %w", s.configFrom, err)
	}
	return nil
}

func readTimmConfig(c *Checkpoint, s sidecars) error {
	var t timmConfig
	if err := json.Unmarshal(s.config, &t); err != nil {
		return err
	}
	if t.Architecture == "" {
		return errors.New(`it has no "architecture", but the tensors have timm's names`)
	}
	c.Config.Architecture = t.Architecture
	c.note("architecture", t.Architecture, s.configFrom)
	for _, n := range []struct {
		key  string
		want *int
		have int
	}{{"num_classes", t.NumClasses, c.Config.Classes}, {"num_features", t.NumFeatures, c.Config.Dim}} {
		if n.want != nil && *n.want != n.have {
			return mismatch(n.key, *n.want, n.have)
		}
	}
	if t.GlobalPool != "" && t.GlobalPool != string(c.Config.Pool) {
		return fmt.Errorf("global_pool is %q, but the final norm is that of %q", t.GlobalPool, c.Config.Pool)
	}
	if err := timmModelArgs(c, t, s.configFrom); err != nil {
		return err
	}
	if len(t.LabelNames) > 0 && c.Labels == nil {
		c.setLabels(t.LabelNames, s.configFrom)
	}
	return timmPreprocess(c, t, s.configFrom)
}

// timmSizes are the widths that timm's names stand for and their heads. Heads
// cannot be derived from shapes.
var timmSizes = map[string]struct{ dim, heads int }{
	"tiny":  {192, 3},
	"small": {384, 6},
	"base":  {768, 12},
	"large": {1024, 16},
	"huge":  {1280, 16},
}

// timmModelArgs finds the number of heads and refuses arguments that change
// the arithmetic without leaving a trace in the tensors.
func timmModelArgs(c *Checkpoint, t timmConfig, from string) error {
	words := strings.Split(t.Architecture, "_")
	if len(words) > 1 && (words[0] == "vit" || words[0] == "deit") {
		if size := timmSizes[words[1]]; size.dim == c.Config.Dim {
			c.Config.Heads = size.heads
			c.note("heads", size.heads, "timm's "+words[0]+"_"+words[1])
		}
	}
	for _, word := range words {
		if word == "quickgelu" {
			c.Config.Activation = QuickGELU
		}
	}
	for key, value := range t.ModelArgs {
		switch key {
		case "num_heads":
			n, ok := value.(float64)
			if !ok || n < 1 || n != math.Trunc(n) || n > 1<<16 {
				return fmt.Errorf("model_args.num_heads is %v; want a whole number from 1", value)
			}
			c.Config.Heads = int(n)
			c.note("heads", int(n), from)
		case "act_layer":
			name, _ := value.(string)
			act, ok := map[string]Activation{"gelu": GELU, "gelu_tanh": GELUTanh, "quick_gelu": QuickGELU}[name]
			if !ok {
				return fmt.Errorf("model_args.act_layer is %v; want gelu, gelu_tanh or quick_gelu", value)
			}
			c.Config.Activation = act
		case "img_size", "patch_size", "in_chans", "num_classes", "embed_dim", "depth", "mlp_ratio", "qkv_bias",
			"global_pool", "init_values", "drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate",
			"attn_drop_rate", "drop_path_rate", "weight_init":
			// Shapes and names say these, or they matter to training alone.
		default:
			return fmt.Errorf("model_args.%s is %v; a plain ViT has no such argument", key, value)
		}
	}
	c.note("activation", c.Config.Activation, "timm")
	return nil
}

// timmPreprocess follows timm/data/transforms_factory.py,
// transforms_imagenet_eval.
func timmPreprocess(c *Checkpoint, t timmConfig, from string) error {
	p := &c.Preprocess
	if in := t.Pretrained.InputSize; len(in) > 0 {
		if len(in) != 3 || in[0] != 3 || in[1] != in[2] {
			return fmt.Errorf("pretrained_cfg.input_size is %v; want [3, n, n]", in)
		}
		if in[1] != c.Config.ImageSize {
			return mismatch("pretrained_cfg.input_size", in[1], c.Config.ImageSize)
		}
	}
	if t.Pretrained.CropPct != 0 {
		mode, ok := map[string]ResizeMode{"": ShortestEdge, "center": ShortestEdge, "squash": Squash, "border": LongestEdge}[t.Pretrained.CropMode]
		if !ok {
			return fmt.Errorf("pretrained_cfg.crop_mode is %q; want center, squash or border", t.Pretrained.CropMode)
		}
		if !(t.Pretrained.CropPct > 0 && t.Pretrained.CropPct <= 1) {
			return fmt.Errorf("pretrained_cfg.crop_pct is %g; want more than 0 and at most 1", t.Pretrained.CropPct)
		}
		p.Resize = Resize{Mode: mode, Size: cropResize(c.Config.ImageSize, t.Pretrained.CropPct)}
		c.note("resize", p.Resize, from)
	}
	if i := t.Pretrained.Interpolation; i != "" {
		p.Interpolation = Interpolation(i)
		c.note("interpolation", i, from)
	}
	if m := t.Pretrained.Mean; m != nil {
		if err := channels(&p.Mean, m, "pretrained_cfg.mean"); err != nil {
			return err
		}
		c.note("mean", p.Mean, from)
	}
	if s := t.Pretrained.Std; s != nil {
		if err := channels(&p.Std, s, "pretrained_cfg.std"); err != nil {
			return err
		}
		c.note("std", p.Std, from)
	}
	return nil
}

// cropResize is the size that a picture is resized to, so that a crop of
// image pixels keeps the fraction.
func cropResize(image int, fraction float64) int { return int(math.Floor(float64(image) / fraction)) }
