package quant

import (
	"fmt"
	"slices"
	"strings"
)

// weight is a tensor of a checkpoint, laid out when it is asked for.
type weight struct {
	array array
	shape []int  // the canonical one
	scale *array // of the rows, [rows]: a LayerScale; nil for none
}

// weightOf is the weight that a tensor in memory is.
func weightOf(t Tensor) weight { return weight{array: arrayOf(t), shape: t.Shape} }

// dtype is the type that tensor gives.
func (w weight) dtype() DType {
	if w.scale != nil {
		return F32
	}
	return w.array.dtype
}

// inPlace reports whether tensor is a view.
func (w weight) inPlace() bool {
	return w.scale == nil && w.array.deflated == nil && w.array.rowMajor()
}

// tensor lays the weight out under its canonical name.
func (w weight) tensor(name string) (Tensor, error) {
	t, err := w.array.tensor()
	if err != nil {
		return t, err
	}
	t.Name, t.Shape = name, w.shape
	if w.scale == nil {
		return t, nil
	}
	scale, err := w.scale.floats()
	if err != nil {
		return t, err
	}
	v, err := t.Float32s()
	if err != nil {
		return t, err
	}
	scaled := make([]float32, len(v))
	columns := len(v) / len(scale)
	for o, g := range scale {
		for i := o * columns; i < (o+1)*columns; i++ {
			scaled[i] = v[i] * g
		}
	}
	return float32Tensor(name, w.shape, scaled), nil
}

// floats are the elements of a float array, under the name of the source.
func (a array) floats() ([]float32, error) {
	t, err := a.tensor()
	if err != nil {
		return nil, err
	}
	return t.Float32s()
}

// taker collects the tensors of a model from its source.
type taker struct {
	fam    *family
	source *source
	scaled bool // the blocks have LayerScales
	used   map[string]bool
	bytes  uint64 // of the tensors so far
}

// take collects the tensors of a ViT of c's sizes under their canonical names.
// Every one must be there, in shape and type, and nothing may be left over: a
// tensor that would be ignored is a model that would be wrong.
func (fam *family) take(s *source, c Config, p positionTable, f positionFilter) (weights map[string]weight, err error) {
	t := &taker{fam: fam, source: s, used: map[string]bool{}}
	t.scaled = fam.has(s, "vit.encoder.layer.0.layer_scale1."+layerScale)
	weights = map[string]weight{}
	for spec := range c.specs() {
		if spec.embedding || spec.scale && weights[strings.TrimSuffix(spec.name, "_scale")].array.dtype != I8 {
			continue
		}
		w, err := t.weight(spec)
		if err != nil {
			return nil, err
		}
		weights[spec.name] = w
	}
	if err := t.embeddings(weights, c, p, f); err != nil {
		return nil, err
	}
	for _, a := range s.arrays {
		if !t.used[a.name] && !fam.unused(a.name) && !isAverageCount(a) {
			return nil, fmt.Errorf("%w: tensor %q %v is no part of a plain ViT", errUnknown, a.name, a.shape)
		}
	}
	return weights, oneKind(weights)
}

// isAverageCount reports how many models an average is of, which
// torch.optim.swa_utils.AveragedModel keeps beside the weights.
func isAverageCount(a array) bool { return a.name == "n_averaged" && len(a.shape) == 0 }

// weight finds the tensor of a spec and checks it.
func (t *taker) weight(s spec) (weight, error) {
	view, err := t.find(s.name, s.shape)
	if err != nil {
		return weight{}, err
	}
	switch {
	case s.linear && view.dtype == I8, view.dtype.Float():
	case s.linear:
		return weight{}, fmt.Errorf("tensor %q: dtype is %s; want I8, F32, F16 or BF16", view.name, view.dtype)
	default:
		return weight{}, fmt.Errorf("tensor %q: dtype is %s; want F32, F16 or BF16", view.name, view.dtype)
	}
	if s.scale {
		if err := checkScales(view); err != nil {
			return weight{}, err
		}
	}
	w := weight{array: view, shape: s.shape}
	if s.scaledBy == "" || !t.scaled {
		return w, nil
	}
	scale, err := t.weight(spec{name: s.scaledBy, shape: s.shape[:1]})
	if err != nil {
		return w, err
	}
	if view.dtype == I8 {
		return w, fmt.Errorf("tensor %q: an int8 model has no LayerScale", scale.array.name)
	}
	w.scale = &scale.array
	return w, nil
}

// find finds a tensor of a given shape and checks its values.
func (t *taker) find(name string, shape []int) (array, error) {
	view, whole, o, err := t.fam.find(t.source, name)
	if err != nil {
		return view, err
	}
	if o.axes != nil && !regroups(view.shape, shape) || o.axes == nil && !slices.Equal(view.shape, shape) {
		want := slices.Clone(shape)
		if o.parts > 0 {
			want[0] *= o.parts
		}
		return view, fmt.Errorf("tensor %q: shape is %v; want %v", whole.name, whole.shape, want)
	}
	if t.used[whole.name] && o.parts == 0 && !o.stacked {
		return view, nil // a LayerScale, which scales weight and bias
	}
	n, _ := elements(shape)
	if t.bytes += uint64(n * view.dtype.Size()); t.bytes > t.source.size {
		return view, fmt.Errorf("tensor %q: the tensors up to it take %d bytes together, but the file has %d: they overlap", whole.name, t.bytes, t.source.size)
	}
	if t.used[whole.name] {
		return view, nil
	}
	t.used[whole.name] = true
	return view, checkValues(whole)
}

// checkValues reports what no weight may be: a float that is not finite, and
// -128.
func checkValues(a array) error {
	if !a.dtype.Float() && a.dtype != I8 {
		return nil // the type is refused where it matters
	}
	if n, _ := elements(a.shape); a.deflated != nil && a.dtype.Float() && n > 0 && n == a.span() {
		return checkDeflated(a, n)
	}
	t, err := a.tensor()
	if err != nil {
		return err
	}
	if t.DType == I8 {
		w, err := t.Int8s()
		if i := slices.Index(w, -128); i >= 0 {
			return fmt.Errorf("tensor %q: element %d of %v is -128; int8 weights lie in [-127, 127]", t.Name, i, t.Shape)
		}
		return err
	}
	return t.finite(0)
}

// checkDeflated does what checkValues does with the n elements of an array that
// is compressed, in whatever order it stores them. The array may be all blocks of
// a model, too large to be held beside the one that is being quantized.
func checkDeflated(a array, n int) error {
	const piece = 1 << 18 // elements
	size := a.dtype.Size()
	for i := 0; i < n; i += piece {
		from, to := a.offset+i, a.offset+min(n, i+piece)
		data, err := a.deflated.read(uint64(from*size), uint64(to*size))
		if err != nil {
			return fmt.Errorf("tensor %q: %w", a.name, err)
		}
		if err := (Tensor{Name: a.name, DType: a.dtype, Shape: a.shape, Data: data}).finite(i); err != nil {
			return err
		}
	}
	return nil
}

// checkScales reports a scale that is not positive.
func checkScales(a array) error {
	scales, err := a.floats()
	for i, s := range scales {
		if !(s > 0) {
			return fmt.Errorf("tensor %q: scale %d is %g; scales must be positive", a.name, i, s)
		}
	}
	return err
}
