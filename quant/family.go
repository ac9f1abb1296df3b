package quant

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// family is a way of naming and storing a plain ViT. A checkpoint's family is
// found by the names of its tensors, never by the name of its file.
type family struct {
	name   string
	blocks string // what stands before the number of a block
	probe  string // what a block's first tensors are called, to recognize the family

	// origin says where the tensor of a canonical name lies.
	origin func(canonical string) origin
	// unused reports tensors that such files hold and a classifier never reads.
	unused func(name string) bool
	// configure fills in what shapes do not say, from the files beside the
	// weights. What they leave open stays zero.
	configure func(c *Checkpoint, s sidecars) error
}

// origin is a tensor of a source, or some of its rows.
type origin struct {
	names       []string // the first one that exists
	part, parts int      // rows of a fused tensor; parts is 0 for all
}

// families are all that Open knows, tried in this order.
var families = []*family{
	timm,
	huggingFace("vit."),
	huggingFace("deit."),
	huggingFace(""),
}

// findFamily recognizes the source or says what it has instead.
func findFamily(f *File) (*family, error) {
	for _, fam := range families {
		for _, t := range f.tensors {
			if strings.HasPrefix(t.Name, fam.blocks+fam.probe) {
				return fam, fam.refuseRelatives(f)
			}
		}
	}
	if len(f.tensors) == 0 {
		return nil, errors.New("unknown architecture: the file has no tensors")
	}
	var names []string
	for _, t := range f.tensors[:min(4, len(f.tensors))] {
		names = append(names, strconv.Quote(t.Name))
	}
	return nil, fmt.Errorf("unknown architecture: tensors like %s belong to no ViT of timm or Hugging Face", strings.Join(names, ", "))
}

// relatives of the plain ViT, by what stands in the names of their tensors.
var relatives = []struct{ part, what string }{
	{"dist", "a distilled DeiT with a second class token"},
	{"gamma", "a ViT with LayerScale"},
	{"layer_scale", "a ViT with LayerScale"},
	{"relative_position", "a BEiT or Swin with relative positions"},
	{"reg_token", "a ViT with register tokens"},
	{"register_token", "a ViT with register tokens"},
	{"norm_pre", "a CLIP encoder with a norm before its first block"},
	{"attn_pool", "a SigLIP encoder with attention pooling"},
	{"q_norm", "a ViT that normalizes queries and keys"},
}

// refuseRelatives names the architecture before a shape that does not fit
// makes it look like a broken file.
func (fam *family) refuseRelatives(f *File) error {
	for _, t := range f.tensors {
		for _, r := range relatives {
			if strings.Contains(t.Name, r.part) && !fam.unused(t.Name) {
				return fmt.Errorf("unknown architecture: tensor %q is that of %s, not of a plain ViT", t.Name, r.what)
			}
		}
	}
	return nil
}

// find looks a canonical name up in the file, in the whole tensor that holds
// it.
func (fam *family) find(f *File, canonical string) (Tensor, origin, error) {
	o := fam.origin(canonical)
	for _, name := range o.names {
		if t, ok := f.Tensor(name); ok {
			return t, o, nil
		}
	}
	return Tensor{}, o, fmt.Errorf(`tensor "%s" is missing`, strings.Join(o.names, `" or "`))
}

