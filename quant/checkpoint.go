package quant

import (
	"fmt"
	"strings"
)

// Checkpoint is a plain ViT, float or int8, with all that it takes to run it.
type Checkpoint struct {
	Path       string // of the weights, or the index of shards; "" for what was never in a file
	Family     string // whose names and layout the file has
	Config     Config
	Preprocess Preprocess
	Labels     []string // one a class; nil where unknown

	// SHA256 is that of the weights file, in hex, or of all shards one after the
	// other. SourceSHA256 is that of the float weights that an int8 model was
	// made of.
	SHA256       string
	SourceSHA256 string

	// Version names the release of the tool that quantized an int8 model.
	Version string

	// Notes say what was found and where it came from.
	Notes []Note

	// Bytes is the length of the weights file, or of all shards.
	Bytes int64

	// Files are the paths of all that was read: the weights, shards and their
	// index, and the files beside them.
	Files []string

	weights    map[string]weight // by canonical name
	report     string            // JSON, see Quantize
	labelsFrom string            // see Note.From
	source     *source           // nil after Quantize

	cropFraction float64        // timm's crop_pct; 0 for none
	filter       positionFilter // for another image size than the trained one
	anySize      bool           // the reference resizes the position embedding itself
	trainedSize  int            // that the position embedding is for, in pixels
}

// Note is one thing that Open found out about a checkpoint.
type Note struct {
	What, Value string
	From        string // a file, a flag, a family's rule
}

func (c *Checkpoint) note(what string, value any, from string) {
	for i, n := range c.Notes {
		if n.What == what { // a later source overrides
			c.Notes[i] = Note{what, fmt.Sprint(value), from}
			return
		}
	}
	c.Notes = append(c.Notes, Note{what, fmt.Sprint(value), from})
}

func (c *Checkpoint) setLabels(labels []string, from string) {
	c.Labels, c.labelsFrom = labels, from
	c.note("labels", len(labels), from)
}

// Tensor finds a tensor by its canonical name, that of Hugging Face's
// ViTForImageClassification:
//
//	vit.embeddings.cls_token                              [1, 1, D]
//	vit.embeddings.register_tokens                        [1, R, D]
//	vit.embeddings.position_embeddings                    [1, 1+G², D]
//	vit.embeddings.patch_embeddings.projection            [D, 3, p, p]
//	vit.encoder.layer.N.layernorm_before                  [D]
//	vit.encoder.layer.N.attention.attention.query         [D, D], key and value too
//	vit.encoder.layer.N.attention.output.dense            [D, D]
//	vit.encoder.layer.N.layernorm_after                   [D]
//	vit.encoder.layer.N.intermediate.dense                [M, D]
//	vit.encoder.layer.N.output.dense                      [D, M]
//	vit.layernorm                                         [D]
//	pre_logits                                            [P, D]
//	classifier                                            [C, F]
//	distillation_classifier                               [C, D]
//
// Modules have ".weight" and ".bias" [rows]; query, key and value have biases
// where Config.QKVBias says so. The class token, register tokens, pre_logits and
// distillation_classifier are there where the Config has them, and F is
// Config.Features. The first row of the position embedding is that of the class
// token; registers have no other position than what is part of them, and a
// LayerScale is part of the layer before it. In an int8 model the linear layers
// of the blocks are I8 with a ".weight_scale" [rows, 1], but for those that were
// kept float. Types and shapes are checked and values finite.
//
// The tensor is a view of a mapped file, or laid out for this call where the
// file has it otherwise.
func (c *Checkpoint) Tensor(name string) (Tensor, error) {
	w, ok := c.weights[name]
	if !ok {
		return Tensor{}, fmt.Errorf("%s: no tensor %q", c.Path, name)
	}
	t, err := w.tensor(name)
	if err != nil {
		return Tensor{}, fmt.Errorf("%s: %w", c.Path, err)
	}
	return t, nil
}

// Tensors lists all tensors under their canonical names in the order of the
// model file. Data is nil where it is not as it is in a file: ask Tensor for it.
func (c *Checkpoint) Tensors() []Tensor {
	var list []Tensor
	for s := range c.Config.specs() {
		w, ok := c.weights[s.name]
		if !ok {
			continue
		}
		t := Tensor{Name: s.name, DType: w.dtype(), Shape: w.shape}
		if w.inPlace() {
			t, _ = w.tensor(s.name)
		}
		list = append(list, t)
	}
	return list
}

// LinearLayers lists the linear layers of the encoder blocks, those that
// Quantize turns into int8, in the order of the model file.
func (c *Checkpoint) LinearLayers() []string {
	var list []string
	for s := range c.Config.specs() {
		if s.linear {
			list = append(list, strings.TrimSuffix(s.name, ".weight"))
		}
	}
	return list
}

// Quantized reports whether linear layers of the blocks are int8.
func (c *Checkpoint) Quantized() bool {
	for _, w := range c.weights {
		if w.array.dtype == I8 {
			return true
		}
	}
	return false
}

// Report is the quantization_report that an int8 model carries, JSON, "" where
// there is none.
func (c *Checkpoint) Report() string { return c.report }

// Close unmaps the files. Tensors must not be used afterwards.
func (c *Checkpoint) Close() error {
	if c.source == nil {
		return nil
	}
	return c.source.close()
}
