package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vitedge/quant"
)

// inspect is the command quantize inspect.
type inspect struct {
	*console
	source sourceFlags
	json   bool
}

func newInspect(con *console) *cobra.Command {
	i := inspect{console: con}
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Show what is in float weights or an int8 model",
		Long: `Inspect shows what quantize finds in a file: the architecture, how pictures are
prepared, the labels, every tensor, and of an int8 model how it was made. FILE
is whatever quantize takes as SRC, or an int8 model.`,
		Example: `  quantize inspect vit_tiny.int8.safetensors
  quantize inspect --json vit_tiny_patch16_224/ | jq .config`,
		Args: exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := i.source.options(cmd.Flags())
			if err != nil {
				return usageError{err}
			}
			return i.run(cmd.Context(), args[0], options)
		},
	}
	i.source.add(cmd)
	cmd.Flags().BoolVar(&i.json, "json", false, "print JSON")
	return cmd
}

func (i *inspect) run(ctx context.Context, name string, o quant.Options) error {
	path, _, err := i.findSource(ctx, name)
	if err != nil {
		return err
	}
	c, missing, err := openIncomplete(path, o)
	if err != nil {
		i.listTensors(path, o.Weights)
		return err
	}
	defer c.Close()
	d := describe(c, missing)
	if i.json {
		return json.NewEncoder(i.stdout).Encode(d)
	}
	d.print(i.text(), c)
	return nil
}

// openIncomplete is quant.Open for weights that may leave something open. What
// they leave open has some value then, and is listed.
func openIncomplete(path string, o quant.Options) (c *quant.Checkpoint, missing []string, err error) {
	c, err = quant.Open(path, o)
	var incomplete *quant.IncompleteError
	if !errors.As(err, &incomplete) {
		return c, nil, err
	}
	for _, what := range incomplete.Missing {
		switch what {
		case "heads":
			o.Heads = 1
		case "resize":
			o.Resize = quant.Resize{Mode: quant.Squash, Size: quant.MaxSide}
		case "interpolation":
			o.Interpolation = quant.Bicubic
		case "mean":
			o.Mean = []float32{0, 0, 0}
		case "std":
			o.Std = []float32{1, 1, 1}
		}
	}
	if c, err = quant.Open(path, o); err != nil {
		return nil, nil, err
	}
	c.Notes = slices.DeleteFunc(c.Notes, func(n quant.Note) bool { return slices.Contains(incomplete.Missing, n.What) })
	return c, incomplete.Missing, nil
}

// listTensors shows what else a file holds, when it is no model.
func (i *inspect) listTensors(path, weights string) {
	tensors, err := quant.List(path, weights)
	if err == nil && !i.json { // else the first error says more
		printTensors(i.text(), tensors)
	}
}

// description is what inspect tells of a file. Names are those of Hugging
// Face's configurations; null is what the file does not say.
type description struct {
	Path         string              `json:"path"`
	Bytes        int64               `json:"bytes"`
	SHA256       string              `json:"sha256"`
	Kind         string              `json:"kind"` // "float" or "int8"
	Family       string              `json:"family"`
	Version      string              `json:"quantizer_version,omitempty"`
	SourceSHA256 string              `json:"source_sha256,omitempty"`
	Config       configDescription   `json:"config"`
	Preprocess   pictureDescription  `json:"preprocess"`
	Labels       []string            `json:"labels"`
	Missing      []string            `json:"missing,omitempty"`
	Notes        []noteDescription   `json:"notes"`
	Types        []typeDescription   `json:"types"`
	Tensors      []tensorDescription `json:"tensors"`
	Report       json.RawMessage     `json:"report,omitempty"`
}

type configDescription struct {
	Architecture string           `json:"architecture"`
	ImageSize    int              `json:"image_size"`
	PatchSize    int              `json:"patch_size"`
	HiddenSize   int              `json:"hidden_size"`
	Layers       int              `json:"num_hidden_layers"`
	Heads        *int             `json:"num_attention_heads"`
	Intermediate int              `json:"intermediate_size"`
	NumLabels    int              `json:"num_labels"`
	Epsilon      float32          `json:"layer_norm_eps"`
	Activation   quant.Activation `json:"hidden_act"`
	Pool         quant.Pool       `json:"global_pool"`
	QKVBias      bool             `json:"qkv_bias"`
	ClassToken   bool             `json:"class_token"`
	Registers    int              `json:"num_register_tokens"`
	Distilled    bool             `json:"distilled"`
	PreLogits    int              `json:"pre_logits"`
	Parameters   int64            `json:"parameters"`
}

