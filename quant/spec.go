package quant

import (
	"iter"
	"slices"
	"strconv"
	"strings"
)

// spec is one tensor of a plain ViT under its canonical name, the one of
// Hugging Face's ViTForImageClassification.
type spec struct {
	name   string
	shape  []int
	linear bool // a linear layer of an encoder block: int8 in an int8 model
	scale  bool // the per-channel scale of such a layer: in an int8 model only

	embedding bool   // of a token or position: sources may have it in another form
	scaledBy  string // the LayerScale that sources may have for these rows
}

// specs lists the tensors of a plain ViT in the order of the model file. It is
// a sequence and no slice: a file that lies about its depth costs nothing
// beyond its first missing tensor.
func (c Config) specs() iter.Seq[spec] {
	return func(yield func(spec) bool) {
		for i := range c.Depth + 2 {
			part := c.blockSpecs(i - 1)
			switch i {
			case 0:
				part = c.embeddingSpecs()
			case c.Depth + 1:
				part = c.headSpecs()
			}
			for _, s := range part {
				if !yield(s) {
					return
				}
			}
		}
	}
}

func (c Config) embeddingSpecs() (list []spec) {
	positions := c.Grid() * c.Grid()
	if !c.NoClassToken {
		positions++
		list = append(list, spec{name: "vit.embeddings.cls_token", shape: []int{1, 1, c.Dim}, embedding: true})
	}
	if c.Registers > 0 {
		list = append(list, spec{name: "vit.embeddings.register_tokens", shape: []int{1, c.Registers, c.Dim}, embedding: true})
	}
	return append(list,
		spec{name: "vit.embeddings.position_embeddings", shape: []int{1, positions, c.Dim}, embedding: true},
		spec{name: "vit.embeddings.patch_embeddings.projection.weight", shape: []int{c.Dim, 3, c.PatchSize, c.PatchSize}},
		spec{name: "vit.embeddings.patch_embeddings.projection.bias", shape: []int{c.Dim}})
}

func (c Config) headSpecs() []spec {
	list := norm("vit.layernorm", c.Dim)
	head := func(module string, out, in int) {
		list = append(list, spec{name: module + ".weight", shape: []int{out, in}}, spec{name: module + ".bias", shape: []int{out}})
	}
	if c.PreLogits > 0 {
		head("pre_logits", c.PreLogits, c.Dim)
	}
	head("classifier", c.Classes, c.Features())
	if c.Distilled {
		head("distillation_classifier", c.Classes, c.Dim)
	}
	return list
}

// blockSpecs keeps query, key and value together: one behind the other they
// are a [3D, D] matrix with [3D] scales and biases.
func (c Config) blockSpecs(i int) []spec {
	block := "vit.encoder.layer." + strconv.Itoa(i) + "."
	attention := block + "attention.attention."
	return slices.Concat(
		norm(block+"layernorm_before", c.Dim),
		linear(c.Dim, c.Dim, c.QKVBias, attention+"query", attention+"key", attention+"value"),
		scaled(block+"layer_scale1", linear(c.Dim, c.Dim, true, block+"attention.output.dense")),
		norm(block+"layernorm_after", c.Dim),
		linear(c.MLPDim, c.Dim, true, block+"intermediate.dense"),
		scaled(block+"layer_scale2", linear(c.Dim, c.MLPDim, true, block+"output.dense")))
}

// scaled marks what a LayerScale belongs to.
func scaled(module string, list []spec) []spec {
	for i := range list {
		if !list[i].scale {
			list[i].scaledBy = module + "." + layerScale
		}
	}
	return list
}

func norm(module string, dim int) []spec {
	return []spec{
		{name: module + ".weight", shape: []int{dim}},
		{name: module + ".bias", shape: []int{dim}},
	}
}

func linear(out, in int, bias bool, modules ...string) (list []spec) {
	for _, m := range modules {
		list = append(list, spec{name: m + ".weight", shape: []int{out, in}, linear: true})
	}
	for _, m := range modules {
		list = append(list, spec{name: m + ".weight_scale", shape: []int{out, 1}, scale: true})
	}
	if bias {
		for _, m := range modules {
			list = append(list, spec{name: m + ".bias", shape: []int{out}})
		}
	}
	return list
}

// splitBlock cuts "vit.encoder.layer.3.output.dense.bias" into block "3",
// module "output.dense" and leaf "bias".
func splitBlock(name string) (block, module, leaf string, ok bool) {
	rest, ok := strings.CutPrefix(name, "vit.encoder.layer.")
	if !ok {
		return "", "", "", false
	}
	block, rest, _ = strings.Cut(rest, ".")
	dot := strings.LastIndexByte(rest, '.')
	return block, rest[:dot], rest[dot+1:], true
}
