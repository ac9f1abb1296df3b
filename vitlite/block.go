package vitlite

import (
	"fmt"

	"vitedge/kernels"
	"vitedge/quant"
)

// block is one pre-norm encoder block.
type block struct {
	norm1     norm
	qkv, proj *linear // [3D, D]: query, key, value; [D, D]
	norm2     norm
	fc1, fc2  *linear // [M, D], [D, M]

	int8Scores bool // see scores.go

	// qkv as two layers, the queries and the keys with the values, of a block that
	// computes them apart; else nil: see stripe.project.
	queries, keysValues *linear
}

// norm is a LayerNorm.
type norm struct {
	gamma, beta []float32 // [D]
	eps         float32
}

func loadBlock(c *quant.Checkpoint, i int) (*block, error) {
	cfg := c.Config
	d, m := cfg.Dim, cfg.MLPDim
	name := fmt.Sprintf("vit.encoder.layer.%d.", i)
	b := new(block)
	var err error
	if b.norm1, err = loadNorm(c, name+"layernorm_before"); err != nil {
		return nil, err
	}
	// The scores q·k are divided by √d. The division is part of q.
	b.qkv, err = loadLinear(c, 3*d, d, cfg.QKVBias,
		part{name + "attention.attention.query", attentionScale(cfg.HeadDim())},
		part{name + "attention.attention.key", 1},
		part{name + "attention.attention.value", 1})
	if err != nil {
		return nil, err
	}
	b.int8Scores = hasInt8Scores(b.qkv, cfg.HeadDim())
	if b.proj, err = loadLinear(c, d, d, true, part{name + "attention.output.dense", 1}); err != nil {
		return nil, err
	}
	if b.norm2, err = loadNorm(c, name+"layernorm_after"); err != nil {
		return nil, err
	}
	if b.fc1, err = loadLinear(c, m, d, true, part{name + "intermediate.dense", 1}); err != nil {
		return nil, err
	}
	if b.fc2, err = loadLinear(c, d, m, true, part{name + "output.dense", 1}); err != nil {
		return nil, err
	}
	return b, nil
}

func loadNorm(c *quant.Checkpoint, name string) (norm, error) {
	gamma, err := loadFloats(c, name+".weight", c.Config.Dim)
	if err != nil {
		return norm{}, err
	}
	beta, err := loadFloats(c, name+".bias", c.Config.Dim)
	if err != nil {
		return norm{}, err
	}
	return norm{append([]float32{}, gamma...), append([]float32{}, beta...), c.Config.Epsilon}, nil
}

// apply normalizes the row x.
func (n *norm) apply(dst, x []float32) { kernels.LayerNorm(dst, x, n.gamma, n.beta, n.eps) }