type pictureDescription struct {
	Resize        *string              `json:"resize"`
	Crop          int                  `json:"crop"`
	Interpolation *quant.Interpolation `json:"interpolation"`
	Mean          *[3]float32          `json:"mean"`
	Std           *[3]float32          `json:"std"`
}

type noteDescription struct {
	What  string `json:"what"`
	Value string `json:"value"`
	From  string `json:"from"`
}

type typeDescription struct {
	DType   quant.DType `json:"dtype"`
	Tensors int         `json:"tensors"`
	Bytes   int64       `json:"bytes"`
}

type tensorDescription struct {
	Name  string      `json:"name"`
	DType quant.DType `json:"dtype"`
	Shape []int       `json:"shape"`
	Bytes int64       `json:"bytes"`
}

func describe(c *quant.Checkpoint, missing []string) *description {
	n, p := c.Config, c.Preprocess
	d := &description{
		Path: c.Path, Bytes: c.Bytes, SHA256: c.SHA256, Kind: "float", Family: c.Family,
		Version: c.Version, SourceSHA256: c.SourceSHA256,
		Config: configDescription{
			Architecture: n.Architecture, ImageSize: n.ImageSize, PatchSize: n.PatchSize, HiddenSize: n.Dim, Layers: n.Depth,
			Heads: &n.Heads, Intermediate: n.MLPDim, NumLabels: n.Classes, Epsilon: n.Epsilon, Activation: n.Activation,
			Pool: n.Pool, QKVBias: n.QKVBias, ClassToken: !n.NoClassToken, Registers: n.Registers, Distilled: n.Distilled,
			PreLogits: n.PreLogits,
		},
		Preprocess: pictureDescription{Crop: p.Crop, Interpolation: &p.Interpolation, Mean: &p.Mean, Std: &p.Std},
		Labels:     c.Labels,
		Missing:    missing,
	}
	resize := p.Resize.String()
	d.Preprocess.Resize = &resize
	if c.Quantized() {
		d.Kind = "int8"
		if report := json.RawMessage(c.Report()); json.Valid(report) { // the file may be anyone's
			d.Report = report
		}
	}
	for _, what := range missing {
		switch what {
		case "heads":
			d.Config.Heads = nil
		case "resize":
			d.Preprocess.Resize = nil
		case "interpolation":
			d.Preprocess.Interpolation = nil
		case "mean":
			d.Preprocess.Mean = nil
		case "std":
			d.Preprocess.Std = nil
		}
	}
	for _, note := range c.Notes {
		d.Notes = append(d.Notes, noteDescription(note))
	}
	sums := map[quant.DType]typeDescription{}
	for _, t := range c.Tensors() {
		n := elements(t.Shape)
		bytes := n * int64(t.DType.Size())
		d.Tensors = append(d.Tensors, tensorDescription{t.Name, t.DType, t.Shape, bytes})
		s := sums[t.DType]
		sums[t.DType] = typeDescription{t.DType, s.Tensors + 1, s.Bytes + bytes}
		if !strings.HasSuffix(t.Name, "_scale") {
			d.Config.Parameters += n
		}
	}
	d.Types = slices.SortedFunc(maps.Values(sums), func(a, b typeDescription) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return d
}

func (d *description) print(w io.Writer, c *quant.Checkpoint) {
	row := func(name, format string, values ...any) {
		fmt.Fprintf(w, "  %-15s "+format+"\n", append([]any{name}, values...)...)
	}
	printNotes(w, c)
	for _, what := range d.Missing {
		row(what, "%-24s (give %s)", "unknown", flagFor[what])
	}
	if c.Labels != nil {
		row("", "%s", strings.Join(c.Labels[:min(5, len(c.Labels))], "; ")+map[bool]string{true: ", …"}[len(c.Labels) > 5])
	}
	row("parameters", "%.1f M", float64(d.Config.Parameters)/1e6)
	row("file", "%.1f MB, sha256 %s", float64(d.Bytes)/1e6, d.SHA256)
	if d.Kind == "int8" {
		row("made by", "quantize %s of weights with sha256 %s", d.Version, d.SourceSHA256)
		if d.Report != nil {
			row("report", "%s", d.Report)
		}
	}
	for _, t := range d.Types {
		row(string(t.DType), "%d tensors, %.1f MB", t.Tensors, float64(t.Bytes)/1e6)
	}
	printTensors(w, c.Tensors())
}

func printTensors(w io.Writer, tensors []quant.Tensor) {
	fmt.Fprintf(w, "\n%-62s %-11s %-4s %12s\n", "tensor", "shape", "type", "bytes")
	for _, t := range tensors {
		fmt.Fprintf(w, "%-62s %-11s %-4s %12d\n", t.Name, shapeText(t.Shape), t.DType, elements(t.Shape)*int64(t.DType.Size()))
	}
}
