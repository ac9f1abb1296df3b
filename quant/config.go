package quant

import "fmt"

// Config describes a plain Vision Transformer (Dosovitskiy et al., "An Image is
// Worth 16x16 Words", 2021). Every size in it has been checked against the
// shapes of the tensors it came with.
type Config struct {
	Architecture string // as the source names it, "vit_tiny_patch16_224"; for people only

	ImageSize int // input side in pixels; inputs are square RGB
	PatchSize int // patch side in pixels
	Dim       int // width D of a token
	Depth     int // encoder blocks
	Heads     int // attention heads; Dim is a multiple of it
	MLPDim    int // hidden width of the MLP
	Classes   int // logits

	Epsilon    float32    // LayerNorm epsilon
	Activation Activation // of the MLP
	Pool       Pool       // what the head sees
	QKVBias    bool       // whether query, key and value have biases

	// NoClassToken is set where the patches have no class token before them.
	NoClassToken bool
	// Registers is the number of tokens between the class token and the patches
	// that stand for no patch (Darcet et al., "Vision Transformers Need
	// Registers", 2024). A distillation token is the first of them.
	Registers int
	// Distilled models have a second head, on the distillation token, and their
	// logits are the mean of both (Touvron et al., "Training data-efficient image
	// transformers & distillation through attention", 2021).
	Distilled bool
	// PreLogits is the width of a linear layer with tanh before the head, 0 for
	// none.
	PreLogits int
}

// Activation is the nonlinearity of the MLP.
type Activation string

// The activations that plain ViT checkpoints use, by the names that Hugging
// Face configurations give them.
const (
	GELU      Activation = "gelu"              // x * Phi(x), by erf
	GELUTanh  Activation = "gelu_pytorch_tanh" // the tanh approximation
	QuickGELU Activation = "quick_gelu"        // x * sigmoid(1.702 x)
)

// Pool says which tokens the classification head reads.
type Pool string

const (
	Token     Pool = "token"     // the class token, normalized
	Mean      Pool = "avg"       // the average of the patches, normalized
	NormMean  Pool = "norm_avg"  // the average of the normalized patches
	TokenMean Pool = "token_avg" // class token and NormMean, side by side
)

// Grid is the number of patches along one side of the image.
func (c Config) Grid() int { return c.ImageSize / c.PatchSize }

// Prefix is the number of tokens before the patches.
func (c Config) Prefix() int {
	if c.NoClassToken {
		return c.Registers
	}
	return 1 + c.Registers
}

// Tokens is the sequence length: class token, registers and one token a patch.
func (c Config) Tokens() int { return c.Prefix() + c.Grid()*c.Grid() }

// Features is the width of what the classifier reads.
func (c Config) Features() int {
	switch {
	case c.PreLogits > 0:
		return c.PreLogits
	case c.Pool == TokenMean:
		return 2 * c.Dim
	}
	return c.Dim
}

// HeadDim is the width of one attention head.
func (c Config) HeadDim() int { return c.Dim / c.Heads }

// maxGrid bounds the patches along a side. Attention takes the square of their
// number: that of 256 by 256 has 2^32 products a head.
const maxGrid = 256

// maxDepth bounds the blocks; ViT-22B has 48.
const maxDepth = 4096

// Validate reports the first size that no plain ViT can have.
func (c Config) Validate() error {
	if c.Depth > maxDepth {
		return fmt.Errorf("config: num_hidden_layers is %d; want 1 to %d", c.Depth, maxDepth)
	}
	for _, f := range []struct {
		name string
		n    int
	}{
		{"image_size", c.ImageSize}, {"patch_size", c.PatchSize}, {"hidden_size", c.Dim},
		{"num_hidden_layers", c.Depth}, {"num_attention_heads", c.Heads},
		{"intermediate_size", c.MLPDim}, {"num_labels", c.Classes},
	} {
		if f.n <= 0 || f.n > 1<<16 {
			return fmt.Errorf("config: %s is %d; want 1 to 65536", f.name, f.n)
		}
	}
	if c.ImageSize%c.PatchSize != 0 {
		return fmt.Errorf("config: image_size %d is not a multiple of patch_size %d", c.ImageSize, c.PatchSize)
	}
	if grid := c.Grid(); grid > maxGrid {
		return fmt.Errorf("config: image_size %d makes %d by %d patches of %d pixels; want %d by %d at most", c.ImageSize, grid, grid, c.PatchSize, maxGrid, maxGrid)
	}
	if c.Dim%c.Heads != 0 {
		return fmt.Errorf("config: hidden_size %d is not a multiple of num_attention_heads %d", c.Dim, c.Heads)
	}
	if !(c.Epsilon > 0 && c.Epsilon < 1) {
		return fmt.Errorf("config: layer_norm_eps is %g; want more than 0 and less than 1", c.Epsilon)
	}
	switch c.Activation {
	case GELU, GELUTanh, QuickGELU:
	default:
		return fmt.Errorf("config: hidden_act %q is not supported; want %q, %q or %q", c.Activation, GELU, GELUTanh, QuickGELU)
	}
	switch c.Pool {
	case Token, Mean, NormMean, TokenMean:
	default:
		return fmt.Errorf("config: global_pool %q is not supported; want %q, %q, %q or %q", c.Pool, Token, Mean, NormMean, TokenMean)
	}
	if c.Registers < 0 || c.Registers > 1<<16 {
		return fmt.Errorf("config: num_register_tokens is %d; want 0 to 65536", c.Registers)
	}
	if c.PreLogits < 0 || c.PreLogits > 1<<16 {
		return fmt.Errorf("config: pre_logits has %d rows; want 0 to 65536", c.PreLogits)
	}
	if c.NoClassToken && (c.Pool == Token || c.Pool == TokenMean) {
		return fmt.Errorf("config: global_pool is %q, but there is no class token", c.Pool)
	}
	if c.PreLogits > 0 && c.Pool == TokenMean {
		return fmt.Errorf("config: global_pool %q and pre_logits exclude each other", c.Pool)
	}
	if c.Distilled && (c.Pool != Token || c.Registers == 0 || c.PreLogits > 0) {
		return fmt.Errorf("config: a second head needs a distillation token, global_pool %q and no pre_logits", Token)
	}
	return nil
}
