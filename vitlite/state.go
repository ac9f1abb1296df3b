package vitlite

import (
	"vitedge/kernels"
	"vitedge/quant"
)

// state is the activations of one inference, T tokens of width D. Every buffer is
// allocated once, and so is every function that the pool runs, because a method
// value made for a call would be garbage of every frame. The results of linear
// layers have a few rows more than the shapes say, see operand.
type state struct {
	tokens, dim, mlpDim int
	heads, headDim      int

	pool     *kernels.Pool
	profile  *Profile          // nil but for measurements
	observer func(Output)      // the same
	pixels   []byte            // the input of the frame at hand
	x        []float32         // [T, D], the residual stream
	normed   []float32         // [T, D], of a LayerNorm
	in       operand           // what goes into the next linear layer
	next     *linear           // that layer
	qkv      []float32         // [T, 3D]
	keys     []*kernels.Panels // [H], each [d, T]
	values   []kernels.Panels  // [H], each [T, d], in place in qkv
	mixed    []float32         // [T, D], the heads' results side by side
	hidden   []float32         // [T, M], of the MLP
	patch    []float32         // [G², 3p²], pixels of the patches

	chunks       int // parts of the tokens for work on rows
	blocksOfRows int // parts of the tokens for attention
	norm         *norm
	embed        *embedding
	activation   func([]float32)

	normalizeRows, transposeKeys, attend, quantizeMixed, activateRows, gatherRows func(*kernels.Worker, int)
}

func newState(cfg quant.Config, e *embedding, pool *kernels.Pool) *state {
	t, d, m := cfg.Tokens(), cfg.Dim, cfg.MLPDim
	refined := refinedTokens(cfg)
	s := &state{
		tokens: t, dim: d, mlpDim: m, heads: cfg.Heads, headDim: cfg.HeadDim(),
		pool:   pool,
		x:      make([]float32, (t+refined)*d),
		normed: make([]float32, t*d),
		in:     newOperand(t, max(d, m), refined),
		// The last panel of the values reads up to 15 columns on.
		qkv:          make([]float32, (t+refined)*3*d+15),
		mixed:        make([]float32, t*d),
		hidden:       make([]float32, (t+refined)*m),
		patch:        make([]float32, cfg.Grid()*cfg.Grid()*3*cfg.PatchSize*cfg.PatchSize),
		chunks:       min(t, 4*pool.Threads()),
		blocksOfRows: (t + attentionRows - 1) / attentionRows,
		embed:        e,
		activation:   activations[cfg.Activation],
	}
	pool.Reserve(attentionScratch(t))
	noBias := make([]float32, s.headDim+15)
	for h := range s.heads {
		s.keys = append(s.keys, newKeys(t, s.headDim))
		s.values = append(s.values, kernels.Panels{
			Data: s.qkv[2*d+h*s.headDim:], LD: 3 * d, Panel: 16, N: s.headDim, K: t, Bias: noBias,
		})
	}
	s.transposeKeys, s.attend = s.transposeHead, s.attendRows
	s.normalizeRows = s.rows(func(i int) {
		s.norm.apply(s.normed[i*d:(i+1)*d], s.x[i*d:(i+1)*d])
		s.in.ready(s.next, i)
	})
	s.quantizeMixed = s.rows(func(i int) { s.in.ready(s.next, i) })
	s.activateRows = s.rows(func(i int) {
		s.activation(s.hidden[i*m : (i+1)*m])
		s.in.ready(s.next, i)
	})
	s.gatherRows = s.rows(func(i int) {
		copy(s.x[i*d:(i+1)*d], e.position[i*d:(i+1)*d])
		if p := i - e.prefix; p >= 0 {
			n := len(s.patch) / (t - e.prefix)
			e.gather(s.patch[p*n:(p+1)*n], s.pixels, p)
		}
	})
	return s
}

// activations are the nonlinearities of the MLP.
var activations = map[quant.Activation]func([]float32){
	quant.GELU:      kernels.GELU,
	quant.GELUTanh:  kernels.GELUTanh,
	quant.QuickGELU: kernels.QuickGELU,
}

// rows returns a function that runs f for each token of a chunk.
func (s *state) rows(f func(i int)) func(*kernels.Worker, int) {
	return func(_ *kernels.Worker, chunk int) {
		for i := chunk * s.tokens / s.chunks; i < (chunk+1)*s.tokens/s.chunks; i++ {
			f(i)
		}
	}
}

// embedding fills x from the pixels.
func (s *state) embedding(pixels []byte) {
	s.pixels = pixels
	s.pool.Run(s.chunks, s.gatherRows)
	patches := s.tokens - s.embed.prefix
	n := len(s.patch) / patches
	s.pool.FloatGemm(s.x[s.embed.prefix*s.dim:], s.dim, s.patch, n, patches, s.embed.projection, true)
}

// normalize applies n to the residual stream, as input of next.
func (s *state) normalize(n *norm, next *linear) {
	s.norm, s.next = n, next
	s.in.reset(next, s.normed, s.tokens)
	s.pool.Run(s.chunks, s.normalizeRows)
	s.profile.end(LayerNorm)
}

// activate applies the MLP's nonlinearity, as input of next.
func (s *state) activate(next *linear) {
	s.next = next
	s.in.reset(next, s.hidden, s.tokens)
	s.pool.Run(s.chunks, s.activateRows)
	s.profile.end(Activation)
}

// apply writes what l makes of its input to dst, or adds it. o is which of a
// block's layers l is.
func (s *state) apply(o Operation, l *linear, dst []float32, add bool) {
	l.forward(s.pool, dst, &s.in, add)
	s.profile.end(o)
	s.observe(l, dst, add)
}
