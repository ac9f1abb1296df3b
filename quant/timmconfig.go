package quant

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// timmConfig is the config.json that timm writes to a model hub. Source:
// timm/models/_hub.py, save_config_for_hf.
type timmConfig struct {
	Architecture string          `json:"architecture"`
	NumClasses   *int            `json:"num_classes"`
	NumFeatures  *int            `json:"num_features"`
	GlobalPool   string          `json:"global_pool"`
	ModelArgs    map[string]any  `json:"model_args"`
	LabelNames   json.RawMessage `json:"label_names"`
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
	n := &c.Config
	n.Epsilon, n.Activation = 1e-6, GELU
	c.note("layer_norm_eps", n.Epsilon, "timm")
	c.note("activation", n.Activation, "timm")
	_, afterPooling := c.source.find("fc_norm.weight")
	switch {
	case afterPooling:
		n.Pool = Mean
	case n.NoClassToken:
		n.Pool = NormMean
	default:
		n.Pool = Token
	}
	c.note("pooling", n.Pool, "tensor names")
	if c.source.architecture != "" {
		if err := timmArchitecture(c, c.source.architecture, "the training script's note in the file"); err != nil {
			return err
		}
	}
	if s.config == nil {
		return readOnlyPreprocess(c, s)
	}
	if err := readTimmConfig(c, s, afterPooling); err != nil {
		return fmt.Errorf("%s: %w", s.configFrom, err)
	}
	return nil
}

func readTimmConfig(c *Checkpoint, s sidecars, afterPooling bool) error {
	var t timmConfig
	if err := unmarshalJSON(s.config, &t); err != nil {
		return err
	}
	if t.Architecture == "" {
		return errors.New(`it has no "architecture", but the tensors have timm's names`)
	}
	if err := timmArchitecture(c, t.Architecture, s.configFrom); err != nil {
		return err
	}
	for _, n := range []struct {
		key  string
		want *int
		have int
	}{{"num_classes", t.NumClasses, c.Config.Classes}, {"num_features", t.NumFeatures, c.Config.Dim}} {
		if n.want != nil && *n.want != n.have {
			return mismatch(n.key, *n.want, n.have)
		}
	}
	switch t.GlobalPool {
	case "":
	case "token":
		c.Config.Pool = Token // a norm of one token is the same before and after
	case "avg":
		if c.Config.Pool = NormMean; afterPooling {
			c.Config.Pool = Mean
		}
	default:
		return fmt.Errorf("global_pool is %q; want token or avg", t.GlobalPool)
	}
	if t.GlobalPool != "" {
		c.note("pooling", c.Config.Pool, s.configFrom)
	}
	if err := timmModelArgs(c, t, s.configFrom); err != nil {
		return err
	}
	if err := c.takeLabels(t.LabelNames, "label_names", s); err != nil {
		return err
	}
	if err := timmInputSize(c, t, s.imageSize); err != nil {
		return err
	}
	return timmPreprocess(c, t, s.configFrom)
}

// timmWidth is a word in the name of an architecture and the width it stands for.
type timmWidth struct {
	word string
	dim  int
}

// timmHeads are the heads of timm's models. They cannot be derived from shapes.
var timmHeads = map[timmWidth]int{
	{"tiny", 192}: 3, {"wee", 256}: 4, {"dwee", 256}: 4, {"little", 320}: 5, {"dlittle", 320}: 5,
	{"small", 384}: 6, {"medium", 512}: 8, {"mediumd", 512}: 8, {"betwixt", 640}: 10,
	{"base", 768}: 12, {"so150m2", 832}: 13, {"base", 896}: 14, {"so150m", 896}: 14,
	{"large", 1024}: 16, {"so400m", 1152}: 16, {"huge", 1280}: 16, {"giant", 1408}: 16,
	{"giantopt", 1536}: 16, {"gigantic", 1664}: 16,
}

// timmExceptions are the plain ViTs that differ from their relatives in what
// no tensor shows.
var timmExceptions = map[string]struct {
	heads      int
	activation Activation
}{
	"vit_base_patch16_gap_224":            {heads: 16},
	"vit_base_patch32_siglip_gap_256":     {activation: GELUTanh},
	"vit_large_patch16_siglip_gap_512":    {activation: GELUTanh},
	"vit_so400m_patch16_siglip_gap_256":   {activation: GELUTanh},
	"vit_so400m_patch16_siglip_gap_384":   {activation: GELUTanh},
	"vit_so400m_patch16_siglip_gap_512":   {activation: GELUTanh},
	"vit_giantopt_patch16_siglip_gap_256": {activation: GELUTanh},
	"vit_giantopt_patch16_siglip_gap_384": {activation: GELUTanh},
}

