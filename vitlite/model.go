package vitlite

import (
	"fmt"
	"math"

	"vitedge/kernels"
	"vitedge/quant"
)

// Model is a Vision Transformer with the memory for one inference at a time.
type Model struct {
	config     quant.Config
	preprocess quant.Preprocess
	labels     []string

	embed  *embedding
	blocks []*block
	head   *head
	state  *state
}

// New loads the model in c, whose int8 layers run in int8. threads is the number
// of threads of an inference, 0 for one a CPU. New copies what it needs, so that c
// may be closed. Its errors name the tensor.
func New(c *quant.Checkpoint, threads int) (*Model, error) {
	cfg := c.Config
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Dim > kernels.MaxK || cfg.MLPDim > kernels.MaxK {
		return nil, fmt.Errorf("config: hidden_size %d, intermediate_size %d; want %d at most", cfg.Dim, cfg.MLPDim, kernels.MaxK)
	}
	if threads < 0 {
		return nil, fmt.Errorf("threads is %d; want 0 (one a CPU) or more", threads)
	}
	m := &Model{config: cfg, preprocess: c.Preprocess, labels: c.Labels}
	var err error
	if m.embed, err = loadEmbedding(c); err != nil {
		return nil, err
	}
	for i := range cfg.Depth {
		b, err := loadBlock(c, i)
		if err != nil {
			return nil, err
		}
		m.blocks = append(m.blocks, b)
	}
	if m.head, err = loadHead(c); err != nil {
		return nil, err
	}
	if readTokens(cfg) < cfg.Tokens() {
		last := m.blocks[cfg.Depth-1]
		last.queries, last.keysValues = last.qkv.split(cfg.Dim)
	}
	m.state = newState(m, threads)
	return m, nil
}

// Forward computes the logits, one a class, of a picture of ImageSize×ImageSize
// RGB pixels. It allocates nothing and must not run concurrently with itself.
// Wrong lengths are an error, and so are logits that are not finite.
func (m *Model) Forward(logits []float32, pixels []byte) error {
	s, size := m.state, m.config.ImageSize
	if len(pixels) != size*size*3 {
		return fmt.Errorf("picture has %d bytes; want %d×%d×3", len(pixels), size, size)
	}
	if len(logits) != m.config.Classes {
		return fmt.Errorf("room for %d logits; want %d", len(logits), m.config.Classes)
	}
	s.profile.start()
	s.pixels = pixels
	for s.step = range len(m.blocks) + 1 {
		s.pool.Run(len(s.stripes), s.runStep)
	}
	began := s.profile.begin()
	m.head.forward(s, logits)
	s.profile.end(Head, began)
	s.profile.stop()
	for i, v := range logits {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("logit %d is %v: the model's weights are beyond the range of float32", i, v)
		}
	}
	return nil
}

// runStep takes a stripe from one attention to the next: attention needs the keys
// and values of all tokens, all else is done token by token, so this is the only
// place where threads wait for each other.
func (m *Model) runStep(w *kernels.Worker, t *stripe) {
	s, i, last := m.state, m.state.step, m.state.step == len(m.blocks)
	t.n, t.asking = t.tokens, t.tokens
	if s.observer == nil {
		read := min(t.tokens, s.read-t.first)
		if last {
			t.n = read
		}
		if i == len(m.blocks)-1 {
			t.asking = max(read, 0)
		}
	}
	if t.n <= 0 {
		return
	}
	if i == 0 {
		t.embedPatches(w, s.pixels)
	} else {
		t.finish(w, m.blocks[i-1], s.projections[(i-1)%2])
	}
	if !last {
		t.project(w, m.blocks[i], s.projections[i%2])
	}
}

// Config returns the model's sizes.
func (m *Model) Config() quant.Config { return m.config }

// Preprocess returns what its pictures need.
func (m *Model) Preprocess() quant.Preprocess { return m.preprocess }

// Labels returns the names of the classes, or nil where the model has none.
func (m *Model) Labels() []string { return m.labels }

// Threads returns the number of threads of an inference.
func (m *Model) Threads() int { return m.state.pool.Threads() }

// Close ends the model's threads.
func (m *Model) Close() { m.state.pool.Close() }

// Kernel returns the name of the kernels in use, "avx2" or "neon" for example.
func Kernel() string { return kernels.Name() }

// CheckKernel reports an error where the environment's VITEDGE_KERNEL names none
// that this CPU can run.
func CheckKernel() error { return kernels.Check() }
