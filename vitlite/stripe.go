package vitlite

import "vitedge/kernels"

// stripe is a range of tokens on their way through the blocks, with the memory that
// their rows need. One thread takes a stripe through a whole step (see
// Model.runStep), so its rows stay in that thread's cache.
//
// A stripe that begins with tokens that the head reads has a row more in front for
// each of them; see operand.
type stripe struct {
	*state
	first, tokens int // the stripe's tokens are [first, first+tokens)
	refined       int // rows in front of those of the tokens
	n             int // tokens that the step at hand takes: all, or those that the head reads
	asking        int // tokens whose queries it needs, likewise

	in     operand   // what goes into the next linear layer
	normed []float32 // [tokens, D], of a LayerNorm
	mixed  []float32 // [tokens, D], the heads' results side by side
	wide   []float32 // [refined + tokens, max(M, 3p²)]: patches, then the MLP's hidden layer

	queries *kernels.Activations // [tokens, D], of int8 scores, where there are any
}

// newStripe returns the stripe of the tokens [first, first+tokens).
func newStripe(s *state, first, tokens int) *stripe {
	refined := 0
	if first == 0 {
		refined = s.refined
	}
	width := max(s.mlpDim, s.embed.projection.K)
	t := &stripe{
		state: s, first: first, tokens: tokens, refined: refined, n: tokens,
		in:     newOperand(tokens, max(s.dim, s.mlpDim), refined),
		normed: make([]float32, tokens*s.dim),
		mixed:  make([]float32, tokens*s.dim),
		wide:   make([]float32, (refined+tokens)*width),
	}
	if s.projections[0].int8Keys != nil {
		t.queries = kernels.NewActivations(tokens, s.dim)
	}
	return t
}

// rows returns the stripe's rows of a buffer of all tokens, rows of so many
// elements, from the first refined row on.
func (t *stripe) rows(all []float32, width int) []float32 {
	from := (t.first + t.state.refined - t.refined) * width
	return all[from : from+(t.refined+t.n)*width]
}

// residual returns the stripe's tokens in the residual stream, [n, D].
func (t *stripe) residual() []float32 { return t.rows(t.x, t.dim)[t.refined*t.dim:] }

// embedPatches writes the embedded tokens to the residual stream.
func (t *stripe) embedPatches(w *kernels.Worker, pixels []byte) {
	began := t.profile.begin()
	e, d, x := t.embed, t.dim, t.residual()
	copy(x, e.position[t.first*d:])
	if skip := max(e.prefix-t.first, 0); skip < t.n {
		k, patches := e.projection.K, t.n-skip
		for i := range patches {
			e.gather(t.wide[i*k:(i+1)*k], pixels, t.first+skip+i-e.prefix)
		}
		w.Mul(x[skip*d:], d, t.wide, k, patches, e.projection, nil, true)
	}
	t.profile.end(Embed, began)
	t.observeEmbedding()
}

// project computes query, key and value of the stripe's tokens. In the last block most
// queries would be for nothing: the head reads only what came of the first tokens.
func (t *stripe) project(w *kernels.Worker, b *block, into *projections) {
	t.normalize(&b.norm1, b.qkv)
	qkv := t.rows(into.qkv, 3*t.dim)
	if t.asking == t.n || b.keysValues == nil {
		t.apply(w, QKV, b.qkv, qkv, false)
	} else {
		began := t.profile.begin()
		b.keysValues.forward(w, qkv[t.dim:], 3*t.dim, &t.in, t.n, false)
		if t.asking > 0 {
			b.queries.forward(w, qkv, 3*t.dim, &t.in, t.asking, false)
		}
		t.profile.end(QKV, began)
	}
	if b.int8Scores {
		t.packKeys(w, into)
		return
	}
	began := t.profile.begin()
	into.transposeKeys(t.state, t.first, t.n)
	t.profile.end(Keys, began)
}

// finish computes the rest of the block, to which all stripes' keys and values have
// to be there.
func (t *stripe) finish(w *kernels.Worker, b *block, from *projections) {
	x := t.rows(t.x, t.dim)
	t.attend(w, b, from)
	t.apply(w, Proj, b.proj, x, true)
	t.normalize(&b.norm2, b.fc1)
	hidden := t.wide[:(t.refined+t.n)*t.mlpDim]
	t.apply(w, FC1, b.fc1, hidden, false)
	t.activate(hidden[t.refined*t.mlpDim:], b.fc2)
	t.apply(w, FC2, b.fc2, x, true)
}

// normalize applies n to the residual stream, as input of next.
func (t *stripe) normalize(n *norm, next *linear) {
	began := t.profile.begin()
	normed := t.normed[:t.n*t.dim]
	t.in.normalize(next, n, normed, t.residual())
	t.profile.end(LayerNorm, began)
}

// activate applies the MLP's nonlinearity to hidden, as input of next.
func (t *stripe) activate(hidden []float32, next *linear) {
	began := t.profile.begin()
	t.in.activate(next, t.activation, hidden)
	t.profile.end(Activation, began)
}

// apply writes what l makes of its input to dst, or adds it. dst has the refined
// rows in front. o is which of a block's layers l is.
func (t *stripe) apply(w *kernels.Worker, o Operation, l *linear, dst []float32, add bool) {
	began := t.profile.begin()
	l.forward(w, dst, l.out, &t.in, t.n, add)
	t.profile.end(o, began)
	t.observe(l, dst[t.refined*l.out:], add)
}