// timmArchitecture takes what the name of an architecture says: the heads, and
// an activation other than the usual one.
func timmArchitecture(c *Checkpoint, name, from string) error {
	n := &c.Config
	n.Architecture = name
	c.note("architecture", name, from)
	words := strings.Split(name, "_")
	if slices.Contains(words, "rpn") {
		return fmt.Errorf("%s normalizes behind attention and MLP; a plain ViT does before", name)
	}
	if len(words) > 1 {
		if heads := timmHeads[timmWidth{words[1], n.Dim}]; heads != 0 {
			n.Heads = heads
			c.note("heads", heads, "timm's "+words[0]+"_"+words[1])
		}
	}
	exception := timmExceptions[name]
	if exception.heads != 0 {
		n.Heads = exception.heads
		c.note("heads", n.Heads, "timm's "+name)
	}
	if exception.activation != "" {
		n.Activation = exception.activation
		c.note("activation", n.Activation, "timm's "+name)
	}
	if slices.Contains(words, "quickgelu") {
		n.Activation = QuickGELU
		c.note("activation", n.Activation, "timm's "+name)
	}
	return nil
}

// timmModelArgs takes the number of heads and the activation, and refuses
// arguments that change the arithmetic without leaving a trace in the tensors.
func timmModelArgs(c *Checkpoint, t timmConfig, from string) error {
	for key, value := range t.ModelArgs {
		if value == nil {
			continue // null is timm's default
		}
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
			c.note("activation", act, from)
		case "img_size", "patch_size", "in_chans", "num_classes", "embed_dim", "depth", "mlp_ratio", "qkv_bias",
			"class_token", "no_embed_class", "reg_tokens", "global_pool", "fc_norm", "init_values", "dynamic_img_size",
			"drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate",
			"attn_drop_rate", "drop_path_rate", "weight_init":
			// Shapes and names say these, or they matter to training alone.
		case "pos_embed":
			if value != "learn" {
				return fmt.Errorf("model_args.pos_embed is %v; want learn", value)
			}
		default:
			if value != false {
				return fmt.Errorf("model_args.%s is %v; a plain ViT has no such argument", key, value)
			}
		}
	}
	return nil
}

// timmInputSize compares pretrained_cfg.input_size with the tensors. Training at
// another size leaves that of the weights it began with there, so img_size and the
// option go before it.
func timmInputSize(c *Checkpoint, t timmConfig, option int) error {
	in, have := t.Pretrained.InputSize, c.Config.ImageSize
	if len(in) == 0 {
		return nil
	}
	if len(in) != 3 || in[0] != 3 || in[1] != in[2] {
		return fmt.Errorf("pretrained_cfg.input_size is %v; want [3, n, n]", in)
	}
	if in[1] == have || t.imageSize() == have || option == have {
		return nil
	}
	return fmt.Errorf("%w; give %d as the image size if they are right", mismatch("pretrained_cfg.input_size", in[1], have), have)
}

// imageSize is model_args.img_size, a number or height and width; 0 for none.
func (t timmConfig) imageSize() int {
	v := t.ModelArgs["img_size"]
	if sides, ok := v.([]any); ok && len(sides) == 2 && sides[0] == sides[1] {
		v = sides[0]
	}
	n, _ := v.(float64)
	return int(n)
}

// timmPreprocess follows timm/data/transforms_factory.py,
// transforms_imagenet_eval.
func timmPreprocess(c *Checkpoint, t timmConfig, from string) error {
	p := &c.Preprocess
	if t.Pretrained.CropPct != 0 {
		mode, ok := map[string]ResizeMode{"": ShortestEdge, "center": ShortestEdge, "squash": Squash, "border": LongestEdge}[t.Pretrained.CropMode]
		if !ok {
			return fmt.Errorf("pretrained_cfg.crop_mode is %q; want center, squash or border", t.Pretrained.CropMode)
		}
		if !(t.Pretrained.CropPct > 0 && t.Pretrained.CropPct <= 1) {
			return fmt.Errorf("pretrained_cfg.crop_pct is %g; want more than 0 and at most 1", t.Pretrained.CropPct)
		}
		c.cropFraction = t.Pretrained.CropPct
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
