package vitlite

// Output is what one layer of an inference has written, float32.
type Output struct {
	Layer string // canonical name, such as "vit.encoder.layer.7.output.dense"

	// Token i is Rows[i*Stride:][:Width]. The memory is the model's and holds
	// other values after the call.
	Rows                  []float32
	Tokens, Width, Stride int

	// Added says that Rows is the residual stream, to which the layer has added
	// its output.
	Added bool
}

// SetObserver makes inferences call f after the embedding, "vit.embeddings", and
// after every linear layer of the blocks, in the order of the computation, until f
// is nil. f may change Rows: the inference goes on with what it leaves there. The
// query comes as it is used, divided by √d. An observed inference takes all tokens
// through one layer after the other on one thread.
func (m *Model) SetObserver(f func(Output)) {
	m.state.observer = f
	if f != nil {
		m.state.divide(1)
	} else {
		m.state.divide(m.state.pool.Threads())
	}
}

// observeEmbedding and observe show the observer what was written. They do
// nothing where there is none.
func (t *stripe) observeEmbedding() {
	if t.observer != nil {
		t.observer(Output{Layer: "vit.embeddings", Rows: t.residual(), Tokens: t.n, Width: t.dim, Stride: t.dim})
	}
}

func (t *stripe) observe(l *linear, rows []float32, add bool) {
	if t.observer == nil {
		return
	}
	width := l.out / len(l.names)
	for i, name := range l.names {
		t.observer(Output{name, rows[i*width:], t.n, width, l.out, add})
	}
}
