package vitlite

import (
	"math"

	"vitedge/kernels"
)

// attentionScale is what the scores of heads of width d are multiplied by.
func attentionScale(d int) float32 { return float32(1 / math.Sqrt(float64(d))) }

// attentionRows is how many tokens a chunk of work takes: a multiple of the
// float32 tiles (6 and 12 rows), with scores that stay in a level 1 cache of
// 32 KiB (36·208·4 bytes for 197 tokens).
const attentionRows = 36

// masked is the score of a column that stands for no token. Its probability is
// e^-87, which vanishes in the sum of probabilities, the largest of which is 1.
const masked = -1e30

// attention computes softmax(q·kᵀ)·v for each head, from s.qkv, into s.mixed, and
// hands the result to next.
func (s *state) attention(next *linear) {
	s.next = next
	s.in.reset(next, s.mixed, s.tokens)
	s.pool.Run(s.heads, s.transposeKeys)
	s.profile.end(Keys)
	s.pool.Run(s.heads*s.blocksOfRows, s.attend)
	s.profile.endAttend()
	if next.int8 != nil {
		s.pool.Run(s.chunks, s.quantizeMixed)
		s.profile.end(Quantize)
	}
}

// newKeys returns room for the transposed keys of one head, the columns beyond
// the tokens masked.
func newKeys(tokens, d int) *kernels.Panels {
	k := kernels.NewPanels(paddedTokens(tokens), d)
	for j := tokens; j < k.N; j++ {
		k.Bias[j] = masked
	}
	return k
}

// attentionScratch is the floats that a chunk needs: scores, and a scale a row.
func attentionScratch(tokens int) int { return attentionRows * (paddedTokens(tokens) + 1) }

// paddedTokens is the length of a row of scores, whole vectors.
func paddedTokens(tokens int) int { return (tokens + 15) / 16 * 16 }

// transposeHead packs the keys of one head, [d, T].
func (s *state) transposeHead(_ *kernels.Worker, head int) {
	s.keys[head].Transpose(s.qkv[s.dim+head*s.headDim:], 3*s.dim, s.tokens)
}

// attendRows computes attention for a range of tokens in one head. The rows of
// exp(scores) are not divided by their sums; the shorter rows of the product are.
func (s *state) attendRows(w *kernels.Worker, chunk int) {
	head, first := chunk/s.blocksOfRows, chunk%s.blocksOfRows*attentionRows
	m, d := min(attentionRows, s.tokens-first), s.headDim
	tp := paddedTokens(s.tokens)

	scratch := w.Scratch(attentionScratch(s.tokens))
	scores, scale := scratch[:m*tp], scratch[attentionRows*tp:][:m]

	q := s.qkv[first*3*s.dim+head*d:]
	began := s.profile.beginChunk()
	w.Mul(scores, tp, q, 3*s.dim, m, s.keys[head], nil, false)
	began = s.profile.endChunk(Scores, began)
	for i := range m {
		scale[i] = 1 / kernels.SoftmaxExp(scores[i*tp:(i+1)*tp])
	}
	began = s.profile.endChunk(Softmax, began)
	w.Mul(s.mixed[first*s.dim+head*d:], s.dim, scores, tp, m, &s.values[head], scale, false)
	s.profile.endChunk(Values, began)
}
