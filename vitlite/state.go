package vitlite

import (
	"vitedge/kernels"
	"vitedge/quant"
)

// state is the activations of one inference that all stripes share, T tokens of
// width D. Every buffer is allocated once, and so is the function that the pool
// runs, because a method value made for a call would be garbage of every frame.
type state struct {
	tokens, dim, mlpDim int
	heads, headDim      int
	refined             int // see operand
	read                int // of the first tokens the head reads so many; no other goes beyond the last attention

	pool     *kernels.Pool
	embed    *embedding
	profile  *Profile     // nil but for measurements
	observer func(Output) // the same
	stripes  []*stripe

	x []float32 // [refined + T, D], the residual stream
	// The steps write one and read the other in turn: a thread may project the
	// next block while another still attends to the tokens of this one.
	projections [2]*projections
	activation  quant.Activation

	runStep func(w *kernels.Worker, stripe int)
	step    int    // of the inference at hand
	pixels  []byte // its input
}

// projections is query, key and value of all tokens.
type projections struct {
	qkv      []float32         // [refined + T, 3D]
	keys     []*kernels.Panels // [H], each [d, T]; nil where no block has float32 scores
	int8Keys *kernels.Weights  // [T, D], a part a head; nil where no block has int8 scores
	values   []kernels.Panels  // [H], each [T, d], in place in qkv
}

func newState(m *Model, threads int) *state {
	cfg := m.config
	s := &state{
		tokens: cfg.Tokens(), dim: cfg.Dim, mlpDim: cfg.MLPDim, heads: cfg.Heads, headDim: cfg.HeadDim(),
		refined: refinedTokens(cfg), read: readTokens(cfg),
		pool: kernels.NewPool(threads), embed: m.embed, activation: cfg.Activation,
	}
	s.x = make([]float32, (s.refined+s.tokens)*s.dim)
	var weights []*kernels.Weights
	inFloat32, inInt8 := false, false // scores of any block
	for _, b := range m.blocks {
		inFloat32 = inFloat32 || !b.int8Scores
		inInt8 = inInt8 || b.int8Scores
		for _, l := range []*linear{b.qkv, b.proj, b.fc1, b.fc2} {
			if l.int8 != nil {
				weights = append(weights, l.int8)
			}
		}
	}
	for i := range s.projections {
		p := newProjections(s)
		if inFloat32 {
			for range s.heads {
				p.keys = append(p.keys, newKeys(s.tokens, s.headDim))
			}
		}
		if inInt8 {
			p.int8Keys = newInt8Keys(s)
			weights = append(weights, p.int8Keys)
		}
		s.projections[i] = p
	}
	s.divide(s.pool.Threads())
	s.runStep = func(w *kernels.Worker, stripe int) { m.runStep(w, s.stripes[stripe]) }
	s.pool.Reserve(attentionScratch(s.tokens), weights...)
	return s
}

func newProjections(s *state) *projections {
	// The last panel of the values reads up to 15 columns on.
	p := &projections{qkv: make([]float32, (s.refined+s.tokens)*3*s.dim+15)}
	noBias := make([]float32, s.headDim+15)
	for h := range s.heads {
		p.values = append(p.values, kernels.Panels{
			Data: p.qkv[(s.refined*3+2)*s.dim+h*s.headDim:], LD: 3 * s.dim, Panel: 16, N: s.headDim, K: s.tokens, Bias: noBias,
		})
	}
	return p
}

// divide cuts the tokens into n stripes, or fewer where there are not enough. The
// rows of all but the last one fill the tiles of the GEMMs.
func (s *state) divide(n int) {
	tile := max(kernels.Tile(), 2*s.refined) // the refined tokens in the first stripe
	rows := s.refined + s.tokens
	tiles := (rows + tile - 1) / tile
	n = min(n, tiles)
	s.stripes = nil
	for i := range n {
		lo, hi := max(i*tiles/n*tile-s.refined, 0), min((i+1)*tiles/n*tile, rows)-s.refined
		s.stripes = append(s.stripes, newStripe(s, lo, hi-lo))
	}
}

// refinedTokens is how many of the first tokens the head reads as they are: the
// class token, where the head reads one, and the distillation token. Registers
// stand behind them and reach the logits through attention alone, as patches do.
func refinedTokens(cfg quant.Config) int {
	switch {
	case cfg.Distilled:
		return 2
	case cfg.Pool == quant.Token || cfg.Pool == quant.TokenMean:
		return 1
	}
	return 0
}

// readTokens is how many of the first tokens the head reads in any way.
func readTokens(cfg quant.Config) int {
	if cfg.Pool == quant.Token {
		return refinedTokens(cfg)
	}
	return cfg.Tokens()
}
