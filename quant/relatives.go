package quant

import (
	"fmt"
	"strings"
)

// relatives are the networks that are no plain ViT, by what stands in the names
// of their tensors. Each would compute something else than its weights were
// trained for.
var relatives = []struct{ part, what string }{
	{"relative_position_bias_table", "a BEiT or Swin, whose attention adds a bias by relative position"},
	{"relative_position_index", "a BEiT or Swin, whose attention adds a bias by relative position"},
	{"cpb_mlp", "a Swin V2, whose attention adds a bias by relative position"},
	{"continuous_position_bias_mlp", "a Swin V2, whose attention adds a bias by relative position"},
	{"rel_pos", "a ViT whose attention adds a bias by relative position (SAM, ViT-RelPos)"},
	{"attn.q_bias", "a BEiT, EVA or Swin V2, whose keys have no bias while queries and values have"},
	{"lambda_1", "a BEiT or a relative of it, with other positions or attention"},
	{"patch_embed.backbone.", "a hybrid: a convolutional network makes its patches"},
	{"patch_embeddings.backbone.", "a hybrid: a convolutional network makes its patches"},
	{"conv_root/kernel", "a hybrid: a convolutional network makes its patches"},
	{"conv_proj.conv_bn_relu", "a ViT with a convolutional stem instead of patches"},
	{"patch_embed.conv", "a network whose patches come from several convolutions"},
	{"patch_embed.proj.0.", "a network whose patches come from several convolutions (XCiT)"},
	{"embeds.proj.", "a NaFlexViT, for pictures of any shape"},
	{"mlp.w12.", "a ViT with a gated MLP (SwiGLU)"},
	{"mlp.weights_in.", "a ViT with a gated MLP (SwiGLU)"},
	{"mlp.gate_proj.", "a ViT with a gated MLP (SwiGLU)"},
	{"mlp.fc1_g.", "a ViT with a gated MLP (SwiGLU)"},
	{"q_norm.", "a ViT that normalizes queries and keys"},
	{"attn.norm.", "a ViT with a norm inside its attention (BEiT-3, EVA-02)"},
	{"mlp.norm.", "a ViT with a norm inside its MLP (BEiT-3, EVA-02)"},
	{"norm_pre.", "a CLIP encoder, with a norm before its first block"},
	{"pre_layrnorm.", "a CLIP encoder, with a norm before its first block"},
	{"ln_pre.", "a CLIP encoder, with a norm before its first block"},
	{"attn.pool_", "an MViT, whose attention averages over neighbors"},
	{"head.fc.", "a network whose head is more than one linear layer"},
	{"attn_pool.", "an encoder with attention pooling (SigLIP)"},
	{"vision_model.head.probe", "a SigLIP encoder, with attention pooling"},
	{"MAPHead", "an encoder with attention pooling (SigLIP)"},
	{"rope.", "an encoder with rotary positions (EVA-02, DINOv3)"},
	{"rope_embed", "an encoder with rotary positions (EVA-02, DINOv3)"},
	{"blocks.0.in_proj.", "a ViT with attention and MLP side by side"},
	{"blocks.0.attns.", "a ViT with several attentions side by side"},
	{"blocks_token_only.", "a CaiT, with blocks for the class token alone"},
	{"detection_tokens", "a YOLOS, which finds objects"},
	{"decode_head.", "a network that segments pictures"},
}

// refuseRelatives names the architecture before a shape that does not fit
// makes it look like a damaged file.
func refuseRelatives(s *source) error {
	for _, a := range s.arrays {
		for _, r := range relatives {
			if strings.Contains(a.name, r.part) {
				return fmt.Errorf("%w: tensor %q is that of %s, not of a plain ViT", errUnknown, a.name, r.what)
			}
		}
		if s.packedGate(a) {
			return fmt.Errorf("%w: tensor %q %v is that of a ViT with a gated MLP (SwiGLU), gate and value in one, not of a plain ViT", errUnknown, a.name, a.shape)
		}
	}
	return nil
}

// packedGate reports whether a is the first layer of an MLP that gives twice what
// the second one takes: timm's SwiGLUPacked has the names of a plain MLP.
func (s *source) packedGate(a array) bool {
	mlp, ok := strings.CutSuffix(a.name, "mlp.fc1.weight")
	if !ok {
		return false
	}
	second, ok := s.find(mlp + "mlp.fc2.weight")
	return ok && len(a.shape) == 2 && len(second.shape) == 2 && second.shape[1] > 0 && a.shape[0] == 2*second.shape[1]
}
