package vitlite

import (
	"fmt"

	"vitedge/kernels"
	"vitedge/quant"
)

// linear is a linear layer, y = x·Wᵀ + b, with W [out, in]. One of the two
// matrices is set.
type linear struct {
	out, in int
	int8    *kernels.Weights
	float32 *kernels.Panels
	bias    []float32 // [out], also part of the matrix
	names   []string  // of the layers that are stacked in it
}

// operand is the input of a linear layer, m rows of float32 and, where the layer
// is int8, the same rows quantized.
//
// An int8 operand has a row more for each of the first tokens that the head reads
// (see refinedTokens): what the quantization of the token's row has left,
// quantized in its turn. The errors of the other tokens reach the logits as
// averages over many tokens, those of a token that the head reads as they are:
// with 16 bits for the class token, the logits of ViT-Ti gain 1.1 dB. It costs
// nothing where the rows do not fill the last tile of the GEMM: 14×14 patches and
// the class token are 197 rows, a multiple of neither 4 nor 6.
type operand struct {
	int8    *kernels.Activations
	float32 []float32
	m       int
	refined int       // rows with another row, from m on
	rest    []float32 // scratch memory of the refined rows
}

// refinedTokens is how many of the first tokens the head reads: the class token,
// where the head reads one, and the distillation token. Registers stand behind
// them and reach the logits through attention alone, as patches do.
func refinedTokens(cfg quant.Config) int {
	switch {
	case cfg.Distilled:
		return 2
	case cfg.Pool == quant.Token || cfg.Pool == quant.TokenMean:
		return 1
	}
	return 0
}

// newOperand returns room for m rows of up to n elements, of which the first few
// are refined.
func newOperand(m, n, refined int) operand {
	return operand{int8: kernels.NewActivations(m+refined, n), refined: refined, rest: make([]float32, refined*n)}
}

// reset prepares o for m rows that go into l; rows is where they are or will be.
func (o *operand) reset(l *linear, rows []float32, m int) {
	o.float32, o.m = rows, m
	if l.int8 != nil {
		o.int8.Reset(m+o.refined, l.in)
	}
}

// ready tells o that row i is written. Rows may be told of concurrently.
func (o *operand) ready(l *linear, i int) {
	if l.int8 == nil {
		return
	}
	row := o.float32[i*l.in : (i+1)*l.in]
	o.int8.QuantizeRow(i, row)
	if i < o.refined {
		o.int8.RefineRow(o.m+i, i, row, o.rest[i*l.in:(i+1)*l.in])
	}
}

// forward writes the m×out products to dst, or adds them. dst has room for the
// refined rows, which an int8 layer needs.
func (l *linear) forward(p *kernels.Pool, dst []float32, o *operand, add bool) {
	if l.int8 == nil {
		p.FloatGemm(dst, l.out, o.float32, l.in, o.m, l.float32, add)
		return
	}
	refined := dst[o.m*l.out : (o.m+o.refined)*l.out]
	clear(refined)
	p.Gemm(dst, l.out, o.int8, l.int8, add)
	// Every row has the bias, so the sum of two rows has it once too often.
	for j, v := range refined {
		dst[j] += v - l.bias[j%l.out]
	}
}

// part is one of the layers that loadLinear stacks, and a factor for its output.
type part struct {
	name  string // without .weight
	scale float32
}

// loadLinear reads layers of the same width that share their input, and stacks
// them to one of out outputs in all: query, key and value become one product.
func loadLinear(c *quant.Checkpoint, out, in int, bias bool, parts ...part) (*linear, error) {
	each := out / len(parts)
	l := &linear{out: out, in: in}
	var (
		biases  = make([]float32, 0, out)
		scales  = make([]float32, 0, out)
		ints    = make([]int8, 0, out*in)
		weights = make([]float32, 0, out*in)
	)
	for _, p := range parts {
		l.names = append(l.names, p.name)
		w, err := c.Tensor(p.name + ".weight")
		if err != nil {
			return nil, err
		}
		if w.DType == "I8" {
			v, err := w.Int8s()
			if err != nil {
				return nil, err
			}
			s, err := loadFloats(c, p.name+".weight_scale", each)
			if err != nil {
				return nil, err
			}
			ints = append(ints, v...)
			scales = appendScaled(scales, s, p.scale)
		} else {
			v, err := w.Float32s()
			if err != nil {
				return nil, err
			}
			weights = appendScaled(weights, v, p.scale)
		}
		if bias {
			b, err := loadFloats(c, p.name+".bias", each)
			if err != nil {
				return nil, err
			}
			biases = appendScaled(biases, b, p.scale)
		}
	}
	if !bias {
		biases = make([]float32, out)
	}
	l.bias = biases
	switch {
	case len(ints) == out*in:
		l.int8 = kernels.PackWeights(ints, scales, biases, out, in)
	case len(weights) == out*in:
		l.float32 = kernels.PackFloatWeights(weights, biases, out, in)
	default:
		return nil, fmt.Errorf("%s.weight and the layers that go with it have %d int8 and %d float weights; want %d of one kind", parts[0].name, len(ints), len(weights), out*in)
	}
	return l, nil
}

// appendScaled appends src·factor.
func appendScaled(dst, src []float32, factor float32) []float32 {
	for _, v := range src {
		dst = append(dst, v*factor)
	}
	return dst
}

// loadFloats reads a tensor of n elements as float32.
func loadFloats(c *quant.Checkpoint, name string, n int) ([]float32, error) {
	t, err := c.Tensor(name)
	if err != nil {
		return nil, err
	}
	v, err := t.Float32s()
	if err != nil {
		return nil, err
	}
	if len(v) != n {
		return nil, fmt.Errorf("tensor %q has %d elements; want %d", name, len(v), n)
	}
	return v, nil
}
