package vitlite

import (
	"math"

	"vitedge/kernels"
)

// attentionScale is what the scores of heads of width d are multiplied by.
func attentionScale(d int) float32 { return float32(1 / math.Sqrt(float64(d))) }

// attentionRows is how many tokens of a head are taken at a time: a multiple of all
// tiles (4, 6, 8 and 12 rows). The scores then stay in a level 2 cache (48·208·4 bytes for
// 197 tokens). Half as many would stay in level 1, but the values, which lie far apart,
// would come from level 2 twice as often: on Zen 3 their product takes 14 % longer.
const attentionRows = 48

// masked is the score of a column that stands for no token. Its probability is
// e^-87, which vanishes in the sum of probabilities, the largest of which is 1.
const masked = -1e30

// maskedBias is the bias of n columns of scores.
func maskedBias(tokens, n int) []float32 {
	bias := make([]float32, n)
	for j := tokens; j < n; j++ {
		bias[j] = masked
	}
	return bias
}

// paddedTokens is the length of a row of scores, whole vectors.
func paddedTokens(tokens int) int { return roundUp(tokens, 16) }

// roundUp returns the least multiple of m that is at least n.
func roundUp(n, m int) int { return (n + m - 1) / m * m }

// newKeys returns room for the transposed keys of one head, the columns beyond
// the tokens masked.
func newKeys(tokens, d int) *kernels.Panels {
	k := kernels.NewPanels(paddedTokens(tokens), d)
	copy(k.Bias, maskedBias(tokens, k.N))
	return k
}

// attentionScratch is the floats that these tokens need: scores, and a scale a row.
func attentionScratch(tokens int) int { return attentionRows * (scoresStride(tokens) + 1) }

// transposeKeys packs the keys of n tokens from the first one on.
func (p *projections) transposeKeys(s *state, first, n int) {
	for h, keys := range p.keys {
		keys.TransposeRows(p.qkv[((s.refined+first)*3+1)*s.dim+h*s.headDim:], 3*s.dim, first, first+n)
	}
}

// attend computes softmax(q·kᵀ)·v of the stripe's tokens in each head, and makes the
// result the input of the next layer. The rows of exp(scores) are not divided by their
// sums; the shorter rows of the product are.
func (t *stripe) attend(w *kernels.Worker, b *block, from *projections) {
	tp, stride := paddedTokens(t.state.tokens), scoresStride(t.state.tokens)
	scratch := w.Scratch(attentionScratch(t.state.tokens))
	q, mixed := t.rows(from.qkv, 3*t.dim)[t.refined*3*t.dim:], t.mixed[:t.n*t.dim]
	for head := range t.heads {
		column := head * t.headDim
		for first := 0; first < t.n; first += attentionRows {
			m := min(attentionRows, t.n-first)
			scores, scale := scratch[:m*stride], scratch[attentionRows*stride:][:m]

			began := t.profile.begin()
			if b.int8Scores {
				t.scoreInt8(w, scores, from, head, first, m)
			} else {
				w.Mul(scores, stride, q[first*3*t.dim+column:], 3*t.dim, m, from.keys[head], nil, false)
			}
			began = t.profile.end(Scores, began)
			for i := range m {
				scale[i] = 1 / kernels.SoftmaxExp(scores[i*stride:][:tp])
			}
			began = t.profile.end(Softmax, began)
			w.Mul(mixed[first*t.dim+column:], t.dim, scores, stride, m, &from.values[head], scale, false)
			t.profile.end(Values, began)
		}
	}
	began := t.profile.begin()
	if t.in.set(b.proj, mixed); b.proj.int8 != nil {
		t.profile.end(Quantize, began)
	}
}
