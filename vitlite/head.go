package vitlite

import (
	"fmt"

	"vitedge/kernels"
	"vitedge/quant"
)

// head turns the tokens that leave the last block into logits. All of it is
// float32.
type head struct {
	pool       quant.Pool
	norm       norm
	preLogits  *linear // [P, D], with tanh behind it; nil for none
	classifier *linear // [C, F]
	distilled  *linear // [C, D], on the distillation token; nil for none

	features []float32 // [2D], what was pooled
	hidden   []float32 // [P]
	pair     []float32 // [2], see tanh
}

func loadHead(c *quant.Checkpoint) (h *head, err error) {
	cfg := c.Config
	h = &head{pool: cfg.Pool, features: make([]float32, 2*cfg.Dim), hidden: make([]float32, cfg.PreLogits), pair: make([]float32, 2)}
	if h.norm, err = loadNorm(c, "vit.layernorm"); err != nil {
		return nil, err
	}
	for _, l := range []struct {
		dst     **linear
		name    string
		out, in int
		present bool
	}{
		{&h.preLogits, "pre_logits", cfg.PreLogits, cfg.Dim, cfg.PreLogits > 0},
		{&h.classifier, "classifier", cfg.Classes, cfg.Features(), true},
		{&h.distilled, "distillation_classifier", cfg.Classes, cfg.Dim, cfg.Distilled},
	} {
		if !l.present {
			continue
		}
		if *l.dst, err = loadLinear(c, l.out, l.in, true, part{l.name, 1}); err != nil {
			return nil, err
		}
		if (*l.dst).float32 == nil {
			return nil, fmt.Errorf("%s.weight is int8; want float", l.name)
		}
	}
	return h, nil
}

// forward computes the logits from the residual stream s.x.
func (h *head) forward(s *state, logits []float32) {
	w, tokens := s.pool.Caller(), s.x[s.refined*s.dim:]
	x := h.poolTokens(tokens, s.dim, s.embed.prefix)
	if h.preLogits != nil {
		h.preLogits.forwardRow(w, h.hidden, x, false)
		h.tanh(h.hidden)
		x = h.hidden
	}
	h.classifier.forwardRow(w, logits, x, false)
	if h.distilled == nil {
		return
	}
	h.norm.apply(x, tokens[s.dim:2*s.dim])
	h.distilled.forwardRow(w, logits, x, true)
	for i := range logits {
		logits[i] *= 0.5
	}
}

// poolTokens makes one row of the tokens, rows of d elements, the first few of which
// stand for no patch.
func (h *head) poolTokens(tokens []float32, d, prefix int) []float32 {
	x, patches := h.features[:d], tokens[prefix*d:]
	switch h.pool {
	case quant.Mean:
		average(x, patches)
		h.norm.apply(x, x)
	case quant.NormMean:
		h.normalize(patches, d)
		average(x, patches)
	case quant.TokenMean:
		h.normalize(tokens, d)
		copy(x, tokens)
		average(h.features[d:], patches)
		x = h.features
	default:
		h.norm.apply(x, tokens[:d])
	}
	return x
}

// normalize applies the LayerNorm to rows of d elements.
func (h *head) normalize(rows []float32, d int) {
	for i := 0; i < len(rows); i += d {
		h.norm.apply(rows[i:i+d], rows[i:i+d])
	}
}

// average writes the mean of the rows to dst.
func average(dst, rows []float32) {
	n := len(rows) / len(dst)
	copy(dst, rows)
	for i := 1; i < n; i++ {
		for j, v := range rows[i*len(dst) : (i+1)*len(dst)] {
			dst[j] += v
		}
	}
	for j := range dst {
		dst[j] /= float32(n)
	}
}

// tanh replaces x by (eˣ - e⁻ˣ)/(eˣ + e⁻ˣ). The exponentials are those of the
// softmax of x and -x, which are the same on every CPU.
func (h *head) tanh(x []float32) {
	for i, v := range x {
		h.pair[0], h.pair[1] = v, -v
		sum := kernels.SoftmaxExp(h.pair)
		x[i] = (h.pair[0] - h.pair[1]) / sum
	}
}

// forwardRow is forward of a float32 layer for a single row.
func (l *linear) forwardRow(w *kernels.Worker, dst, x []float32, add bool) {
	w.Mul(dst, l.out, x, l.in, 1, l.float32, nil, add)
}
