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

// operand is the input of a linear layer: rows of float32 and, where the layer is
// int8, the same rows quantized.
//
// An int8 operand has a row more in front for each of the first tokens that the head
// reads (see refinedTokens): what the quantization of the token's row has left,
// quantized in its turn. The errors of the other tokens reach the logits as averages
// over many tokens, those of a token that the head reads as they are: with 16 bits
// for the class token, the logits of ViT-Ti gain 1.1 dB. It costs nothing where the
// rows do not fill the last tile of the GEMM: 14×14 patches and the class token are
// 197 rows, a multiple of neither 4 nor 6.
type operand struct {
	int8    *kernels.Activations
	float32 []float32 // [rows, in]
	refined int       // rows in front
	rest    []float32 // scratch memory for one of them
}

// newOperand returns room for m rows of up to n elements, of which the first few
// are refined.
func newOperand(m, n, refined int) operand {
	return operand{int8: kernels.NewActivations(refined+m, n), refined: refined, rest: make([]float32, n)}
}

// reset prepares o for rows that go into l.
func (o *operand) reset(l *linear, rows []float32) {
	o.float32 = rows
	if l.int8 != nil {
		o.int8.Reset(o.refined+len(rows)/l.in, l.in)
	}
}

// normalize makes LayerNorm of the rows x, which it writes to dst, the input of l.
func (o *operand) normalize(l *linear, n *norm, dst, x []float32) {
	o.reset(l, dst)
	if l.int8 != nil {
		o.int8.LayerNormRows(o.refined, dst, x, n.gamma, n.beta, n.eps)
		o.refine(l)
		return
	}
	for i := 0; i < len(x); i += l.in {
		n.apply(dst[i:i+l.in], x[i:i+l.in])
	}
}

// activate makes the nonlinearity of the rows x, in place, the input of l.
func (o *operand) activate(l *linear, a quant.Activation, x []float32) {
	if a == quant.GELU && l.int8 != nil {
		o.reset(l, x)
		o.int8.GELURows(o.refined, x)
		o.refine(l)
		return
	}
	for i := 0; i < len(x); i += l.in {
		row := x[i : i+l.in]
		switch a {
		case quant.GELU:
			kernels.GELU(row)
		case quant.GELUTanh:
			kernels.GELUTanh(row)
		default:
			kernels.QuickGELU(row)
		}
	}
	o.set(l, x)
}

// set makes rows the input of l.
func (o *operand) set(l *linear, rows []float32) {
	o.reset(l, rows)
	if l.int8 == nil {
		return
	}
	o.int8.QuantizeRows(o.refined, rows)
	o.refine(l)
}

// refine writes the rows in front.
func (o *operand) refine(l *linear) {
	if l.int8 == nil {
		return
	}
	for i := range o.refined {
		o.int8.RefineRow(i, o.refined+i, o.float32[i*l.in:(i+1)*l.in], o.rest[:l.in])
	}
}

// forward writes the products of o's first n rows to dst, or adds them. The rows of
// dst are ld apart, and the refined ones are in front, which an int8 layer needs.
func (l *linear) forward(w *kernels.Worker, dst []float32, ld int, o *operand, n int, add bool) {
	rows := dst[o.refined*ld:]
	if l.int8 == nil {
		w.Mul(rows, ld, o.float32, l.in, n, l.float32, nil, add)
		return
	}
	for i := range o.refined {
		clear(dst[i*ld:][:l.out])
	}
	w.GemmPart(dst, ld, o.int8, 0, o.refined+n, l.int8, 0, add)
	// Every row has the bias, so the sum of two rows has it once too often.
	for i := range o.refined {
		row := rows[i*ld:][:l.out]
		for j, v := range dst[i*ld:][:l.out] {
			row[j] += v - l.bias[j]
		}
	}
}

// split returns the layers that make the first n outputs of l and the others. They
// share its weights. Where these are not int8, or a panel of them goes beyond the
// first n, there are no such layers.
func (l *linear) split(n int) (first, others *linear) {
	if l.int8 == nil || n%kernels.PanelRows() != 0 {
		return nil, nil
	}
	first = &linear{out: n, in: l.in, int8: l.int8.Slice(0, n), bias: l.bias[:n]}
	others = &linear{out: l.out - n, in: l.in, int8: l.int8.Slice(n, l.out), bias: l.bias[n:]}
	return first, others
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
