package bench

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"vitedge/quant"
)

// Sizes are the names that Random knows.
var Sizes = []string{"tiny", "small", "base"}

// randomConfig is the plain ViT with 16×16 patches of that size, at 224 pixels and
// for 1000 classes.
func randomConfig(size string) (quant.Config, error) {
	heads := map[string]int{"tiny": 3, "small": 6, "base": 12}[size]
	if heads == 0 {
		return quant.Config{}, fmt.Errorf("there is no random model %q; want %s", size, strings.Join(Sizes, ", "))
	}
	return quant.Config{
		Architecture: "random-vit-" + size,
		ImageSize:    224, PatchSize: 16, Dim: 64 * heads, Depth: 12, Heads: heads, MLPDim: 256 * heads, Classes: 1000,
		Epsilon: 1e-6, Activation: quant.GELU, Pool: quant.Token, QKVBias: true,
	}, nil
}

// randomPreprocess brings pixels to [-1, 1].
var randomPreprocess = quant.Preprocess{
	Resize: quant.Resize{Mode: quant.ShortestEdge, Size: 224}, Crop: 224, Interpolation: quant.Bicubic,
	Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.5, 0.5, 0.5},
}

// Random makes a model whose weights are the same on every machine and of the
// size that those of a trained model have.
//
// Element i of the tensor NAME is made of the i-th output of SplitMix64 (Steele,
// Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014) seeded with
// the FNV-1a hash of NAME: its four 16-bit parts are added up, which gives an
// integer s of nearly normal distribution with the mean 131070 and the deviation
// 37837.23; the element is
//
//	offset + float32(s - 131070)·float32(deviation / 37837.23)
//
// in float32, with offset and deviation from randomScale. These are integers but
// for one multiplication and one addition, so all machines agree.
func Random(size string) (*quant.Checkpoint, error) {
	cfg, err := randomConfig(size)
	if err != nil {
		return nil, err
	}
	return quant.New(cfg, randomPreprocess, fillRandom)
}

func fillRandom(name string, shape []int, dst []float32) {
	offset, deviation := randomScale(name, shape)
	factor := float32(deviation / bellDeviation)
	r := newSplitMix(name)
	for i := range dst {
		dst[i] = offset + float32(float32(bell(r.next()))*factor)
	}
}

// randomScale returns mean and standard deviation of a tensor's elements. n is the
// number of inputs of an output: the sum of n products has the deviation √n.
func randomScale(name string, shape []int) (mean float32, deviation float64) {
	n := 1
	for _, d := range shape[1:] {
		n *= d
	}
	is := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(name, p) })
	}
	switch {
	case is("cls_token", "position_embeddings"):
		return 0, 0.5
	case is("layernorm") && is(".weight"):
		return 1, 0.25
	case is(".bias"):
		return 0, 0.1
	case is("query", "key"): // attention that is neither uniform nor one-hot
		return 0, 1.3 / math.Sqrt(float64(n))
	case is("classifier"): // probabilities of some percent
		return 0, 2 / math.Sqrt(float64(n))
	}
	return 0, 1 / math.Sqrt(float64(n))
}

// RandomPixels returns a picture, side×side×3, of noise: the upper 8 bits of
// SplitMix64 seeded as for a tensor called "pixels".
func RandomPixels(side int) []byte {
	p := make([]byte, side*side*3)
	r := newSplitMix("pixels")
	for i := range p {
		p[i] = byte(r.next() >> 56)
	}
	return p
}

// bellDeviation is the standard deviation of bell: 2^16·√(4/12), all but.
const bellDeviation = 37837.23

// bell adds up the 16-bit parts of x and takes off the mean.
func bell(x uint64) int32 {
	return int32(x&0xffff) + int32(x>>16&0xffff) + int32(x>>32&0xffff) + int32(x>>48) - 2*0xffff
}

type splitMix uint64

func newSplitMix(name string) *splitMix {
	h := fnv.New64a()
	h.Write([]byte(name))
	s := splitMix(h.Sum64())
	return &s
}

func (s *splitMix) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	x := uint64(*s)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
