package quant

import "fmt"

// torchvision is the family of torchvision.models.VisionTransformer. Files
// written before release 0.12 call the layers of the MLP linear_1 and linear_2.
var torchvision = &family{
	name:       "torchvision ViT",
	anchors:    []string{"encoder.layers.encoder_layer_0.ln_1.weight"},
	blocks:     []string{"encoder.layers.encoder_layer_"},
	origins:    torchvisionOrigins,
	positioned: func(class, _ int) []int { return []int{class} },
	unused:     func(string) bool { return false },
	configure:  configureTorchvision,
}

var torchvisionNames = naming{
	blocks: torchvision0,
	inside: map[string][]string{
		"layernorm_before":       {"ln_1"},
		"attention.output.dense": {"self_attention.out_proj"},
		"layernorm_after":        {"ln_2"},
		"intermediate.dense":     {"mlp.0", "mlp.linear_1"},
		"output.dense":           {"mlp.3", "mlp.linear_2"},
	},
	outside: map[string][]string{
		"vit.embeddings.cls_token":                   {"class_token"},
		"vit.embeddings.position_embeddings":         {"encoder.pos_embedding"},
		"vit.embeddings.patch_embeddings.projection": {"conv_proj"},
		"vit.layernorm":                              {"encoder.ln"},
		"pre_logits":                                 {"heads.pre_logits"},
		"classifier":                                 {"heads.head", "heads.0", "heads"},
	},
}

var torchvision0 = []string{"encoder.layers.encoder_layer_"}

// torchvisionOrigins knows that query, key and value are the thirds of
// in_proj, as in torch.nn.MultiheadAttention.
func torchvisionOrigins(canonical string) []origin {
	if o, ok := fusedThird(canonical, torchvision0[0], ".self_attention.in_proj_"); ok {
		return o
	}
	return plain(torchvisionNames.names(canonical))
}

// torchvisionPreset is how published weights want their pictures; the mean and
// the deviation are ImageNet's. Source: torchvision/models/vision_transformer.py.
type torchvisionPreset struct {
	name          string
	resize        int
	interpolation Interpolation
}

// torchvisionSize is what tells the presets: width, patch and image size.
type torchvisionSize struct{ dim, patch, image int }

var torchvisionPresets = map[torchvisionSize]torchvisionPreset{
	{768, 16, 224}:  {"ViT_B_16 IMAGENET1K_V1", 256, Bilinear},
	{768, 16, 384}:  {"ViT_B_16 IMAGENET1K_SWAG_E2E_V1", 384, Bicubic},
	{768, 32, 224}:  {"ViT_B_32 IMAGENET1K_V1", 256, Bilinear},
	{1024, 16, 224}: {"ViT_L_16 IMAGENET1K_V1", 242, Bilinear},
	{1024, 16, 512}: {"ViT_L_16 IMAGENET1K_SWAG_E2E_V1", 512, Bicubic},
	{1024, 32, 224}: {"ViT_L_32 IMAGENET1K_V1", 256, Bilinear},
	{1280, 14, 224}: {"ViT_H_14 IMAGENET1K_SWAG_LINEAR_V1", 224, Bicubic},
	{1280, 14, 518}: {"ViT_H_14 IMAGENET1K_SWAG_E2E_V1", 518, Bicubic},
}

// torchvisionHeads are those of torchvision's three widths.
var torchvisionHeads = map[int]int{768: 12, 1024: 16, 1280: 16}

func configureTorchvision(c *Checkpoint, s sidecars) error {
	n := &c.Config
	n.Epsilon, n.Activation, n.Pool = 1e-6, GELU, Token
	c.note("layer_norm_eps", n.Epsilon, "torchvision")
	c.note("activation", n.Activation, "torchvision")
	if heads := torchvisionHeads[n.Dim]; heads != 0 {
		n.Heads = heads
		c.note("heads", heads, fmt.Sprintf("torchvision's ViT of width %d", n.Dim))
	}
	if preset, ok := torchvisionPresets[torchvisionSize{n.Dim, n.PatchSize, n.ImageSize}]; ok {
		from := "torchvision's " + preset.name
		c.Preprocess.Resize = Resize{ShortestEdge, preset.resize}
		c.note("resize", c.Preprocess.Resize, from)
		c.Preprocess.Interpolation = preset.interpolation
		c.note("interpolation", preset.interpolation, from)
		c.setPixels(imagenetMean, imagenetStd, from)
	}
	return readOnlyPreprocess(c, s)
}

// imagenetMean and imagenetStd are of the pixels of ImageNet's pictures.
var (
	imagenetMean = [3]float32{0.485, 0.456, 0.406}
	imagenetStd  = [3]float32{0.229, 0.224, 0.225}
)

// setPixels says how pixels are normalized.
func (c *Checkpoint) setPixels(mean, std [3]float32, from string) {
	c.Preprocess.Mean, c.Preprocess.Std = mean, std
	c.note("mean", mean, from)
	c.note("std", std, from)
}

// readOnlyPreprocess takes a preprocessor_config.json beside weights that come
// without a config.json of their own.
func readOnlyPreprocess(c *Checkpoint, s sidecars) error {
	if s.preprocess == nil {
		return nil
	}
	if err := readPreprocess(c, s.preprocess, s.preprocessFrom); err != nil {
		return fmt.Errorf("%s: %w", s.preprocessFrom, err)
	}
	return nil
}
