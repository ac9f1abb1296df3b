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
	norm   norm
	head   *linear // [C, D]
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
	if m.norm, err = loadNorm(c, "vit.layernorm"); err != nil {
		return nil, err
	}
	if m.head, err = loadLinear(c, cfg.Classes, cfg.Dim, true, part{"classifier", 1}); err != nil {
		return nil, err
	}
	m.state = newState(cfg, m.embed, kernels.NewPool(threads))
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
	s.profile.begin()
	s.embedding(pixels)
	s.profile.end(Embed)
	s.observeEmbedding()
	for _, b := range m.blocks {
		b.forward(s)
	}
	m.classify(logits)
	s.profile.end(Head)
	for i, v := range logits {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("logit %d is %v: the model's weights are beyond the range of float32", i, v)
		}
	}
	return nil
}

// classify pools the tokens, normalizes and applies the head.
func (m *Model) classify(logits []float32) {
	s, d := m.state, m.config.Dim
	row := s.x[:d]
	if m.config.Pool == quant.Mean {
		row = s.pooled
		copy(row, s.x[d:2*d])
		for i := 2; i < s.tokens; i++ {
			for j, v := range s.x[i*d : (i+1)*d] {
				row[j] += v
			}
		}
		for j := range row {
			row[j] /= float32(s.tokens - 1)
		}
	}
	m.norm.apply(s.pooled, row)
	s.in.reset(m.head, s.pooled, 1)
	s.in.ready(m.head, 0)
	m.head.forward(s.pool, s.logits, &s.in, false)
	copy(logits, s.logits)
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
