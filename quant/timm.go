package quant

import (
	"slices"
	"strings"
)

// timm is the family of timm's VisionTransformer, of DeiT, DeiT-III and MAE.
// Names: timm/models/vision_transformer.py and deit.py; DeiT-III's own files have
// gamma_1 and gamma_2 for LayerScale.
var timm = &family{
	name:       "timm ViT",
	anchors:    []string{"blocks.0.attn.qkv.weight"},
	blocks:     timmNames.blocks,
	origins:    timmOrigins,
	positioned: func(class, others int) []int { return []int{class + others, 0} },
	unused: func(name string) bool {
		return strings.HasPrefix(name, "pre_logits.") || // dropped by timm, too
			name == "mask_token" || strings.HasPrefix(name, "decoder_") // for pre-training
	},
	configure: configureTimm,
}

var timmNames = naming{
	blocks: []string{"blocks."},
	inside: map[string][]string{
		"layernorm_before":       {"norm1"},
		"attention.output.dense": {"attn.proj"},
		"layer_scale1":           {"ls1.gamma", "gamma_1"},
		"layernorm_after":        {"norm2"},
		"intermediate.dense":     {"mlp.fc1"},
		"output.dense":           {"mlp.fc2"},
		"layer_scale2":           {"ls2.gamma", "gamma_2"},
	},
	outside: map[string][]string{
		"vit.embeddings.cls_token":                   {"cls_token"},
		"vit.embeddings.distillation_token":          {"dist_token"},
		"vit.embeddings.register_tokens":             {"reg_token"},
		"vit.embeddings.position_embeddings":         {"pos_embed"},
		"vit.embeddings.patch_embeddings.projection": {"patch_embed.proj"},
		"vit.layernorm":                              {"norm", "fc_norm"},
		"classifier":                                 {"head"},
		"distillation_classifier":                    {"head_dist"},
	},
}

// timmOrigins knows that query, key and value are the thirds of attn.qkv.
func timmOrigins(canonical string) []origin {
	if o, ok := fusedThird(canonical, "blocks.", ".attn.qkv."); ok {
		return o
	}
	if strings.HasPrefix(canonical, "pre_logits.") {
		return nil // old files have them, with a name of timm's that happens to be the canonical one
	}
	return plain(timmNames.names(canonical))
}

// fusedThird is the origin of query, key or value where the three are one
// tensor, [3D, D].
func fusedThird(canonical, blocks, fused string) ([]origin, bool) {
	block, module, leaf, ok := splitBlock(canonical)
	if !ok {
		return nil, false
	}
	i := slices.Index([]string{"attention.attention.query", "attention.attention.key", "attention.attention.value"}, module)
	if i < 0 {
		return nil, false
	}
	return []origin{{name: blocks + block + fused + leaf, part: i, parts: 3}}, true
}
