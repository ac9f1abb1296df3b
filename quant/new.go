package quant

import "fmt"

// New makes a float32 checkpoint whose weights come from no file. It calls fill
// for every tensor, in the order of the model file, with its canonical name (see
// [Checkpoint.Tensor]), its shape and a row-major array of zeros to be written.
func New(c Config, p Preprocess, fill func(name string, shape []int, dst []float32)) (*Checkpoint, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := p.Validate(c.ImageSize); err != nil {
		return nil, err
	}
	made := &Checkpoint{Family: "new", Config: c, Preprocess: p, weights: map[string]weight{}}
	for s := range c.specs() {
		if s.scale {
			continue
		}
		n, ok := elements(s.shape)
		if !ok {
			return nil, fmt.Errorf("tensor %q: %v has more elements than an int can count", s.name, s.shape)
		}
		dst := make([]float32, n)
		fill(s.name, s.shape, dst)
		t := float32Tensor(s.name, s.shape, dst)
		if err := t.finite(0); err != nil {
			return nil, err
		}
		made.weights[s.name] = weightOf(t)
	}
	return made, nil
}