// sizes derives from shapes all that shapes can say.
func (fam *family) sizes(f *File) (Config, error) {
	var c Config
	// dims returns the shape of a tensor of known rank.
	dims := func(canonical string, rank int) ([]int, error) {
		t, o, err := fam.find(f, canonical)
		if err != nil {
			return nil, err
		}
		if len(t.Shape) != rank {
			return nil, fmt.Errorf("tensor %q: shape is %v; want %d dimensions", t.Name, t.Shape, rank)
		}
		shape := slices.Clone(t.Shape)
		if o.parts > 0 {
			shape[0] /= o.parts
		}
		return shape, nil
	}
	patch, err := dims("vit.embeddings.patch_embeddings.projection.weight", 4)
	if err != nil {
		return c, err
	}
	if patch[1] != 3 || patch[2] != patch[3] {
		return c, fmt.Errorf("tensor %q: shape is %v; want [D 3 p p], square patches of RGB", fam.origin("vit.embeddings.patch_embeddings.projection.weight").names[0], patch)
	}
	c.Dim, c.PatchSize = patch[0], patch[2]
	position, err := dims("vit.embeddings.position_embeddings", 3)
	if err != nil {
		return c, err
	}
	grid := int(math.Sqrt(max(0, float64(position[1])-1)))
	if grid < 1 || 1+grid*grid != position[1] {
		return c, fmt.Errorf("tensor %q: shape is %v; %d positions are not a class token and a square of patches", fam.origin("vit.embeddings.position_embeddings").names[0], position, position[1])
	}
	if c.PatchSize < 1 || grid > 1<<16/c.PatchSize { // so that the product below fits an int
		return c, fmt.Errorf("a grid of %d by %d patches of %d pixels makes no image of 1 to 65536", grid, grid, c.PatchSize)
	}
	c.ImageSize = grid * c.PatchSize
	fc1, err := dims("vit.encoder.layer.0.intermediate.dense.weight", 2)
	if err != nil {
		return c, err
	}
	c.MLPDim = fc1[0]
	head, err := dims("classifier.weight", 2)
	if err != nil {
		return c, err
	}
	c.Classes = head[0]
	c.Depth = fam.depth(f)
	_, _, err = fam.find(f, "vit.encoder.layer.0.attention.attention.query.bias")
	c.QKVBias = err == nil
	return c, nil
}

// depth is the number of blocks that the names speak of.
func (fam *family) depth(f *File) int {
	depth := 0
	for _, t := range f.tensors {
		if rest, ok := strings.CutPrefix(t.Name, fam.blocks); ok {
			number, _, _ := strings.Cut(rest, ".")
			if i, err := strconv.ParseUint(number, 10, 31); err == nil {
				depth = max(depth, int(min(i, 1<<16))+1) // more than Validate takes is enough
			}
		}
	}
	return depth
}

// take collects the tensors of a plain ViT of c's sizes under their canonical
// names. Every one must be there, in shape and type, and nothing may be left
// over: a tensor that would be ignored is a model that would be wrong.
func (fam *family) take(f *File, c Config) (map[string]Tensor, error) {
	used := map[string]bool{}
	tensors := map[string]Tensor{}
	for s := range c.specs() {
		if s.scale && tensors[strings.TrimSuffix(s.name, "_scale")].DType != I8 {
			continue
		}
		t, o, err := fam.find(f, s.name)
		if err != nil {
			return nil, err
		}
		used[t.Name] = true
		want := slices.Clone(s.shape)
		if o.parts > 0 {
			want[0] *= o.parts
		}
		if !slices.Equal(t.Shape, want) {
			return nil, fmt.Errorf("tensor %q: shape is %v; want %v", t.Name, t.Shape, want)
		}
		switch {
		case s.linear && t.DType == I8, t.DType.Float():
		case s.linear:
			return nil, fmt.Errorf("tensor %q: dtype is %s; want I8, F32, F16 or BF16", t.Name, t.DType)
		default:
			return nil, fmt.Errorf("tensor %q: dtype is %s; want F32, F16 or BF16", t.Name, t.DType)
		}
		if o.part == 0 { // once for a fused tensor
			if err := checkValues(t, s.scale); err != nil {
				return nil, err
			}
		}
		if o.parts > 0 {
			t = t.rows(o.part, o.parts)
		}
		t.Name = s.name
		tensors[s.name] = t
	}
	for _, t := range f.tensors {
		if !used[t.Name] && !fam.unused(t.Name) {
			return nil, fmt.Errorf("unknown architecture: tensor %q %v is no part of a plain ViT", t.Name, t.Shape)
		}
	}
	if err := oneKind(tensors); err != nil {
		return nil, err
	}
	return tensors, nil
}

// checkValues reports what no weight may be: a float that is not finite, -128,
// a scale that is not positive.
func checkValues(t Tensor, scale bool) error {
	if t.DType == I8 {
		w, err := t.Int8s()
		if i := slices.Index(w, -128); i >= 0 {
			return fmt.Errorf("tensor %q: element %d of %v is -128; int8 weights lie in [-127, 127]", t.Name, i, t.Shape)
		}
		return err
	}
	if err := t.finite(); err != nil {
		return err
	}
	if !scale {
		return nil
	}
	for i := range t.Shape[0] {
		if s := t.float(i); !(s > 0) {
			return fmt.Errorf("tensor %q: scale %d is %g; scales must be positive", t.Name, i, s)
		}
	}
	return nil
}
