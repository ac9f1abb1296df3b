package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"vitedge/quant"
	"vitedge/vitlite"
)

// layerFigures say what int8 costs in one linear layer, as SQNR in dB: the sum
// of the squares of the float32 values over that of their errors. nil is a layer
// without errors, or one that was not measured.
type layerFigures struct {
	Layer string      `json:"layer"`
	DType quant.DType `json:"dtype"` // of the weights

	Weights    *float64 `json:"weight_sqnr_db"`
	Local      *float64 `json:"local_sqnr_db"`      // of the output, the input being exact
	Cumulative *float64 `json:"cumulative_sqnr_db"` // of the output, after all layers before
}

// layerSums are sums of squares over the outputs of one layer.
type layerSums struct{ signal, local, cumulative float64 }

// meter measures the layers of two models on one picture after the other. Each
// takes three inferences: one in float32, whose outputs are kept, one in int8,
// and one in int8 in which every layer's output is replaced by the exact one
// after it has been compared, so that the next has exact input.
//
// Output is what the layer adds, where it adds to the residual stream: the stream
// itself holds activations so large that no error would show.
type meter struct {
	index  map[string]int // of layers
	exact  [][]float32    // of each layer: the rows that it left in the float model
	stream []float32      // of the float model: the residual stream before a layer
	drift  []float32      // of the int8 model: how far its stream is off
	sums   []layerSums    // of the picture
}

func newMeter(layers []string) *meter {
	m := &meter{index: map[string]int{}, exact: make([][]float32, len(layers)), sums: make([]layerSums, len(layers))}
	for i, layer := range layers {
		m.index[layer] = i
	}
	return m
}

// measure runs both models. The logits are those of ordinary inferences.
func (m *meter) measure(float, int8 *vitlite.Model, floatLogits, int8Logits []float32, pixels []byte) error {
	defer float.SetObserver(nil)
	defer int8.SetObserver(nil)
	clear(m.sums)
	float.SetObserver(m.keep)
	if err := float.Forward(floatLogits, pixels); err != nil {
		return fmt.Errorf("float model: %w", err)
	}
	for _, observer := range []func(vitlite.Output){m.replace, m.compare} {
		int8.SetObserver(observer)
		if err := int8.Forward(int8Logits, pixels); err != nil {
			return fmt.Errorf("int8 model: %w", err)
		}
	}
	return nil
}

// keep is the observer of the float model.
func (m *meter) keep(o vitlite.Output) {
	i, linear := m.index[o.Layer]
	if linear {
		m.exact[i] = m.exact[i][:0]
		for t := range o.Tokens {
			row := o.Rows[t*o.Stride:][:o.Width]
			m.exact[i] = append(m.exact[i], row...)
			for j, v := range row {
				y := float64(v)
				if o.Added {
					y -= float64(m.stream[t*o.Width+j])
				}
				m.sums[i].signal += y * y
			}
		}
	}
	if o.Added || !linear { // after the embedding the stream begins
		m.stream = append(m.stream[:0], o.Rows...)
	}
}

// replace is the observer of the int8 model that measures each layer alone.
func (m *meter) replace(o vitlite.Output) {
	i, linear := m.index[o.Layer]
	if !linear {
		return // the embedding is the same in both
	}
	for t := range o.Tokens {
		row, exact := o.Rows[t*o.Stride:][:o.Width], m.exact[i][t*o.Width:][:o.Width]
		for j, v := range row {
			e := float64(v) - float64(exact[j])
			m.sums[i].local += e * e
		}
		copy(row, exact)
	}
}

// compare is the observer of the int8 model that measures what errors have
// grown to.
func (m *meter) compare(o vitlite.Output) {
	i, linear := m.index[o.Layer]
	if !linear {
		m.drift = slices.Grow(m.drift[:0], len(o.Rows))[:len(o.Rows)]
		clear(m.drift)
		return
	}
	for t := range o.Tokens {
		row, exact := o.Rows[t*o.Stride:][:o.Width], m.exact[i][t*o.Width:][:o.Width]
		for j, v := range row {
			e := v - exact[j]
			if o.Added {
				drift := &m.drift[t*o.Width+j]
				e, *drift = e-*drift, e
			}
			m.sums[i].cumulative += float64(e) * float64(e)
		}
	}
}

// describeLayers turns the sums of all pictures into figures; sums is nil where
// none was measured.
func describeLayers(float, int8 *quant.Checkpoint, sums []layerSums) ([]layerFigures, error) {
	var list []layerFigures
	for i, layer := range int8.LinearLayers() {
		f := layerFigures{Layer: layer}
		weight, err := int8.Tensor(layer + ".weight")
		if err != nil {
			return nil, err
		}
		if f.DType = weight.DType; f.DType == quant.I8 {
			if f.Weights, err = weightSQNR(float, int8, layer); err != nil {
				return nil, err
			}
		}
		if sums != nil {
			f.Local = sqnr(sums[i].signal, sums[i].local)
			f.Cumulative = sqnr(sums[i].signal, sums[i].cumulative)
		}
		list = append(list, f)
	}
	return list, nil
}

// weightSQNR compares the weights of an int8 layer with those in float.
func weightSQNR(float, int8 *quant.Checkpoint, layer string) (*float64, error) {
	w, err := floats(float, layer+".weight")
	if err != nil {
		return nil, err
	}
	scale, err := floats(int8, layer+".weight_scale")
	if err != nil {
		return nil, err
	}
	t, err := int8.Tensor(layer + ".weight")
	if err != nil {
		return nil, err
	}
	q, err := t.Int8s()
	if err != nil {
		return nil, err
	}
	var signal, noise float64
	in := len(q) / len(scale)
	for i, v := range w {
		e := float64(v) - float64(scale[i/in])*float64(q[i])
		signal += float64(v) * float64(v)
		noise += e * e
	}
	return sqnr(signal, noise), nil
}

func floats(c *quant.Checkpoint, name string) ([]float32, error) {
	t, err := c.Tensor(name)
	if err != nil {
		return nil, err
	}
	return t.Float32s()
}

// sqnr is a ratio of powers in dB, nil where nothing was lost or nothing was there.
func sqnr(signal, noise float64) *float64 {
	if noise == 0 || signal == 0 { // neither infinity is JSON
		return nil
	}
	return new(10 * math.Log10(signal/noise))
}

// worstLayers are those with the lowest local SQNR, or weight SQNR where nothing
// else was measured, worst first.
func worstLayers(layers []layerFigures, n int) []layerFigures {
	key := func(f layerFigures) float64 {
		for _, v := range []*float64{f.Local, f.Weights} {
			if v != nil {
				return *v
			}
		}
		return math.Inf(1)
	}
	layers = slices.Clone(layers)
	slices.SortStableFunc(layers, func(a, b layerFigures) int { return cmp.Compare(key(a), key(b)) })
	return layers[:min(n, len(layers))]
}
