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
// query comes as it is used, divided by √d.
func (m *Model) SetObserver(f func(Output)) { m.state.observer = f }

// observeEmbedding and observe show the observer what was written. They do
// nothing where there is none.
func (s *state) observeEmbedding() {
	if s.observer != nil {
		s.observer(Output{Layer: "vit.embeddings", Rows: s.x[:s.tokens*s.dim], Tokens: s.tokens, Width: s.dim, Stride: s.dim})
	}
}

func (s *state) observe(l *linear, dst []float32, add bool) {
	if s.observer == nil {
		return
	}
	width := l.out / len(l.names)
	for i, name := range l.names {
		s.observer(Output{name, dst[i*width : s.tokens*l.out], s.tokens, width, l.out, add})
	}
}
