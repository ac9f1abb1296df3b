package vitlite

import "vitedge/kernels"

// The scores q·kᵀ in int8, for blocks with int8 projections: queries and keys have a scale
// a token, all heads together, and the heads are parts of a row. The tokens that the
// head of the model reads (see operand) have theirs in float32.
//
// On 500 photographs, the logits of ViT-Ti have 30.24 dB so and 30.34 dB with all scores
// in float32 (quantize verify). The product with the values is float32: with it in
// int8, too, they have 29.8 dB, although the probabilities were rounded with error
// diffusion, 16 tokens apart.

// hasInt8Scores reports whether a block with the projections qkv has its scores in int8.
func hasInt8Scores(qkv *linear, headDim int) bool { return qkv.int8 != nil && headDim%16 == 0 }

// scoresStride is the distance of rows of scores: whole vectors and whole panels of keys,
// both powers of two.
func scoresStride(tokens int) int { return roundUp(tokens, max(16, kernels.PanelRows())) }

// newInt8Keys returns room for the keys of all heads, the columns beyond the tokens
// masked.
func newInt8Keys(s *state) *kernels.Weights {
	n := scoresStride(s.tokens)
	return kernels.NewWeights(maskedBias(s.tokens, n), n, s.dim, s.heads)
}

// packKeys quantizes the queries and the keys of the stripe's tokens.
func (t *stripe) packKeys(w *kernels.Worker, into *projections) {
	began := t.profile.begin()
	rows := t.rows(into.qkv, 3*t.dim)[t.refined*3*t.dim:]
	if t.asking > t.refined { // those of refined tokens alone are not used: see scoreInt8
		t.queries.Reset(t.asking, t.dim)
		for i := range t.asking {
			t.queries.QuantizeRow(i, rows[i*3*t.dim:][:t.dim])
		}
	}
	began = t.profile.end(Quantize, began)
	w.PackRows(into.int8Keys, t.first, t.first+t.n, rows[t.dim:], 3*t.dim)
	t.profile.end(Keys, began)
}

// scoreInt8 computes the scores of the m tokens from the stripe's token first on.
func (t *stripe) scoreInt8(w *kernels.Worker, scores []float32, from *projections, head, first, m int) {
	stride, d := scoresStride(t.state.tokens), t.headDim
	if first+m > t.refined {
		w.GemmPart(scores, stride, t.queries, first, m, from.int8Keys, head, false)
	}
	if first > 0 {
		return
	}
	queries, keys := from.qkv[t.state.refined*3*t.dim+head*d:], from.qkv[(t.state.refined*3+1)*t.dim+head*d:]
	for i := range min(t.refined, m) {
		row := scores[i*stride:][:stride]
		kernels.Dots(row[:t.state.tokens], queries[i*3*t.dim:][:d], keys, 3*t.dim)
		for j := t.state.tokens; j < stride; j++ {
			row[j] = masked
		}
	}
}
