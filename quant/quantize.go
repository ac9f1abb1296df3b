package quant

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// TensorReport is what quantizing did to one tensor.
type TensorReport struct {
	Name     string // canonical
	Shape    []int
	From, To DType

	// SQNR is 10 log10(sum w^2 / sum (w - scale q)^2) in dB, +Inf where
	// nothing was lost. MaxError is max |w - scale q| / scale, at most 0.5 but
	// for rounding. Both are 0 for a tensor that stays float.
	SQNR, MaxError float64
}

// Quantize returns the int8 model of a float checkpoint: the linear layers of
// the encoder blocks by QuantizeChannels, all else as float32. It calls
// report, which may be nil, after each tensor in the order of the model file.
// The result shares memory with c and must not be used after c is closed.
func (c *Checkpoint) Quantize(report func(TensorReport)) (*Checkpoint, error) {
	return c.QuantizeExcept(nil, report)
}

// QuantizeExcept is Quantize, but the linear layers for which keep is true stay
// float32. Layers go by their canonical names, such as
// "vit.encoder.layer.7.output.dense"; see [Checkpoint.LinearLayers]. Query, key
// and value of a block are one product, so all of them are kept or none.
func (c *Checkpoint) QuantizeExcept(keep func(layer string) bool, report func(TensorReport)) (*Checkpoint, error) {
	if c.Quantized() {
		return nil, fmt.Errorf("%s: the model is int8 already", c.Path)
	}
	q := *c
	q.Path, q.Files, q.source, q.SHA256, q.SourceSHA256, q.Bytes = "", nil, nil, "", c.SHA256, 0
	q.weights = map[string]weight{}
	q.Notes = slices.Clone(c.Notes)
	var total summary
	for s := range c.Config.specs() {
		if s.scale {
			continue // made with its weight
		}
		if s.linear && keep != nil && keep(strings.TrimSuffix(s.name, ".weight")) {
			s.linear = false
		}
		t, err := c.Tensor(s.name)
		if err != nil {
			return nil, err
		}
		r := TensorReport{Name: s.name, Shape: s.shape, From: c.weights[s.name].array.dtype, To: F32}
		w, err := t.Float32s()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Path, err)
		}
		if s.linear {
			r.To = I8
			out, in := s.shape[0], s.shape[1]
			v, scale := make([]int8, len(w)), make([]float32, out)
			QuantizeChannels(v, scale, w, out, in)
			q.weights[s.name] = weightOf(int8Tensor(s.name, s.shape, v))
			q.weights[s.name+"_scale"] = weightOf(float32Tensor(s.name+"_scale", []int{out, 1}, scale))
			r.SQNR, r.MaxError = weightError(v, scale, w, in)
			total.add(r)
		} else {
			q.weights[s.name] = weightOf(float32Tensor(s.name, s.shape, w))
		}
		if report != nil {
			report(r)
		}
	}
	if err := oneKind(q.weights); err != nil {
		return nil, err
	}
	q.report = total.json()
	return &q, nil
}

// oneKind reports a block whose query, key and value are not all int8 or all
// float: they are computed as one product.
func oneKind(weights map[string]weight) error {
	for i := 0; ; i++ {
		attention := fmt.Sprintf("vit.encoder.layer.%d.attention.attention.", i)
		query, ok := weights[attention+"query.weight"]
		if !ok {
			return nil
		}
		for _, other := range []string{"key", "value"} {
			if w := weights[attention+other+".weight"]; (w.dtype() == I8) != (query.dtype() == I8) {
				return fmt.Errorf("query of block %d is %s and %s is %s; the two and %s are one product and must be of one kind, int8 or float",
					i, query.dtype(), other, w.dtype(), map[string]string{"key": "value", "value": "key"}[other])
			}
		}
	}
}

// weightError compares quantized weights [out, in] with their originals.
// Products are rounded before they are added, so that no machine fuses them
// and the report is the same everywhere.
func weightError(q []int8, scale, w []float32, in int) (sqnr, maxError float64) {
	var signal, noise float64
	for i, v := range w {
		s := float64(scale[i/in])
		e := float64(v) - float64(s*float64(q[i]))
		signal += float64(float64(v) * float64(v))
		noise += float64(e * e)
		maxError = max(maxError, math.Abs(e)/s)
	}
	return decibel(signal, noise), maxError
}

// decibel is a ratio of powers; nothing lost is +Inf.
func decibel(signal, noise float64) float64 {
	if noise == 0 {
		return math.Inf(1)
	}
	return 10 * math.Log10(signal/noise)
}

// summary is the quantization_report of a model file.
type summary struct {
	Tensors   int     `json:"int8_tensors"`
	WorstSQNR float64 `json:"worst_weight_sqnr_db"`
	Worst     string  `json:"worst_tensor"`
	MaxError  float64 `json:"max_error_in_scales"`
}

func (s *summary) add(r TensorReport) {
	if s.Tensors == 0 || r.SQNR < s.WorstSQNR {
		s.Worst, s.WorstSQNR = r.Name, r.SQNR
	}
	s.Tensors++
	s.MaxError = max(s.MaxError, r.MaxError)
}

// json rounds, so that the last bit of a logarithm does not change the file.
func (s summary) json() string {
	s.WorstSQNR = math.Round(min(s.WorstSQNR, 999)*100) / 100
	s.MaxError = math.Round(s.MaxError*1e4) / 1e4
	return string(appendJSON(nil, s))
}
