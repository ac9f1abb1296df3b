package quant

import "strings"

// naming is what a family calls the parts of a ViT. Where there are several
// names, files have one of them.
type naming struct {
	blocks  []string            // what stands before the number of a block
	inside  map[string][]string // by canonical module of a block
	outside map[string][]string // by canonical module or tensor elsewhere
}

// names lists what the tensor of a canonical name may be called.
func (n naming) names(canonical string) (names []string) {
	block, module, leaf, ok := splitBlock(canonical)
	if !ok {
		if names, ok := n.outside[canonical]; ok {
			return names
		}
		dot := strings.LastIndexByte(canonical, '.')
		for _, name := range n.outside[canonical[:dot]] {
			names = append(names, name+canonical[dot:])
		}
		return names
	}
	for _, blocks := range n.blocks {
		for _, name := range n.inside[module] {
			name = blocks + block + "." + name
			if leaf != layerScale {
				name += "." + leaf
			}
			names = append(names, name)
		}
	}
	return names
}

// layerScale is the leaf of a LayerScale, the only tensor of its module. Its
// modules are layer_scale1, behind the attention, and layer_scale2, behind the
// MLP.
const layerScale = "lambda1"

// origin is where a family keeps a tensor: a tensor of the source, or a part of
// one, with the dimensions in the order of axes.
type origin struct {
	name        string
	axes        []int // as numpy.transpose takes them; nil is the order of the source
	part, parts int   // rows of a fused tensor; parts is 0 for all
	stacked     bool  // the blocks' tensors lie one behind the other,
	block       int   // and this is the number of the block
}

// plain are the origins of tensors that are stored as they are.
func plain(names []string) []origin {
	origins := make([]origin, len(names))
	for i, name := range names {
		origins[i].name = name
	}
	return origins
}

// view takes the part that o describes of the tensor a. It has no shape where
// that of a does not allow it.
func (o origin) view(a array) array {
	if o.stacked {
		if len(a.shape) == 0 || o.block >= a.shape[0] {
			return array{name: a.name, dtype: a.dtype}
		}
		a = a.at(o.block)
	}
	if o.axes != nil {
		if len(a.shape) != len(o.axes) {
			return array{name: a.name, dtype: a.dtype}
		}
		a = a.permute(o.axes)
	}
	if o.parts > 0 {
		if len(a.shape) == 0 || a.shape[0]%o.parts != 0 {
			return array{name: a.name, dtype: a.dtype}
		}
		a = a.rows(o.part, o.parts)
	}
	return a
}

// regroups reports whether a shape becomes another when neighboring dimensions
// are joined: [heads, d, D] is [heads·d, D].
func regroups(shape, want []int) bool {
	i := 0
	for _, n := range want {
		product := 1
		for i < len(shape) && product < n {
			product *= shape[i] // no more than the elements, which an int counts
			i++
		}
		if product != n {
			return false
		}
	}
	for ; i < len(shape); i++ {
		if shape[i] != 1 {
			return false
		}
	}
	return true
}
